"""A label set's way from a dataset version to frozen labels.

    QUEUED → RUNNING → SUCCEEDED
                     ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED
    SUCCEEDED → REDACTED

While RUNNING a job freezes the labels; then its result (imported annotations, tasks) is recorded, once.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from ratoon.operations.job_machine import Failure, Progress
from ratoon_labeling.domain.annotations import Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds.table import labels_of
from ratoon_labeling.domain.marks import AnswerSpec

RECORDING = Progress(0.9, "Recording annotations and tasks.")
"""Progress of a label set whose job has ended, until the job's result is recorded."""


_OTHER = ("answer", "an answer that is not valid")
"""Answers that are no labels, and faulty ones, in words."""


class State(StrEnum):
    """Where a label set stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    REDACTED = "REDACTED"
    """Its answers were texts, and records of it were erased."""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REDACTED)

    @property
    def without_result(self) -> bool:
        """Return True if the label set ended without labels."""
        return self in (State.FAILED, State.CANCELLED, State.REDACTED)


@dataclass(frozen=True)
class Frozen:
    """Result of the job: digests of three blobs (labels, imported annotations, tasks) and the labels in numbers.

    `agreement_alpha` is Krippendorff's, over records with two annotations or more; None without any, and of texts.
    """

    digest: str
    imported_digest: str
    tasks_digest: str
    class_counts: dict[str, int]
    unlabelled_count: int
    unknown_label_count: int
    conflict_count: int
    agreement_alpha: float | None = None
    unknown_labels: dict[str, int] = field(default_factory=dict)
    """The most frequent labels that came and are none of the guideline's, as they came, with their records."""
    label_count: int = 0
    """Records with an answer; 0 in results of older workers."""
    agreement_token_f1: float | None = None

    @property
    def labelled(self) -> int:
        """Return the number of records with an answer."""
        return self.label_count or sum(self.class_counts.values())


@dataclass(frozen=True)
class LabelSet:
    """The labels of a dataset version, frozen. `task` and `conflict_policy` are the guideline's at creation."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    dataset_digest: str
    guideline: str
    task: AnswerSpec
    conflict_policy: ConflictPolicy
    import_as: Source = Source.IMPORT
    review_sample_size: int = 0
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure_reason: str = ""
    failure_message: str = ""
    digest: str = ""
    class_counts: dict[str, int] = field(default_factory=dict)
    unlabelled_count: int = 0
    unknown_label_count: int = 0
    conflict_count: int = 0
    agreement_alpha: float | None = None
    unknown_labels: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    """Times that the job was started."""
    cancel_requested: bool = False
    revision: int = 0
    label_count: int = 0
    agreement_token_f1: float | None = None
    overlap: int = 1
    """Annotators who answer each task."""

    @property
    def sealed_blobs(self) -> tuple[str, ...]:
        """Return the blobs that hold records of test parts, or their labels."""
        return self.digest, self.dataset_digest

    @property
    def labelled(self) -> int:
        """Return the number of records with an answer; older releases stored the numbers by label alone."""
        return self.label_count or sum(self.class_counts.values())

    def with_failure(self, failure: Failure) -> Self:
        """Return the label set with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class Completed:
    """The labels are frozen."""

    digest: str
    label_count: int


def redacted(label_set: LabelSet) -> LabelSet:
    """Return the REDACTED label set: garbage collection deletes the texts that its digest named."""
    return replace(
        label_set,
        state=State.REDACTED,
        progress=Progress(1.0, "Records of the label set were erased; create a label set of a new version."),
        digest="",
    )


def frozen(label_set: LabelSet, result: Frozen) -> tuple[LabelSet, Completed]:
    """Return the SUCCEEDED label set with the result of its job."""
    label_count = result.labelled
    succeeded = replace(
        label_set,
        state=State.SUCCEEDED,
        progress=Progress(1.0, _ended(label_set.task, label_count, result), label_count, label_count),
        digest=result.digest,
        class_counts=result.class_counts,
        unlabelled_count=result.unlabelled_count,
        unknown_label_count=result.unknown_label_count,
        conflict_count=result.conflict_count,
        agreement_alpha=result.agreement_alpha,
        unknown_labels=result.unknown_labels,
        label_count=label_count,
        agreement_token_f1=result.agreement_token_f1,
    )
    return succeeded, Completed(result.digest, label_count)


def _ended(task: AnswerSpec, label_count: int, result: Frozen) -> str:
    noun, fault = ("label", "a label that the guideline does not have") if labels_of(task) else _OTHER
    text = f"1 {noun} is frozen" if label_count == 1 else f"{label_count:,} {noun}s are frozen"
    if not result.unknown_label_count:
        return f"{text}."
    came = (
        "1 record has" if result.unknown_label_count == 1 else f"{result.unknown_label_count:,} records have"
    )
    return f"{text}; {came} {fault}."
