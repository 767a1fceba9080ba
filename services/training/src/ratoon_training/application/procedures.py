"""Procedure of a training run: the domain decides, drivers execute."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ratoon.operations.job_machine import Action, Phase
from ratoon.operations.job_procedure import as_step
from ratoon.operations.operations import Claim, Step
from ratoon.process.errors import Description
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store
from ratoon_training.application.planning import EARLIER_RUNS, Reservations, planned
from ratoon_training.application.ports import Drivers, Machine, Workers
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.predictions import NO_PRICES, Prices, with_cost
from ratoon_training.domain.runs import Observation, State, TrainingRun, fail, step

_POLL_INTERVAL_S = 0.5


class RunProcedure:
    """Long-running operation of CreateTrainingRun."""

    kind = TrainingRun

    def __init__(
        self,
        drivers: Drivers,
        machine: Machine,
        workers: Workers,
        store: Store | None = None,
        prices: Prices = NO_PRICES,
        *,
        shares_memory: bool = False,
        wake: Callable[[str], None] = lambda name: None,
    ) -> None:
        """`store` holds the earlier runs; `shares_memory` is True if all runs take the memory of one machine.

        `wake` wakes the operation of the sweep of a run that has ended.
        """
        self._drivers, self._machine, self._workers = drivers, machine, workers
        self._store, self._prices, self._wake = store, prices, wake
        self._live: dict[str, TrainingRun] = {}
        """Runs of this process that have not ended, as they were observed last."""
        self._reservations = Reservations(lambda: list(self._live.values())) if shares_memory else None

    def observe(self, run: TrainingRun, claim: Claim) -> Observation:
        """Return the state of this attempt's job, and a plan while the run is queued."""
        self._live[run.name] = run
        job = self._drivers.observe(_job_id(run, claim))
        if run.state is State.QUEUED:
            return Observation(job, self._planned(run))
        if job.result is not None:
            return Observation(replace(job, result=with_cost(job.result, run.resources, self._prices)))
        if job.phase is Phase.RUNNING and (message := self._workers.waits_for(run)):
            return Observation(replace(job, progress=replace(job.progress, message=message)))
        return Observation(job)

    def step(self, run: TrainingRun, observation: Observation, now: datetime) -> Step[TrainingRun]:
        """Return what follows from an observation."""
        return as_step(step(run, observation, now), _POLL_INTERVAL_S)

    def act(self, run: TrainingRun, action: Action, claim: Claim) -> None:
        """Start or stop the job, let it finish, or clean up after the run.

        A run that failed or was cancelled keeps its checkpoints until it is deleted or collected as garbage.
        """
        if action is Action.START:
            place = self._workers.ensure(run)
            self._drivers.start(_job_id(run, claim), run, place, claim.fence)
        elif action is Action.STOP:
            self._drivers.stop(_job_id(run, claim))
        elif action is Action.FINISH:
            self._drivers.finish(run)
        else:
            self._forget(run.name)
            if not run.state.without_result:
                self._drivers.clean(run)
            self._workers.remove(run.name)
            if run.sweep:
                self._wake(run.sweep)

    def failed(self, run: TrainingRun, error: Description, now: datetime) -> Step[TrainingRun]:
        """End the run by an error that a retry cannot fix."""
        self._forget(run.name)
        return as_step(fail(run, error.reason, error.message), _POLL_INTERVAL_S)

    def _forget(self, name: str) -> None:
        """Forget a run that has ended."""
        self._live.pop(name, None)
        if self._reservations is not None:
            self._reservations.release(name)

    def _planned(self, run: TrainingRun) -> ResourcePlan:
        earlier = self._earlier(run)

        def plans(reserved_bytes: int) -> ResourcePlan:
            return planned(run.recipe, run.resources, run.base_shape, self._machine, earlier, reserved_bytes)

        return plans(0) if self._reservations is None else self._reservations.admit(run, plans)

    def _earlier(self, run: TrainingRun) -> Sequence[TrainingRun]:
        if self._store is None:
            return ()
        return self._store.page(TrainingRun, parent_of(run.name), EARLIER_RUNS, "", "create_time desc").items


def _job_id(run: TrainingRun, claim: Claim) -> str:
    return claim.action_id("train", run.attempt)
