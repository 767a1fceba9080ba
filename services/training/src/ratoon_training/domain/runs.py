"""State machine of a training run, from the request to a model artifact.

    QUEUED → PREPARING → RUNNING → SUCCEEDED
       └─────────┴──────────┴────→ FAILED
    QUEUED, PREPARING, RUNNING → CANCELLING → CANCELLED

A lost worker is started again under the next attempt, and resumes from the run's last checkpoint. Unlike resources of
`job_machine.step`, a run is admitted by a plan first and each attempt is a job of its own, fenced from those before it.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Self, cast

from ratoon.operations.job_machine import (
    MAX_ATTEMPTS,
    Action,
    Failure,
    JobObservation,
    Phase,
    Transition,
    cancel,
    restart_delay_s,
)
from ratoon.operations.job_machine import Progress as JobProgress
from ratoon.operations.job_machine import fail as job_fail
from ratoon_training.domain.diagnosis import Diagnosis, diagnose
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.plan import MEBI, ResourcePlan
from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.shapes import ModelShape

RETRIED = frozenset({"WORKER_LOST", "WORKERS_LOST", "STOPPED", "STALE_WORKER"})
"""Reasons of a failed job that another attempt may fix."""
NOT_FINITE = "LOSS_NOT_FINITE"
"""Reason of a run whose loss is no number; the reports before it are all finite."""


WAIT_FOR_MEMORY_S = 1.0
"""Seconds between two plans of a run that waits for the memory of others."""
MAX_CURVE_POINTS = 120
"""Maximum points of the curve that is stored with a run; the exact curve is a separate blob."""


class State(StrEnum):
    """State of a run."""

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
        """True if the run will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def without_result(self) -> bool:
        """Return True if the run ended without a result."""
        return self in (State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Progress(JobProgress):
    """Progress of a run, with its remaining time in seconds (None: unknown) and the latest metrics."""

    remaining_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


WORKERS = "workers"
"""Measurement of a report: the number of workers that take part."""


@dataclass(frozen=True)
class Trained:
    """Result of a run: digests of the artifact (a tree) and the curves (a blob), and final metrics."""

    artifact_digest: str
    curves_digest: str
    parameter_count: int
    diagnosis: Diagnosis
    metrics: dict[str, float]
    prompt_limit: PromptLimit = PromptLimit()
    scores_digest: str = ""
    """Validation scores of each record, of a run that is a trial; empty: none."""


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
    base_shape: ModelShape | None = None
    """Shape of the base model, by which memory is planned; None: that of the recipe's architecture."""
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
    stop_requested: bool = False
    """True if the run ends early, with its best weights so far."""
    origin: str = ""
    """Run that this one is a clone or a continuation of."""
    diagnosis: Diagnosis | None = None
    """Diagnosis of a run that failed without a model; `trained` has that of the others."""
    earlier_attempts: int = 0
    """Attempts before the run was resumed."""
    sweep: str = ""
    """Name of the sweep that the run is a trial of; empty: none."""
    trial: int = 0
    revision: int = 0

    @property
    def attempts(self) -> int:
        """Starts of a job for this run."""
        return self.attempt

    def with_failure(self, failure: Failure) -> Self:
        """Return the run with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class Observation:
    """The job of the current attempt; `plan` is set while the run is QUEUED."""

    job: JobObservation[Trained]
    plan: ResourcePlan | None = None


@dataclass(frozen=True)
class Started:
    """The first step of training was reported."""


@dataclass(frozen=True)
class Completed:
    """A model artifact was stored."""

    artifact_digest: str


@dataclass(frozen=True)
class WorkersChanged:
    """The run goes on with another number of workers: some were lost, or came back."""

    workers: int
    earlier_workers: int


def step(run: TrainingRun, observation: Observation, now: datetime) -> Transition[TrainingRun]:
    """Return what follows from an observation. A run that ends is cleaned up."""
    if run.state.ended:
        return Transition(run)
    transition = _step(run, observation, now)
    ends = transition.resource.state.ended
    return replace(transition, actions=(Action.CLEAN,)) if ends else transition


def fail(run: TrainingRun, reason: str, message: str) -> Transition[TrainingRun]:
    """Return the run as one that failed. It keeps the model of its last good checkpoint if it has one."""
    return job_fail(replace(run, diagnosis=_diagnosed(run, reason)), Failure(reason, message))


def resumed(run: TrainingRun) -> TrainingRun:
    """Return a run that failed or was cancelled as one that waits to go on from its last checkpoint."""
    return replace(
        run,
        state=State.QUEUED,
        attempt=run.attempt + 1,
        earlier_attempts=run.attempt,
        cancel_requested=False,
        stop_requested=False,
        trained=None,
        diagnosis=None,
        failure_reason="",
        failure_message="",
        progress=replace(run.progress, message="Waiting to resume from the last checkpoint."),
    )


def _diagnosed(run: TrainingRun, reason: str) -> Diagnosis | None:
    """Return the diagnosis of a run that failed; None before its first report."""
    if run.trained is not None or not run.curve:
        return None
    reports = [point.metrics for point in run.curve]
    losses = [each.get("answer_loss", each.get("loss", 0.0)) for each in reports]
    norms = [each["gradient_norm"] for each in reports if "gradient_norm" in each]
    validation = [each["validation_loss"] for each in reports if "validation_loss" in each]
    changes = validation[:1] + [after for before, after in pairwise(validation) if after != before]
    return diagnose([*losses, math.nan] if reason == NOT_FINITE else losses, norms, changes)


def _step(run: TrainingRun, observation: Observation, now: datetime) -> Transition[TrainingRun]:
    job = observation.job
    if run.cancel_requested:
        return cancel(run, job.phase)
    if run.state is State.QUEUED:
        return _admitted(run, observation.plan)
    match job.phase:
        case Phase.SUCCEEDED if job.result is not None:
            return _succeeded(run, job.result)
        case Phase.RUNNING:
            return _running(run, cast(Progress, job.progress))  # drivers report metrics
        case Phase.ABSENT:
            return Transition(run, (Action.START,))
        case Phase.LOST:
            return _again(run, Failure("WORKER_LOST", job.failure.message), now)
    if job.failure.reason in RETRIED:
        return _again(run, job.failure, now)
    reason = job.failure.reason or "WORKER_FAILED"
    retained = replace(run, trained=job.result)
    return fail(retained, reason, job.failure.message or "The worker ended without a model.")


def _admitted(run: TrainingRun, plan: ResourcePlan | None) -> Transition[TrainingRun]:
    if plan is None:
        return Transition(run)
    planned = replace(run, plan=plan)
    if plan.waits:
        # Free memory changes all the time: the message does not state it, so that a wait is stored once.
        needs = -(-plan.measured_bytes // MEBI)
        message = f"Waiting for {needs:,} MiB of memory, which other runs hold."
        if run.progress.message == message:
            return Transition(run, wake_after=WAIT_FOR_MEMORY_S)
        waiting = replace(planned, progress=replace(run.progress, message=message))
        return Transition(waiting, wake_after=WAIT_FOR_MEMORY_S)
    if not plan.admitted:
        return fail(planned, "OUT_OF_MEMORY", plan.reason)
    resources = run.resources.storing(plan.strategy)
    return Transition(replace(planned, state=State.PREPARING, resources=resources), (Action.START,))


def _running(run: TrainingRun, progress: Progress) -> Transition[TrainingRun]:
    reported = replace(run, progress=progress, curve=_extended(run.curve, progress))
    if run.state is State.PREPARING and progress.done > 0:
        return Transition(replace(reported, state=State.RUNNING), events=(Started(),))
    actions = (Action.FINISH,) if run.stop_requested else ()
    return Transition(reported, actions, events=_changes(run.curve, progress))


def _changes(curve: tuple[CurvePoint, ...], report: Progress) -> tuple[WorkersChanged, ...]:
    """Return the change of the number of workers since the last report that had one."""
    earlier, now = int(curve[-1].metrics.get(WORKERS, 0)) if curve else 0, int(report.metrics.get(WORKERS, 0))
    return (WorkersChanged(now, earlier),) if earlier and now and earlier != now else ()


def _extended(curve: tuple[CurvePoint, ...], progress: Progress) -> tuple[CurvePoint, ...]:
    """Return the curve with a new report: the newest of each of MAX_CURVE_POINTS equal spans of steps.

    An attempt that resumes goes on from its checkpoint's step.
    """
    if not progress.metrics or (curve and curve[-1].step == progress.done):
        return curve

    def span(step: int) -> int:
        return (step - 1) * MAX_CURVE_POINTS // max(1, progress.total)

    known = tuple(point for point in curve if span(point.step) < span(progress.done))
    return (*known, CurvePoint(progress.done, dict(progress.metrics)))


def _succeeded(run: TrainingRun, trained: Trained) -> Transition[TrainingRun]:
    message = "Trained and stored."
    if run.stop_requested:
        message = (
            f"Stopped on request after {run.progress.done:,} of {run.progress.total:,} steps, and stored."
        )
    progress = replace(run.progress, fraction=1.0, message=message, remaining_s=0.0)
    succeeded = replace(run, state=State.SUCCEEDED, trained=trained, progress=progress)
    return Transition(succeeded, events=(Completed(trained.artifact_digest),))


def _again(run: TrainingRun, failure: Failure, now: datetime) -> Transition[TrainingRun]:
    starts = run.attempt - run.earlier_attempts
    if starts >= MAX_ATTEMPTS:
        message = f"Started {starts} times, and lost each time. {failure.message}"
        return fail(run, failure.reason, message)
    if delay := restart_delay_s(starts, run.update_time, now):
        return Transition(run, wake_after=delay)
    message = f"Attempt {run.attempt} was lost; resuming from the last checkpoint."
    progress = replace(run.progress, message=message)
    return Transition(replace(run, attempt=run.attempt + 1, progress=progress), (Action.START,))
