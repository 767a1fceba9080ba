"""Refills: one drawing of records into a queue, by a job.

    QUEUED → RUNNING → SUCCEEDED
                     ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED

While RUNNING a job draws the records; then its tasks are recorded, once.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from ratoon.operations.job_machine import Failure, Progress
from ratoon_labeling.domain.queues import StopReason, Strategy

RECORDING = Progress(0.9, "Recording tasks.")
"""Progress of a refill whose job has ended, until its tasks are recorded."""


class RefillState(StrEnum):
    """State of a refill."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Return whether it will not change any more."""
        return self in (RefillState.SUCCEEDED, RefillState.FAILED, RefillState.CANCELLED)


@dataclass(frozen=True)
class CurvePoint:
    """Macro-F1 of the classical model by number of labels, with its 95 % interval."""

    label_count: int
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """Gain of macro-F1 between half of the labels and all, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RuleAccuracy:
    """Accuracy of a rule, estimated on records with a label by a person; None if it matches none of them."""

    rule: int
    label: str
    match_count: int
    checked_count: int
    correct_count: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ConfusedPair:
    """Number of records with one current and one suggested label."""

    current_label: str
    suggested_label: str
    count: int


@dataclass(frozen=True)
class LabelErrors:
    """Probable errors of labels, by confident learning."""

    checked_count: int
    suspect_count: int
    estimated_error_share: float
    model_score: float
    """Macro-F1 of the cross-validated model on the labels that count."""
    pairs: tuple[ConfusedPair, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """Result of the job: the digest of the tasks to create, and what was counted and measured."""

    tasks_digest: str
    task_count: int = 0
    active_count: int = 0
    pre_labelled_count: int = 0
    candidate_count: int = 0
    labelled_count: int = 0
    copy_count: int = 0
    curve: tuple[CurvePoint, ...] = ()
    gain: Gain | None = None
    rules: tuple[RuleAccuracy, ...] = ()
    strategy: Strategy = Strategy.RANDOM
    stop_reason: StopReason | None = None
    proposal_origin: str = ""
    message: str = ""
    label_errors: LabelErrors | None = None
    unanswered_count: int = 0
    """Records for which an endpoint gave no valid answer."""


@dataclass(frozen=True)
class Refill:
    """One drawing of records into a queue."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    size: int
    min_labelled: int = 0
    state: RefillState = RefillState.QUEUED
    progress: Progress = Progress()
    failure_reason: str = ""
    failure_message: str = ""
    drawn: Drawn | None = None
    attempts: int = 0
    """Times that the job was started."""
    cancel_requested: bool = False
    revision: int = 0

    def with_failure(self, failure: Failure) -> Self:
        """Return the refill with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class RefillCompleted:
    """The tasks of a refill exist."""

    task_count: int


@dataclass(frozen=True)
class QueueDrained:
    """No task of a queue waits for people any more."""

    done_count: int


def drawn(refill: Refill, result: Drawn) -> tuple[Refill, RefillCompleted]:
    """Return the SUCCEEDED refill with the result of its job."""
    count = result.task_count
    noun = "1 task" if count == 1 else f"{count:,} tasks"
    message = f"{noun} created. {result.message}".strip()
    progress = Progress(1.0, message, count, count, "tasks")
    succeeded = replace(refill, state=RefillState.SUCCEEDED, progress=progress, drawn=result)
    return succeeded, RefillCompleted(count)
