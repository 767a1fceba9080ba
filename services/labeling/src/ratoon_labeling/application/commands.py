"""Commands of labeling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratoon_labeling.domain.annotations import Source
from ratoon_labeling.domain.guidelines import ConflictPolicy, Example, VersionChange
from ratoon_labeling.domain.marks import AnswerSpec
from ratoon_labeling.domain.ratings import Preference, Work
from ratoon_labeling.domain.tasks import Decision


@dataclass(frozen=True)
class CreateGuideline:
    """Create a guideline for annotators in `parent` (projects/{project})."""

    parent: str
    guideline_id: str
    instructions: str
    task: AnswerSpec
    conflict_policy: ConflictPolicy | None = None
    """None: the default of the kind of task."""
    request_id: str = ""
    purpose: str = ""
    ambiguity: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class UpdateGuideline:
    """Change what is not None, on the revision that `etag` names."""

    name: str
    etag: str = ""
    instructions: str | None = None
    labels: Sequence[str] | None = None
    conflict_policy: ConflictPolicy | None = None
    purpose: str | None = None
    ambiguity: str | None = None
    examples: tuple[Example, ...] | None = None
    change: VersionChange = VersionChange()


@dataclass(frozen=True)
class DeleteGuideline:
    """Delete a guideline that was read with this etag; an empty etag is not checked."""

    name: str
    etag: str = ""


@dataclass(frozen=True)
class CreateLabelSet:
    """Freeze the labels of a dataset version."""

    parent: str
    label_set_id: str
    dataset_version: str
    guideline: str
    import_as: Source = Source.IMPORT
    review_sample_size: int = 0
    overlap: int = 1
    request_id: str = ""


@dataclass(frozen=True)
class CreateAnnotation:
    """Give a record a label; `caller` sends the request, `annotator` is the one that it names."""

    parent: str
    annotation_id: str
    record_id: str
    content_digest: str
    label: str
    source: Source
    annotator: str
    caller: str
    caller_is_service: bool
    request_id: str = ""


@dataclass(frozen=True)
class CreateAnnotations:
    """Give records labels, all of them or none."""

    annotations: Sequence[CreateAnnotation]


@dataclass(frozen=True)
class ClaimTask:
    """Lease the next open task to the caller; an empty reason means any."""

    parent: str
    reason: str
    caller: str
    queue: str = ""
    to_review: bool = False
    other_than: frozenset[str] = frozenset()
    is_engineer: bool = False


@dataclass(frozen=True)
class CompleteTask:
    """Answer a task by a label, ratings or a preference; nothing skips it."""

    name: str
    label: str
    caller: str
    ratings: Mapping[str, int] = field(default_factory=dict)
    preference: Preference | None = None
    comment: str = ""
    skip_reason: str = ""
    guideline_version: int = 0


@dataclass(frozen=True)
class SubmitTask:
    """Answer a task and claim the next ones: of its queue, or by reason of those that belong to none."""

    answer: CompleteTask
    claim_count: int
    other_than: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True)
class WithdrawAnswer:
    """Withdraw the caller's answer to a task of a queue."""

    name: str
    caller: str


@dataclass(frozen=True)
class ReviewTask:
    """Accept, fix or send back the answers to a task."""

    name: str
    decision: Decision
    label: str
    comment: str
    caller: str
    is_engineer: bool = False


@dataclass(frozen=True)
class CreateQueue:
    """Create a queue in `parent` (projects/{project}); `settings` are its fields by name."""

    parent: str
    queue_id: str
    settings: Mapping[str, Any]
    request_id: str = ""


@dataclass(frozen=True)
class UpdateQueue:
    """Change these settings of a queue, on the state that `etag` names; an empty etag is not checked."""

    name: str
    settings: Mapping[str, Any]
    etag: str = ""


@dataclass(frozen=True)
class CreateRefill:
    """Draw records into the queue `parent`; a size of 0 means that of its rule."""

    parent: str
    refill_id: str = ""
    size: int = 0
    min_labelled: int = 0
    request_id: str = ""


@dataclass(frozen=True)
class GoldItem:
    """Record whose answer is known."""

    record_id: str
    content_digest: str
    label: str


@dataclass(frozen=True)
class AddGoldItems:
    """Add gold items to a queue."""

    name: str
    items: Sequence[GoldItem]


@dataclass(frozen=True)
class NewTask:
    """A task to create."""

    record_id: str
    content_digest: str
    dataset_version: str
    task: AnswerSpec
    proposed_label: str = ""
    overlap: int = 1
    work: Work = Work.ANSWER
    candidates: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    scales: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreateTasks:
    """Create tasks in `parent` (projects/{project})."""

    parent: str
    tasks: Sequence[NewTask]
    request_id: str = ""


@dataclass(frozen=True)
class ForgetRecords:
    """Delete the annotations and tasks of these records and texts of a project: ingestion erased them."""

    parent: str
    record_ids: tuple[str, ...]
    text_digests: tuple[str, ...] = ()
