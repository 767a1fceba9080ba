"""How a training run is worked on: the domain decides, drivers do."""

from dataclasses import replace
from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.operations import Claim, Step
from ratoon_training.application.ports import Drivers, Machine, Workers
from ratoon_training.domain.plan import ResourcePlan, plan
from ratoon_training.domain.runs import Action, Observation, Phase, State, TrainingRun, Transition, fail, step

_LOOK_S = 0.5


class RunProcedure:
    """The long work behind CreateTrainingRun."""

    kind = TrainingRun

    def __init__(self, drivers: Drivers, machine: Machine, workers: Workers) -> None:
        self._drivers, self._machine, self._workers = drivers, machine, workers

    def observe(self, run: TrainingRun, claim: Claim) -> Observation:
        """The job of this attempt as it is now; a plan while the run is queued."""
        seen = self._drivers.observe(_job_id(run, claim))
        if run.state is State.QUEUED:
            return replace(seen, plan=self._planned(run))
        if seen.phase is Phase.RUNNING and (waits := self._workers.waits_for(run)):
            return replace(seen, progress=replace(seen.progress, message=waits))
        return seen

    def step(self, run: TrainingRun, seen: Observation, now: datetime) -> Step[TrainingRun]:
        """What follows from it."""
        return _as_step(step(run, seen, now))

    def act(self, run: TrainingRun, action: Action, claim: Claim) -> None:
        """Start or stop the job, or clean up after the run."""
        if action is Action.START:
            place = self._workers.ensure(run)
            self._drivers.start(_job_id(run, claim), run, place, claim.fence)
        elif action is Action.STOP:
            self._drivers.stop(_job_id(run, claim))
        else:
            self._drivers.clean(run)
            self._workers.remove(run.name)

    def failed(self, run: TrainingRun, error: Description, now: datetime) -> Step[TrainingRun]:
        """An error that repeating will not mend ends the run."""
        return _as_step(fail(replace(run, update_time=now), error.reason, error.message))

    def _planned(self, run: TrainingRun) -> ResourcePlan:
        available = self._machine.available_bytes(run.resources)
        return plan(run.recipe, run.resources, available, self._machine.families())


def _job_id(run: TrainingRun, claim: Claim) -> str:
    return claim.action_id("train", run.attempt)


def _as_step(transition: Transition) -> Step[TrainingRun]:
    ended = transition.run.state.ended
    return Step(transition.run, transition.actions, transition.events, wake_after=_LOOK_S, done=ended)
