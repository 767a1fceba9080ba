"""A training run's way from a wish to a model artifact, as a pure state machine.

    QUEUED → PREPARING → RUNNING → SUCCEEDED
       └─────────┴──────────┴────→ FAILED
    QUEUED, PREPARING, RUNNING → CANCELLING → CANCELLED

A worker that is lost is started again under the next attempt, and resumes from the run's last checkpoint.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import Recipe, Resources

MAX_ATTEMPTS = 5
"""How often a run is started before its workers count as lost for good."""
RETRIED = frozenset({"WORKER_LOST", "WORKERS_LOST", "STOPPED", "STALE_WORKER"})
"""Reasons of a failed job that another attempt may mend."""


MAX_CURVE_POINTS = 120
"""Points of a run's curve that are kept with the run; the exact curve is a blob of its own."""


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    PREPARING = "PREPARING"
    """Its worker starts, and turns text into tokens."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Progress:
    """How far a run is: fraction 0..1, a sentence, done of total units, seconds left, the latest measurements."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    remaining_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What a run made: the artifact (a tree) and the curves (a blob) by digest, and what was measured."""

    artifact_digest: str
    curves_digest: str
    parameter_count: int
    diagnosis: Diagnosis
    metrics: dict[str, float]
    prompt_limit: PromptLimit = PromptLimit()


@dataclass(frozen=True)
class CurvePoint:
    """The measurements that a run reported at one step."""

    step: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrainingRun:
    """One training of one model on a split. Digests are sha256 in hex."""

    name: str
    create_time: datetime
    update_time: datetime
    train_digest: str
    validation_digest: str
    recipe: Recipe
    resources: Resources = Resources()
    base_artifact_digest: str = ""
    state: State = State.QUEUED
    attempt: int = 1
    plan: ResourcePlan = ResourcePlan()
    progress: Progress = Progress()
    trained: Trained | None = None
    curve: tuple[CurvePoint, ...] = ()
    """The reports since the first step, evenly thinned to at most MAX_CURVE_POINTS."""
    failure_reason: str = ""
    failure_message: str = ""
    cancel_requested: bool = False
    revision: int = 0


class Phase(StrEnum):
    """What can be seen of the run's job."""

    ABSENT = "ABSENT"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"


@dataclass(frozen=True)
class Observation:
    """The job of the current attempt as it is now; `plan` is there while the run is QUEUED."""

    phase: Phase
    progress: Progress = Progress()
    trained: Trained | None = None
    reason: str = ""
    message: str = ""
    plan: ResourcePlan | None = None


class Action(StrEnum):
    """What a step asks for."""

    START = "START"
    """Start the job of the current attempt."""
    STOP = "STOP"
    CLEAN = "CLEAN"
    """Remove pods of the run's own and checkpoints: the run has ended."""


@dataclass(frozen=True)
class Started:
    """The first step of training was seen."""


@dataclass(frozen=True)
class Completed:
    """A model artifact is there."""

    artifact_digest: str


@dataclass(frozen=True)
class Failed:
    """The run ended without a model."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody called it off."""


Event = Started | Completed | Failed | Cancelled


@dataclass(frozen=True)
class Transition:
    """What follows from an observation."""

    run: TrainingRun
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def step(run: TrainingRun, seen: Observation, now: datetime) -> Transition:
    """The next state of a run, what to do and what to tell."""
    if run.state.ended:
        return Transition(run)
    run = replace(run, update_time=now) if _tells(run, seen) else run
    if run.cancel_requested:
        return _cancelling(run, seen)
    if run.state is State.QUEUED:
        return _admitted(run, seen)
    match seen.phase:
        case Phase.SUCCEEDED if seen.trained is not None:
            return _succeeded(run, seen.trained)
        case Phase.RUNNING:
            return _running(run, seen)
        case Phase.ABSENT:
            return Transition(run, (Action.START,))
        case Phase.LOST:
            return _again(run, "WORKER_LOST", seen.message)
    if seen.reason in RETRIED:
        return _again(run, seen.reason, seen.message)
    return fail(run, seen.reason or "WORKER_FAILED", seen.message or "The worker ended without a model.")


def fail(run: TrainingRun, reason: str, message: str) -> Transition:
    """The run as one that ended without a model."""
    failed = replace(run, state=State.FAILED, failure_reason=reason, failure_message=message)
    return Transition(failed, (Action.CLEAN,), (Failed(reason),))


def _tells(run: TrainingRun, seen: Observation) -> bool:
    return run.state is State.QUEUED or seen.phase is not Phase.RUNNING or seen.progress != run.progress


def _admitted(run: TrainingRun, seen: Observation) -> Transition:
    if seen.plan is None:
        return Transition(run)
    planned = replace(run, plan=seen.plan)
    if not seen.plan.admitted:
        return fail(planned, "OUT_OF_MEMORY", seen.plan.reason)
    return Transition(replace(planned, state=State.PREPARING), (Action.START,))


def _running(run: TrainingRun, seen: Observation) -> Transition:
    told = replace(run, progress=seen.progress, curve=_extended(run.curve, seen.progress))
    if run.state is State.PREPARING and seen.progress.done > 0:
        return Transition(replace(told, state=State.RUNNING), events=(Started(),))
    return Transition(told)


def _extended(curve: tuple[CurvePoint, ...], progress: Progress) -> tuple[CurvePoint, ...]:
    """The curve with what was reported since: the newest report of each of MAX_CURVE_POINTS equal spans of steps.

    An attempt that resumes goes on from its checkpoint's step.
    """
    if not progress.metrics or (curve and curve[-1].step == progress.done):
        return curve

    def span(step: int) -> int:
        return (step - 1) * MAX_CURVE_POINTS // max(1, progress.total)

    known = tuple(point for point in curve if span(point.step) < span(progress.done))
    return (*known, CurvePoint(progress.done, dict(progress.metrics)))


def _succeeded(run: TrainingRun, trained: Trained) -> Transition:
    told = replace(run.progress, fraction=1.0, message="Trained and stored.", remaining_s=0.0)
    ended = replace(run, state=State.SUCCEEDED, trained=trained, progress=told)
    return Transition(ended, (Action.CLEAN,), (Completed(trained.artifact_digest),))


def _again(run: TrainingRun, reason: str, message: str) -> Transition:
    if run.attempt >= MAX_ATTEMPTS:
        return fail(run, reason, f"Started {run.attempt} times, and lost each time. {message}")
    told = replace(
        run.progress, message=f"Attempt {run.attempt} was lost; resuming from the last checkpoint."
    )
    return Transition(replace(run, attempt=run.attempt + 1, progress=told), (Action.START,))


def _cancelling(run: TrainingRun, seen: Observation) -> Transition:
    if seen.phase is Phase.RUNNING:
        return Transition(replace(run, state=State.CANCELLING), (Action.STOP,))
    return Transition(replace(run, state=State.CANCELLED), (Action.CLEAN,), (Cancelled(),))
