"""A label set's way from a dataset version to frozen labels.

    QUEUED → RUNNING → SUCCEEDED
                     ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED

While RUNNING a job freezes the labels; then what it found (imported annotations, tasks) is recorded, once.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon_labeling.domain.annotations import Source
from ratoon_labeling.domain.guidelines import ConflictPolicy

MAX_ATTEMPTS = 5
"""Starts of a job after which the loss of its worker is final."""


class State(StrEnum):
    """Where a label set stands."""

    QUEUED = "QUEUED"
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
    """How far the freezing is: fraction 0..1, a sentence, records done of total."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Frozen:
    """What the job made: digests of three blobs (labels, imported annotations, tasks) and the labels in numbers.

    `agreement_alpha` is Krippendorff's, nominal, over records with two judgements or more; None without any.
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


@dataclass(frozen=True)
class LabelSet:
    """The labels of a dataset version, frozen. `labels` and `conflict_policy` are the guideline's at creation."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    dataset_digest: str
    guideline: str
    labels: tuple[str, ...]
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


class Phase(StrEnum):
    """What can be seen of the freezing job."""

    ABSENT = "ABSENT"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"


@dataclass(frozen=True)
class Observation:
    """The job as it is now, and whether what it found is recorded."""

    phase: Phase
    progress: Progress = Progress()
    frozen: Frozen | None = None
    recorded: bool = False
    reason: str = ""
    message: str = ""


class Action(StrEnum):
    """What a step asks for."""

    START = "START"
    RESTART = "RESTART"
    RECORD = "RECORD"
    STOP = "STOP"


@dataclass(frozen=True)
class Completed:
    """The labels are frozen."""

    digest: str
    label_count: int


@dataclass(frozen=True)
class Failed:
    """The labels could not be frozen."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody called it off."""


@dataclass(frozen=True)
class Transition:
    """What follows from an observation."""

    label_set: LabelSet
    actions: tuple[Action, ...] = ()
    events: tuple[Completed | Failed | Cancelled, ...] = ()


def step(label_set: LabelSet, seen: Observation) -> Transition:
    """The next state of a label set, what to do and what to tell."""
    if label_set.state.ended:
        return Transition(label_set)
    if label_set.cancel_requested:
        return _cancelling(label_set, seen)
    if seen.phase is Phase.FAILED:
        return fail(label_set, seen.reason, seen.message)
    if seen.phase is Phase.SUCCEEDED and seen.frozen is not None:
        return _frozen(label_set, seen.frozen, seen.recorded)
    running = replace(label_set, state=State.RUNNING, progress=seen.progress)
    if seen.phase is Phase.RUNNING:
        return Transition(running)
    if seen.phase is Phase.LOST:
        if label_set.attempts >= MAX_ATTEMPTS:
            message = f"The worker was lost {label_set.attempts} times. {seen.message}".strip()
            return fail(label_set, seen.reason or "WORKER_LOST", message)
        return Transition(replace(running, attempts=label_set.attempts + 1), (Action.RESTART,))
    return Transition(replace(running, attempts=max(1, label_set.attempts)), (Action.START,))


def fail(label_set: LabelSet, reason: str, message: str) -> Transition:
    """The label set as one that came to nothing."""
    failed = replace(label_set, state=State.FAILED, failure_reason=reason, failure_message=message)
    return Transition(failed, events=(Failed(reason),))


def _frozen(label_set: LabelSet, made: Frozen, recorded: bool) -> Transition:
    if not recorded:
        recording = replace(
            label_set, state=State.RUNNING, progress=Progress(0.9, "Recording annotations and tasks.")
        )
        return Transition(recording, (Action.RECORD,))
    label_count = sum(made.class_counts.values())
    succeeded = replace(
        label_set,
        state=State.SUCCEEDED,
        progress=Progress(1.0, _ended(label_count, made), label_count, label_count),
        digest=made.digest,
        class_counts=made.class_counts,
        unlabelled_count=made.unlabelled_count,
        unknown_label_count=made.unknown_label_count,
        conflict_count=made.conflict_count,
        agreement_alpha=made.agreement_alpha,
        unknown_labels=made.unknown_labels,
    )
    return Transition(succeeded, events=(Completed(made.digest, label_count),))


def _ended(label_count: int, made: Frozen) -> str:
    said = "1 label is frozen" if label_count == 1 else f"{label_count:,} labels are frozen"
    if not made.unknown_label_count:
        return f"{said}."
    came = "1 record has" if made.unknown_label_count == 1 else f"{made.unknown_label_count:,} records have"
    return f"{said}; {came} a label that the guideline does not have."


def _cancelling(label_set: LabelSet, seen: Observation) -> Transition:
    if seen.phase is Phase.RUNNING:
        return Transition(replace(label_set, state=State.CANCELLING), (Action.STOP,))
    return Transition(replace(label_set, state=State.CANCELLED), events=(Cancelled(),))
