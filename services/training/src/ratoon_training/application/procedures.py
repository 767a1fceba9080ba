"""How a training run is worked on: the domain decides, drivers do."""

from dataclasses import replace
from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.operations import Claim, Step
from ratoon_training.application.ports import Drivers, Machine
from ratoon_training.domain.plan import plan
from ratoon_training.domain.runs import Action, Observation, State, TrainingRun, Transition, fail, step

_LOOK_S = 0.5


class RunProcedure:
    """The long work behind CreateTrainingRun."""

    kind = TrainingRun

    def __init__(self, drivers: Drivers, machine: Machine) -> None:
        self._drivers, self._machine = drivers, machine

    def observe(self, run: TrainingRun, claim: Claim) -> Observation:
        """The job of this attempt as it is now; a plan while the run is queued."""
        seen = self._drivers.observe(_job_id(run, claim))
        if run.state is not State.QUEUED:
            return seen
        machine = self._machine
        planned = plan(run.recipe, run.resources, machine.available_bytes(), machine.families())
        return replace(seen, plan=planned)

    def step(self, run: TrainingRun, seen: Observation, now: datetime) -> Step[TrainingRun]:
        """What follows from it."""
        return _as_step(step(run, seen, now))

    def act(self, run: TrainingRun, action: Action, claim: Claim) -> None:
        """Start or stop the job, or clean up after the run."""
        if action is Action.START:
            self._drivers.start(_job_id(run, claim), run, claim.fence)
        elif action is Action.STOP:
            self._drivers.stop(_job_id(run, claim))
        else:
            self._drivers.clean(run)

    def failed(self, run: TrainingRun, error: Description, now: datetime) -> Step[TrainingRun]:
        """An error that repeating will not mend ends the run."""
        return _as_step(fail(replace(run, update_time=now), error.reason, error.message))


def _job_id(run: TrainingRun, claim: Claim) -> str:
    return claim.action_id("train", run.attempt)


def _as_step(transition: Transition) -> Step[TrainingRun]:
    ended = transition.run.state.ended
    return Step(transition.run, transition.actions, transition.events, wake_after=_LOOK_S, done=ended)
