"""State machine of a sweep: trials of a search space, one training run each, or one for each fold.

    QUEUED → RUNNING → SUCCEEDED
                  ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED

A sweep is the list of its trials. The settings of the next trial are a function of that list and of the seed, so what
is stored is all that a restart needs: no trial is repeated. Trials are compared on validation parts alone.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from statistics import fmean
from typing import Any

from ratoon.operations.job_machine import Failure
from ratoon_training.domain import learning_rate, pruning
from ratoon_training.domain.errors import BadSweep
from ratoon_training.domain.learning_rate import Trend
from ratoon_training.domain.recipes import BATCH_LADDER, Resources
from ratoon_training.domain.search_space import MAX_GRID, Parameter, Settings, drawn, grid, size_of

MAX_TRIALS = 500
MAX_PARAMETERS = 20
MAX_FOLDS = 20
DEFAULT_TRIALS = 20
LOWER_IS_BETTER = frozenset(
    ("loss", "mae", "mse", "rmse", "perplexity", "teacher_loss", "teacher_divergence", "kl")
)
"""Metrics of the validation part that are better when they are lower."""
HIGHER_IS_BETTER = frozenset(
    (
        "macro_f1",
        "accuracy",
        "r2",
        "spearman",
        "pair_accuracy",
        "reward_margin",
        "judgement_accuracy",
        "reward",
    )
) | {"exact_match"}
"""Metrics of the validation part that are better when they are higher."""
TRAIN_PART = "train_part"
"""Parameter that chooses between the training parts of a sweep."""
_RATE, _BATCH = "learning_rate", "batch_size"
_MAX_ID = 40
"""Characters of the id of a sweep in the ids of its runs."""
_TIME_STEP_S = 5.0
"""Step in which the duration of a run in progress grows: each new value is a write to the database."""


class Kind(StrEnum):
    """What is searched."""

    SEARCH = "SEARCH"
    LEARNING_RATE = "LEARNING_RATE"
    BATCH_LADDER = "BATCH_LADDER"


class Sampler(StrEnum):
    """Choice of the next settings."""

    TPE = "TPE"
    GAUSSIAN_PROCESS = "GAUSSIAN_PROCESS"
    RANDOM = "RANDOM"
    GRID = "GRID"


class Direction(StrEnum):
    """Direction of a metric."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class PruningMethod(StrEnum):
    """Rule of an early end."""

    NONE = "NONE"
    ASHA = "ASHA"
    WILCOXON = "WILCOXON"


@dataclass(frozen=True)
class Pruning:
    """Early end of trials."""

    method: PruningMethod = PruningMethod.NONE
    min_epochs: int = 1
    reduction_factor: int = 3
    threshold: float = 0.1


@dataclass(frozen=True)
class SweepBudget:
    """Limits of a sweep; 0: none."""

    max_trials: int = 0
    max_failures: int = 5
    max_hours: float = 0.0
    max_cost: float = 0.0
    hourly_cost: float = 0.0


@dataclass(frozen=True)
class Fold:
    """Parts of one split of cross-validation, by digest."""

    train_digest: str
    validation_digest: str


@dataclass(frozen=True)
class TrainPart:
    """Training part that trials may have, by name."""

    name: str
    train_digest: str


@dataclass(frozen=True)
class Artifact:
    """Artifact that a sweep refers to: of its recipe, or the scores of a trial."""

    digest: str


class State(StrEnum):
    """State of a sweep."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """True if the sweep will not change any more, unless it is resumed."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def without_result(self) -> bool:
        """Return True if the sweep ended without a result; its trials may have some."""
        return self in (State.FAILED, State.CANCELLED)


class TrialState(StrEnum):
    """State of a trial."""

    QUEUED = "QUEUED"
    """Cancelled before, to run again."""
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Report:
    """Value of the metric after a number of epochs, or of a fold."""

    step: int
    value: float


@dataclass(frozen=True)
class Trial:
    """Settings that are tried."""

    number: int
    settings: Settings
    state: TrialState = TrialState.RUNNING
    attempt: int = 1
    runs: tuple[str, ...] = ()
    """Names of its runs: one, or one for each fold so far."""
    value: float | None = None
    reports: tuple[Report, ...] = ()
    rung: int = 0
    """Rungs of successive halving that it has passed."""
    reason: str = ""
    message: str = ""
    start_time: datetime | None = None
    """Time at which its current run was first observed with workers."""
    seconds: float = 0.0
    """Duration of its runs that have ended, and so far of the current one."""
    ended_seconds: float = 0.0
    """Duration of its runs that have ended."""
    trend: str = ""
    scores: tuple[Artifact, ...] = ()
    """Validation scores of each record, of each run that has them."""
    stopping: bool = False
    """True from the request to cancel its run to the end of that run."""

    @property
    def is_open(self) -> bool:
        """Return True while the trial has a run in progress."""
        return self.state is TrialState.RUNNING or self.stopping

    @property
    def counts(self) -> bool:
        """Return True if the trial counts against `max_trials`."""
        return self.state in (TrialState.RUNNING, TrialState.COMPLETED, TrialState.PRUNED, TrialState.QUEUED)


@dataclass(frozen=True)
class Correction:
    """Value of the best trial, corrected for the choice among several; `low` and `high` bound 95 %."""

    value: float
    optimism: float
    method: str
    units: int
    trials: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Sweep:
    """Search for the settings of a recipe. `recipe` is the request's, in the JSON of its message."""

    name: str
    create_time: datetime
    update_time: datetime
    recipe: dict[str, Any]
    metric: str
    direction: Direction
    train_digest: str = ""
    validation_digest: str = ""
    base_artifact_digest: str = ""
    resources: Resources = Resources()
    kind: Kind = Kind.SEARCH
    parameters: tuple[Parameter, ...] = ()
    sampler: Sampler = Sampler.TPE
    seed: int = 0
    pruning: Pruning = Pruning()
    budget: SweepBudget = SweepBudget()
    parallel_trials: int = 1
    folds: tuple[Fold, ...] = ()
    train_parts: tuple[TrainPart, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    """Artifacts that the recipe names, such as a reward model."""
    state: State = State.QUEUED
    trials: tuple[Trial, ...] = ()
    finishing: bool = False
    """True once no further trial follows: the correction is computed next."""
    note: str = ""
    """Why no further trial follows."""
    correction: Correction | None = None
    failure_reason: str = ""
    failure_message: str = ""
    cancel_requested: bool = False
    revision: int = 0

    @property
    def maximizes(self) -> bool:
        """Return True if higher values are better."""
        return self.direction is Direction.MAXIMIZE

    @property
    def best(self) -> Trial | None:
        """Return the best trial that completed; the earliest of equals. None: none has."""
        if self.kind is Kind.LEARNING_RATE:
            steady = (t for t in self.trials if t.trend in (Trend.FALLS, Trend.FLAT))
            return next(steady, None)
        completed = [t for t in self.trials if t.state is TrialState.COMPLETED and t.value is not None]
        sign = -1.0 if self.maximizes else 1.0
        return min(completed, key=lambda t: (sign * (t.value or 0.0), t.number), default=None)

    @property
    def max_trials(self) -> int:
        """Return the maximum of trials that count: of the budget, and of a search that ends by itself."""
        budget = self.budget.max_trials
        match self.kind, self.sampler:
            case Kind.LEARNING_RATE, _:
                own = learning_rate.TRIALS
            case Kind.BATCH_LADDER, _:
                own = len(BATCH_LADDER)
            case _, Sampler.GRID:
                own = round(min(size_of(self.parameters), MAX_GRID))
            case _:
                return budget or DEFAULT_TRIALS
        return min(budget or own, own)

    @property
    def hours(self) -> float:
        """Return the duration of all runs in hours."""
        return math.fsum(trial.seconds for trial in self.trials) / 3600

    @property
    def cost(self) -> float:
        """Return the cost of all runs."""
        return self.hours * self.resources.workers * self.budget.hourly_cost

    @property
    def used_up(self) -> str:
        """Return which limit of time or cost is reached, as a sentence; empty: none."""
        budget = self.budget
        if budget.max_hours and self.hours >= budget.max_hours:
            return f"The budget of {budget.max_hours:g} hours is used."
        if budget.max_cost and self.cost >= budget.max_cost:
            return f"The budget of {budget.max_cost:g} is used."
        return ""

    def count(self, state: TrialState) -> int:
        """Return the number of trials in a state."""
        return sum(trial.state is state for trial in self.trials)

    @property
    def failures(self) -> int:
        """Return the number of trials that failed; a rate or a batch that is too large is no failure of its sweep."""
        return 0 if self.kind is not Kind.SEARCH else self.count(TrialState.FAILED)

    @property
    def free(self) -> int:
        """Return how many trials may begin now."""
        if self.state.ended or self.finishing or self.cancel_requested or self.used_up:
            return 0
        if self.failures >= self.budget.max_failures:
            return 0
        slots = self.parallel_trials - self.count(TrialState.RUNNING)
        left = self.max_trials - sum(t.state is not TrialState.QUEUED and t.counts for t in self.trials)
        return max(0, min(slots, left))

    def with_trial(self, trial: Trial) -> "Sweep":
        """Return the sweep with a trial in the place of the one of its number."""
        before = self.trials[: trial.number - 1]
        return replace(self, trials=(*before, trial, *self.trials[trial.number :]))


@dataclass(frozen=True)
class TrialRun:
    """Observation of the current run of a trial."""

    exists: bool = False
    has_workers: bool = False
    """True once its workers start."""
    outcome: str = ""
    """SUCCEEDED, FAILED or CANCELLED; empty: in progress."""
    reports: tuple[Report, ...] = ()
    value: float | None = None
    """Value of the published weights, once it has succeeded."""
    seconds: float = 0.0
    """Duration, once it has ended; 0: not known."""
    trend: str = ""
    scores_digest: str = ""
    failure: Failure = Failure()


@dataclass(frozen=True)
class Proposal:
    """Settings of the next trial; `failure` says why no run can have them."""

    settings: Settings
    failure: Failure = Failure()


@dataclass(frozen=True)
class Observation:
    """Runs of trials in progress by number, and settings for trials that may begin."""

    runs: Mapping[int, TrialRun] = field(default_factory=dict)
    proposals: tuple[Proposal, ...] = ()
    correction: Correction | None = None
    """Set while the sweep is finishing, if it can be computed."""


@dataclass(frozen=True)
class StartRun:
    """Action: create the current run of a trial, unless it exists."""

    number: int


@dataclass(frozen=True)
class CancelRun:
    """Action: cancel the current run of a trial, unless it has ended."""

    number: int


@dataclass(frozen=True)
class SweepStep:
    """Next state and actions."""

    sweep: Sweep
    actions: tuple[StartRun | CancelRun, ...] = ()


def checked(sweep: Sweep) -> Sweep:
    """Return a valid sweep; BadSweep names the field otherwise."""
    for name, wrong, says in _limits(sweep):
        if wrong:
            raise BadSweep(f"sweep.{name} {says}.", f"sweep.{name}")
    for number, parameter in enumerate(sweep.parameters):
        if fault := parameter.fault():
            raise BadSweep(f"The parameter {parameter.name[:100]} {fault}.", f"sweep.parameters[{number}]")
    if sweep.kind is Kind.SEARCH and sweep.sampler is Sampler.GRID:
        _check_grid(sweep)
    return sweep


def _check_grid(sweep: Sweep) -> None:
    for number, parameter in enumerate(sweep.parameters):
        if parameter.listed() is None:
            raise BadSweep(
                f"The parameter {parameter.name} has no list of values: a grid needs a step, or values.",
                f"sweep.parameters[{number}]",
            )
    if (size := size_of(sweep.parameters)) > MAX_GRID:
        raise BadSweep(
            f"The grid has {size:,.0f} settings, more than {MAX_GRID}: leave values out, or choose another sampler.",
            "sweep.parameters",
        )


def _limits(sweep: Sweep) -> list[tuple[str, bool, str]]:
    budget, rule, folds = sweep.budget, sweep.pruning, len(sweep.folds)
    names = [parameter.name for parameter in sweep.parameters]
    searches, parts = sweep.kind is Kind.SEARCH, len(sweep.train_parts)
    digests = bool(sweep.train_digest or sweep.validation_digest)
    return [
        ("parameters", searches and not names, "is missing: name at least one parameter to search"),
        (
            "parameters",
            not searches and bool(names),
            f"must be empty: {sweep.kind} has parameters of its own",
        ),
        ("parameters", len(names) > MAX_PARAMETERS, f"must be at most {MAX_PARAMETERS}"),
        ("parameters", len(set(names)) < len(names), "names a parameter twice"),
        ("folds", folds == 1 or folds > MAX_FOLDS, f"must be 2 to {MAX_FOLDS}, or none"),
        ("folds", folds > 0 and digests, "and the digests of one split exclude one another: leave one out"),
        (
            "folds",
            folds > 0 and sweep.kind is Kind.LEARNING_RATE,
            "must be empty: LEARNING_RATE reads one loss",
        ),
        ("folds", folds > 0 and parts > 0, "and train_parts exclude one another: leave one out"),
        ("train_parts", parts == 1 or parts > 100, "must be 2 to 100, or none"),
        ("train_parts", parts > 0 and not searches, f"must be empty with {sweep.kind}"),
        ("train_parts", len({each.name for each in sweep.train_parts}) < parts, "names a part twice"),
        (
            "train_parts",
            parts > 0 and bool(sweep.train_digest),
            "and train_digest exclude one another: leave one out",
        ),
        ("train_digest", not (folds or parts or sweep.train_digest), "is missing: name a part of a split"),
        (
            "validation_digest",
            not folds and not sweep.validation_digest,
            "is missing: name a part of a split",
        ),
        ("seed", not 0 <= sweep.seed < 2**31, "must be 0 to 2^31-1"),
        ("parallel_trials", not 1 <= sweep.parallel_trials <= 64, "must be 1 to 64"),
        (
            "parallel_trials",
            not searches and sweep.parallel_trials > 1,
            f"must be 1: a trial of {sweep.kind} follows from the one before",
        ),
        (
            "pruning",
            not searches and rule.method is not PruningMethod.NONE,
            f"must be empty with {sweep.kind}",
        ),
        (
            "pruning",
            rule.method is PruningMethod.ASHA and folds > 0,
            "ASHA compares the epochs of one run: with folds, choose WILCOXON",
        ),
        (
            "pruning",
            rule.method is PruningMethod.WILCOXON and not folds,
            "WILCOXON compares folds: name folds",
        ),
        ("pruning.min_epochs", not 1 <= rule.min_epochs <= 1000, "must be 1 to 1,000"),
        ("pruning.reduction_factor", not 2 <= rule.reduction_factor <= 16, "must be 2 to 16"),
        ("pruning.threshold", not 0 < rule.threshold <= 0.5, "must be above 0 and at most 0.5"),
        ("budget.max_trials", not 0 <= budget.max_trials <= MAX_TRIALS, f"must be 1 to {MAX_TRIALS}"),
        ("budget.max_failures", not 1 <= budget.max_failures <= MAX_TRIALS, f"must be 1 to {MAX_TRIALS}"),
        ("budget.max_hours", not 0 <= budget.max_hours <= 100_000, "must be 0 (no limit) to 100,000"),
        ("budget.max_cost", not 0 <= budget.max_cost <= 1e9, "must be 0 (no limit) to 1,000,000,000"),
        ("budget.hourly_cost", not 0 <= budget.hourly_cost <= 1e6, "must be 0 to 1,000,000"),
        (
            "budget.hourly_cost",
            bool(budget.max_cost) and not budget.hourly_cost,
            "is missing: max_cost needs it",
        ),
    ]


def direction_of(metric: str, stated: Direction | None) -> Direction:
    """Return the direction of a metric; BadSweep if the stated one contradicts it, or if none is known."""
    if metric in LOWER_IS_BETTER:
        usual = Direction.MINIMIZE
    elif metric in HIGHER_IS_BETTER:
        usual = Direction.MAXIMIZE
    elif stated is None:
        known = ", ".join(sorted(LOWER_IS_BETTER | HIGHER_IS_BETTER))
        raise BadSweep(
            f"It is not known whether {metric[:64]!r} is better when it is higher: state sweep.direction, or choose "
            f"one of {known}.",
            "sweep.direction",
        )
    else:
        return stated
    if stated not in (None, usual):
        raise BadSweep(
            f"sweep.direction {stated} contradicts {metric}, which is better by {usual}: leave it out.",
            "sweep.direction",
        )
    return usual


def next_settings(sweep: Sweep, number: int) -> Settings | None:
    """Return the settings of a trial that no model of the trials proposes; None: no further trial follows."""
    tried = [trial.settings for trial in sweep.trials]
    match sweep.kind, sweep.sampler:
        case Kind.LEARNING_RATE, _:
            rate = learning_rate.next_rate([_rate_trial(trial) for trial in sweep.trials])
            return None if rate is None else {_RATE: repr(rate)}
        case Kind.BATCH_LADDER, _:
            if any(trial.reason == "OUT_OF_MEMORY" for trial in sweep.trials):
                return None
            left = [size for size in BATCH_LADDER if {_BATCH: str(size)} not in tried]
            return {_BATCH: str(left[0])} if left else None
        case _, Sampler.GRID:
            return next((each for each in grid(sweep.parameters) if each not in tried), None)
    return drawn(sweep.parameters, sweep.seed, number, tried)


def _rate_trial(trial: Trial) -> learning_rate.Trial:
    trend = Trend(trial.trend) if trial.trend else Trend.DIVERGES
    return learning_rate.Trial(float(trial.settings[_RATE]), (), trend)


def step(sweep: Sweep, observation: Observation, now: datetime) -> SweepStep:
    """Return what follows from an observation."""
    if sweep.state.ended:
        return SweepStep(sweep)
    if sweep.finishing and not sweep.cancel_requested and not _open_trials(sweep):
        return SweepStep(_finished(replace(sweep, correction=observation.correction)))
    sweep, actions = _followed_all(replace(sweep, state=State.RUNNING), observation, now)
    if sweep.cancel_requested:
        sweep, stopping = _stopped(sweep, "Cancelled with the sweep.")
        state = State.CANCELLING if _open_trials(sweep) else State.CANCELLED
        return SweepStep(replace(sweep, state=state), (*actions, *stopping))
    if note := sweep.used_up:
        sweep, stopping = _stopped(sweep, note)
        return SweepStep(replace(sweep, finishing=True, note=note), (*actions, *stopping))
    sweep, starting = _begun(sweep, observation)
    if not _open_trials(sweep) and _is_over(sweep, observation):
        sweep = replace(sweep, finishing=True, note=_why_over(sweep))
    return SweepStep(sweep, (*actions, *starting))


def _open_trials(sweep: Sweep) -> list[Trial]:
    return [trial for trial in sweep.trials if trial.is_open]


def _followed_all(
    sweep: Sweep, observation: Observation, now: datetime
) -> tuple[Sweep, list[StartRun | CancelRun]]:
    """Return the sweep after the observations of all runs in progress."""
    actions: list[StartRun | CancelRun] = []
    for trial in _open_trials(sweep):
        run = observation.runs.get(trial.number, TrialRun())
        follow = _followed_stop if trial.stopping else _followed
        followed, action = follow(sweep, trial, run, now)
        sweep = sweep.with_trial(followed)
        actions += [action] if action else []
    return sweep, actions


def _followed_stop(
    sweep: Sweep, trial: Trial, run: TrialRun, now: datetime
) -> tuple[Trial, StartRun | CancelRun | None]:
    """Return a trial whose run was asked to stop."""
    if not run.exists or run.outcome:
        return replace(_timed(trial, run, now), stopping=False), None
    return _timed(trial, run, now), CancelRun(trial.number)


def run_name(sweep: str, trial: Trial) -> str:
    """Return the name of the next run of a trial, a function of what it is for."""
    project, _, identifier = sweep.partition("/sweeps/")
    if len(identifier) > _MAX_ID:
        digest = hashlib.sha256(identifier.encode()).hexdigest()[:8]
        identifier = f"{identifier[: _MAX_ID - 9]}-{digest}"
    attempt = f"-a{trial.attempt}" if trial.attempt > 1 else ""
    fold = f"-f{len(trial.runs) + 1}" if trial.runs else ""
    return f"{project}/trainingRuns/{identifier}-{trial.number}{attempt}{fold}"


def _with_run(sweep: Sweep, trial: Trial) -> Trial:
    """Return a trial with one more run in progress."""
    return replace(trial, state=TrialState.RUNNING, runs=(*trial.runs, run_name(sweep.name, trial)))


def _begun(sweep: Sweep, observation: Observation) -> tuple[Sweep, list[StartRun | CancelRun]]:
    """Begin trials that were cancelled before, then new ones, as far as there is capacity."""
    actions: list[StartRun | CancelRun] = []
    for trial in sweep.trials:
        if trial.state is TrialState.QUEUED and sweep.free > 0:
            sweep = sweep.with_trial(_with_run(sweep, trial))
            actions.append(StartRun(trial.number))
    for proposal in observation.proposals:
        if sweep.free <= 0:
            break
        number = len(sweep.trials) + 1
        trial = Trial(number, proposal.settings)
        if proposal.failure.message:
            failure = proposal.failure
            trial = replace(trial, state=TrialState.FAILED, reason=failure.reason, message=failure.message)
        else:
            trial = _with_run(sweep, trial)
            actions.append(StartRun(number))
        sweep = replace(sweep, trials=(*sweep.trials, trial))
    return sweep, actions


def _is_over(sweep: Sweep, observation: Observation) -> bool:
    """Return True if no further trial follows; proposals of an older state of the sweep do not say so."""
    return sweep.free == 0 or (not observation.runs and not observation.proposals)


def _why_over(sweep: Sweep) -> str:
    if sweep.failures >= sweep.budget.max_failures:
        return f"{sweep.failures} trials failed."
    if sweep.budget.max_trials and sweep.free == 0:
        return f"{sweep.max_trials} trials have run."
    return "The search is complete."


def _followed(
    sweep: Sweep, trial: Trial, run: TrialRun, now: datetime
) -> tuple[Trial, StartRun | CancelRun | None]:
    """Return a trial after an observation of its current run."""
    if not run.exists:
        return trial, StartRun(trial.number)
    trial = _timed(trial, run, now)
    if sweep.folds:
        return _followed_fold(sweep, trial, run)
    trial = replace(
        trial, reports=run.reports or trial.reports, trend=run.trend or trial.trend, value=_last(trial, run)
    )
    if run.outcome:
        return _ended(trial, run), None
    return _at_rungs(sweep, trial)


def _last(trial: Trial, run: TrialRun) -> float | None:
    return run.reports[-1].value if run.reports else trial.value


def _timed(trial: Trial, run: TrialRun, now: datetime) -> Trial:
    start = trial.start_time or (now if run.has_workers else None)
    elapsed = 0.0 if start is None else max(0.0, (now - start).total_seconds())
    if not run.outcome:
        so_far = elapsed // _TIME_STEP_S * _TIME_STEP_S
        return replace(trial, start_time=start, seconds=trial.ended_seconds + so_far)
    total = trial.ended_seconds + (run.seconds or elapsed)
    return replace(trial, start_time=None, seconds=total, ended_seconds=total)


def _ended(trial: Trial, run: TrialRun) -> Trial:
    """Return a trial whose only, or last, run has ended."""
    if run.outcome != "SUCCEEDED":
        reason = run.failure.reason or f"RUN_{run.outcome}"
        message = run.failure.message or f"Its training run was {run.outcome.lower()}."
        return replace(trial, state=TrialState.FAILED, value=None, reason=reason, message=message)
    value = run.value
    if value is None or not math.isfinite(value):
        message = "Its training run reports no finite value of the metric."
        return replace(trial, state=TrialState.FAILED, value=None, reason="NO_VALUE", message=message)
    scores = (Artifact(run.scores_digest),) if run.scores_digest else ()
    return replace(trial, state=TrialState.COMPLETED, value=value, scores=(*trial.scores, *scores))


def _followed_fold(sweep: Sweep, trial: Trial, run: TrialRun) -> tuple[Trial, StartRun | CancelRun | None]:
    """Return a trial after an observation of the run of its current fold."""
    if not run.outcome:
        return trial, None
    ended = _ended(trial, run)
    if ended.state is TrialState.FAILED or ended.value is None:
        return ended, None
    reports = (*trial.reports, Report(len(trial.reports) + 1, ended.value))
    mean = fmean(report.value for report in reports)
    trial = replace(ended, reports=reports, value=mean)
    if len(reports) == len(sweep.folds):
        return trial, None
    if note := _worse_on_folds(sweep, trial):
        return replace(trial, state=TrialState.PRUNED, message=note), None
    return _with_run(sweep, trial), StartRun(trial.number)


def _worse_on_folds(sweep: Sweep, trial: Trial) -> str:
    best = sweep.best
    if sweep.pruning.method is not PruningMethod.WILCOXON or best is None or len(trial.reports) < 2:
        return ""
    values, others = ([report.value for report in each.reports] for each in (trial, best))
    probability = pruning.worse_probability(values, others, maximize=sweep.maximizes)
    if probability >= sweep.pruning.threshold:
        return ""
    return f"Worse than trial {best.number} on {len(values)} folds (p = {probability:.3f})."


def _at_rungs(sweep: Sweep, trial: Trial) -> tuple[Trial, StartRun | CancelRun | None]:
    """Return a trial in progress after the rungs that it has reached: it goes on, or is pruned."""
    rule = sweep.pruning
    while rule.method is PruningMethod.ASHA:
        epochs = pruning.rung_epochs(trial.rung, rule.min_epochs, rule.reduction_factor)
        value = pruning.rung_value([(each.step, each.value) for each in trial.reports], epochs)
        if value is None:
            break
        others = _values_at(sweep, trial.number, epochs)
        if not pruning.survives(value, others, rule.reduction_factor, maximize=sweep.maximizes):
            rank = f"not among the best of {len(others) + 1}"
            note = f"Pruned after {epochs} epochs: {sweep.metric} {value:.4g} is {rank}."
            return replace(trial, state=TrialState.PRUNED, message=note, stopping=True), CancelRun(
                trial.number
            )
        trial = replace(trial, rung=trial.rung + 1)
    return trial, None


def _values_at(sweep: Sweep, number: int, epochs: int) -> list[float]:
    """Return the values of the other trials at a rung."""
    reports = [[(r.step, r.value) for r in t.reports] for t in sweep.trials if t.number != number]
    return [value for each in reports if (value := pruning.rung_value(each, epochs)) is not None]


def _stopped(sweep: Sweep, note: str) -> tuple[Sweep, list[StartRun | CancelRun]]:
    """Cancel all trials in progress, and those that wait."""
    actions: list[StartRun | CancelRun] = []
    for trial in sweep.trials:
        if trial.state is TrialState.RUNNING:
            sweep = sweep.with_trial(replace(trial, state=TrialState.CANCELLED, message=note, stopping=True))
            actions.append(CancelRun(trial.number))
        elif trial.state is TrialState.QUEUED:
            sweep = sweep.with_trial(replace(trial, state=TrialState.CANCELLED, message=note))
    return sweep, actions


def _finished(sweep: Sweep) -> Sweep:
    """Return the sweep at its end: SUCCEEDED with a best trial, unless too many failed."""
    failures, last = sweep.failures, next((t for t in reversed(sweep.trials) if t.message), None)
    because = f" The last one: {last.message}" if last else ""
    if failures >= sweep.budget.max_failures:
        message = f"{failures} of {len(sweep.trials)} trials failed.{because}"
        return failed(sweep, Failure("TOO_MANY_FAILED_TRIALS", message))
    if sweep.best is None:
        message = f"No trial has a value. {sweep.note}{because}"
        return failed(sweep, Failure("NO_TRIAL_COMPLETED", message))
    return replace(sweep, state=State.SUCCEEDED)


def failed(sweep: Sweep, failure: Failure) -> Sweep:
    """Return the sweep as FAILED."""
    return replace(sweep, state=State.FAILED, failure_reason=failure.reason, failure_message=failure.message)


def resumed(sweep: Sweep, budget: SweepBudget | None) -> Sweep:
    """Return an ended sweep that goes on: cancelled trials run again with their settings."""
    trials = tuple(
        replace(
            Trial(t.number, t.settings, TrialState.QUEUED, t.attempt + 1),
            seconds=t.seconds,
            ended_seconds=t.seconds,
        )
        if t.state is TrialState.CANCELLED
        else t
        for t in sweep.trials
    )
    return checked(
        replace(
            sweep,
            budget=budget or sweep.budget,
            trials=trials,
            state=State.QUEUED,
            finishing=False,
            note="",
            correction=None,
            failure_reason="",
            failure_message="",
            cancel_requested=False,
        )
    )
