"""Use cases of sweeps, and their procedure: the domain decides, training runs execute."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Failure
from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description, RatoonError
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.compute import Accelerator
from ratoon_training.application import handlers
from ratoon_training.application.commands import CreateRun, CreateSweep, RunSpec
from ratoon_training.application.ports import (
    BaseModels,
    Optimism,
    Parts,
    RunResults,
    SettingsModel,
    TrialSpecs,
)
from ratoon_training.domain.errors import BadSweep, RunInUse, SweepRefused, TrainingError
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.domain.runs import State as RunState
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.search_space import Settings
from ratoon_training.domain.sweeps import (
    CancelRun,
    Correction,
    Kind,
    Observation,
    Proposal,
    PruningMethod,
    Sampler,
    StartRun,
    Sweep,
    SweepBudget,
    Trial,
    TrialRun,
    TrialState,
    checked,
    direction_of,
    failed,
    next_settings,
    resumed,
    step,
)

SWEEP = "projects/*/sweeps/*"
_POLL_INTERVAL_S, _RUNG_POLL_INTERVAL_S = 2.0, 0.5
"""Seconds between two observations of trials in progress, and of those that may be pruned at the end of an epoch. The
end of a run wakes its sweep."""
_SOON_S = 0.02


@dataclass(frozen=True)
class TrialRuns:
    """Creates the runs of trials as callers' runs are created."""

    store: Store
    clock: Clock
    bases: BaseModels
    parts: Parts
    specs: TrialSpecs
    endpoints: Collection[str] = ()
    hourly_costs: Mapping[Accelerator, float] = field(default_factory=dict)
    """Price of an hour of each kind of device, as the operator states it."""

    def recipe(self, spec: RunSpec) -> Recipe:
        """Return the complete recipe of a run; raise why it would be refused."""
        return handlers.checked_recipe(spec, self.bases, self.parts, self.endpoints)

    def check(self, sweep: Sweep, settings: Settings) -> Failure:
        """Return why no run can have these settings; an empty failure if one can."""
        try:
            self.recipe(self.specs.spec(sweep, settings))
        except (RatoonError, TrainingError) as error:
            return Failure(error.reason, str(error))
        return Failure()

    def create(self, sweep: Sweep, trial: Trial, operations: Operations) -> None:
        """Create the current run of a trial, unless it exists."""
        name = trial.runs[-1]
        with self.store.read() as tx:
            if tx.find(TrainingRun, name) is not None:
                return
        spec = self.specs.spec(sweep, trial.settings, len(trial.runs) - 1)
        identifier = name.rpartition("/")[2]
        command = CreateRun(parent_of(name), identifier, spec, sweep=sweep.name, trial=trial.number)
        handlers.create_run(
            command, self.store, operations, self.clock, self.bases, self.parts, self.endpoints
        )


def create_sweep(command: CreateSweep, store: Store, operations: Operations, runs: TrialRuns) -> Sweep:
    """Queue a sweep; its first trial begins with the commit. What no trial could run with is refused."""
    matched(command.parent, "projects/*", "parent")
    sweep, now = runs.specs.typed(checked(_priced(command.sweep, runs))), runs.clock.now()
    for fold in range(max(1, len(sweep.folds))):
        recipe = runs.recipe(runs.specs.spec(sweep, {}, fold))
    for part in sweep.train_parts:
        runs.parts.check_not_erased(part.train_digest)
    if recipe.method is Method.CLASSICAL:
        raise BadSweep(
            "Classical models compare their candidates themselves: create a training run with METHOD_CLASSICAL.",
            "sweep.recipe",
        )
    metric = sweep.metric or recipe.selection
    sweep = replace(
        sweep,
        name=f"{command.parent}/sweeps/{checked_id(command.sweep_id, 'sweep_id')}",
        create_time=now,
        update_time=now,
        metric=metric,
        direction=direction_of(metric, command.direction),
    )
    with store.write() as tx:
        sweep, new = tx.create(sweep, command.request_id)
        if new:
            operations.begin(tx, sweep)
    return sweep


def _priced(sweep: Sweep, runs: TrialRuns) -> Sweep:
    """Return the sweep with the operator's price of an hour, unless it states one."""
    price = runs.hourly_costs.get(Accelerator(sweep.resources.accelerator), 0.0)
    budget = sweep.budget
    return sweep if budget.hourly_cost else replace(sweep, budget=replace(budget, hourly_cost=price))


def resume_sweep(name: str, budget: SweepBudget | None, store: Store, operations: Operations) -> Sweep:
    """Continue a sweep that has ended; SweepRefused if it is in progress or its budget leaves no trial."""
    matched(name, SWEEP)
    with store.write() as tx:
        sweep = tx.get(Sweep, name)
        if not sweep.state.ended:
            raise SweepRefused(f"{name} is in progress.", "SWEEP_IN_PROGRESS")
        again = resumed(sweep, budget)
        waits = any(trial.state is TrialState.QUEUED for trial in again.trials)
        if again.free == 0 or (again.max_trials <= again.count(TrialState.COMPLETED) and not waits):
            raise SweepRefused(
                f"{name} has no budget for another trial ({sweep.note or 'its limits are reached'}): give it a larger "
                "one.",
                "BUDGET_SPENT",
            )
        saved = tx.save(again)
        operations.begin(tx, saved)
    return saved


def delete_sweep(sweep: Sweep, tx: Transaction) -> None:
    """Delete a sweep that has ended; RunInUse while it is in progress."""
    if not sweep.state.ended:
        raise RunInUse(f"{sweep.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(sweep)


def _poll_interval(sweep: Sweep) -> float:
    return _RUNG_POLL_INTERVAL_S if sweep.pruning.method is PruningMethod.ASHA else _POLL_INTERVAL_S


class SweepProcedure:
    """Long-running operation of CreateSweep and ResumeSweep."""

    kind = Sweep

    def __init__(
        self,
        runs: TrialRuns,
        models: Mapping[Sampler, SettingsModel],
        results: RunResults,
        optimism: Optimism,
        operations: Callable[[], Operations],
    ) -> None:
        """`models` are those of samplers that learn from trials; `operations` works on sweeps and runs of trials."""
        self._runs, self._models, self._results = runs, models, results
        self._optimism, self._operations = optimism, operations

    def observe(self, sweep: Sweep, claim: Claim) -> Observation:
        """Return the runs of trials in progress, and settings for trials that may begin."""
        open_trials = [trial for trial in sweep.trials if trial.is_open]
        if sweep.finishing and not open_trials:
            return Observation(correction=self._correction(sweep))
        runs = {trial.number: self._observed(sweep, trial) for trial in open_trials}
        return Observation(runs, () if sweep.cancel_requested else self._proposals(sweep))

    def step(self, sweep: Sweep, observation: Observation, now: datetime) -> Step[Sweep]:
        """Return what follows from an observation; a change is followed up at once."""
        after = step(sweep, observation, now)
        states = [(each.state, len(each.runs)) for each in after.sweep.trials]
        moved = states != [(each.state, len(each.runs)) for each in sweep.trials]
        changed = moved or after.sweep.finishing != sweep.finishing
        return Step(
            after.sweep,
            after.actions,
            wake_after=_SOON_S if changed else _poll_interval(sweep),
            done=after.sweep.state.ended,
            repeat_after=_SOON_S,
        )

    def act(self, sweep: Sweep, action: StartRun | CancelRun, claim: Claim) -> None:
        """Create or cancel the current run of a trial."""
        trial, operations = sweep.trials[action.number - 1], self._operations()
        if isinstance(action, StartRun):
            self._runs.create(sweep, trial, operations)
            return
        name = trial.runs[-1]
        with self._runs.store.read() as tx:
            exists = tx.find(TrainingRun, name) is not None
        if exists:
            operations.cancel(TrainingRun, name, lambda run: run.state.ended)

    def failed(self, sweep: Sweep, error: Description, now: datetime) -> Step[Sweep]:
        """End the sweep by an error that a retry cannot fix."""
        return Step(failed(sweep, Failure(error.reason, error.message)), done=True)

    def _observed(self, sweep: Sweep, trial: Trial) -> TrialRun:
        with self._runs.store.read() as tx:
            run = tx.find(TrainingRun, trial.runs[-1])
        if run is None:
            return TrialRun()
        state = run.state
        outcome = str(state) if state.ended else ""
        reports = self._results.reports(run, sweep.metric)
        observed = TrialRun(
            exists=True,
            has_workers=state in (RunState.PREPARING, RunState.RUNNING, RunState.CANCELLING),
            outcome=outcome,
            reports=reports,
            failure=Failure(run.failure_reason, run.failure_message),
        )
        if run.trained is None:
            return observed
        return replace(
            observed,
            value=self._results.value(run, sweep.metric, maximize=sweep.maximizes),
            seconds=run.trained.metrics.get("seconds", 0.0),
            trend=self._results.trend(run) if sweep.kind is Kind.LEARNING_RATE else "",
            scores_digest=run.trained.scores_digest,
        )

    def _proposals(self, sweep: Sweep) -> tuple[Proposal, ...]:
        """Return settings for as many trials as may begin; each one knows those before it."""
        waiting = sweep.count(TrialState.QUEUED)
        proposals: list[Proposal] = []
        for _ in range(sweep.free - waiting):
            settings = self._next(sweep)
            if settings is None:
                break
            proposal = Proposal(settings, self._runs.check(sweep, settings))
            proposals.append(proposal)
            state = TrialState.FAILED if proposal.failure.message else TrialState.RUNNING
            trial = Trial(len(sweep.trials) + 1, settings, state)
            sweep = replace(sweep, trials=(*sweep.trials, trial))
        return tuple(proposals)

    def _next(self, sweep: Sweep) -> Settings | None:
        number = len(sweep.trials) + 1
        model = self._models.get(sweep.sampler)
        if sweep.kind is Kind.SEARCH and model is not None:
            proposed = model.propose(sweep, number)
            if proposed is not None and all(trial.settings != proposed for trial in sweep.trials):
                return proposed
        return next_settings(sweep, number)

    def _correction(self, sweep: Sweep) -> Correction | None:
        """Return the corrected value of the best trial; None if it cannot be computed."""
        if sweep.kind is Kind.LEARNING_RATE or sweep.best is None:
            return None
        return self._optimism.corrected(sweep)
