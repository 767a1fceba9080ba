# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of labeling."""

from ratoon.client._generated.common_types import Failure, Progress, TaskSpec
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class GuidelineConflictPolicy(OpenEnum):
    """Resolution of several annotations of one record."""

    UNSPECIFIED = "CONFLICT_POLICY_UNSPECIFIED"
    """Not set."""

    LATEST = "CONFLICT_POLICY_LATEST"
    """The newest annotation counts."""

    MAJORITY = "CONFLICT_POLICY_MAJORITY"
    """The most frequent label counts; a tie goes to review."""

    HUMAN_FIRST = "CONFLICT_POLICY_HUMAN_FIRST"
    """Annotations by people take precedence over imports and feedback; among equals, the newest counts."""


class Guideline(Message):
    """Instructions for annotators and the labels to choose from."""

    name: str = ""
    """Resource name: `projects/{project}/guidelines/{guideline}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    instructions: str = ""
    """Instructions for annotators, at most 262,144 characters."""

    labels: list[str] = []
    """The same as `task.classify.labels`: 2 to 1,000 labels to choose from, of at most 200 characters
    each.

    Empty, padded and repeated labels are refused.
    """

    conflict_policy: GuidelineConflictPolicy = GuidelineConflictPolicy.UNSPECIFIED
    """How several annotations of one record become one label. Default: HUMAN_FIRST."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    task: TaskSpec | None = None
    """What the model is for, which decides what annotators enter.

    A request may give `labels` instead. An update changes `labels`. Kinds other than `classify` are not
    supported yet.
    """


class LabelSetState(OpenEnum):
    """State of a label set."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The work completed."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class AnnotationSource(OpenEnum):
    """Origin of an annotation."""

    UNSPECIFIED = "SOURCE_UNSPECIFIED"
    """Not set."""

    IMPORT = "SOURCE_IMPORT"
    """The label came with the data."""

    HUMAN = "SOURCE_HUMAN"
    """A person gave the label."""

    FEEDBACK = "SOURCE_FEEDBACK"
    """A user corrected or confirmed an answer."""


class LabelSet(Message):
    """Frozen labels of a dataset version: the labels that training uses."""

    name: str = ""
    """Resource name: `projects/{project}/labelSets/{label_set}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: LabelSetState = LabelSetState.UNSPECIFIED
    """Current state."""

    dataset_version: str = ""
    """Resource name of the dataset version. It must belong to the same project."""

    guideline: str = ""
    """Resource name of the guideline. It must belong to the same project."""

    import_as: AnnotationSource = AnnotationSource.UNSPECIFIED
    """Source of the annotations that are created from the labels that came with the data: an import, or
    feedback of users.

    Default: IMPORT.
    """

    review_sample_size: int = 0
    """Number of records to draw for review, 0 to 10,000."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    digest: str = ""
    """Digest of the labels: a Parquet blob with the columns `record_id`, `content_digest`, `label`,
    `annotator`, `source`.

    Empty until the label set has succeeded.
    """

    class_counts: dict[str, Int64] = {}
    """Number of records by label."""

    unlabelled_count: Int64 = 0
    """Number of records without a label."""

    conflict_count: Int64 = 0
    """Number of records whose annotations name different labels.

    The conflict policy of the guideline decides which one counts.
    """

    agreement_alpha: float | None = None
    """Krippendorff's alpha (nominal) over the records with two or more annotations.

    Not set: there are none.
    """

    dataset_digest: str = ""
    """Digest of the artifact tree of the dataset version."""

    unknown_label_count: Int64 = 0
    """Number of labels that came with the data and are not in the guideline. They are omitted."""

    unknown_labels: dict[str, Int64] = {}
    """Most frequent of the unknown labels, as they came with the data, with the number of records of
    each.

    At most 50.
    """


class Annotation(Message):
    """Label that an annotator gave to a record."""

    name: str = ""
    """Resource name: `projects/{project}/annotations/{annotation}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    record_id: str = ""
    """ID of the record. Required."""

    content_digest: str = ""
    """Digest of the text that was labelled. Empty: not stated."""

    label: str = ""
    """The label, 1 to 200 characters."""

    annotator: str = ""
    """Identity of the person, service or import that labelled.

    For annotations of people, the identity of the caller is used.
    """

    source: AnnotationSource = AnnotationSource.UNSPECIFIED
    """Origin of the annotation.

    Default: HUMAN. FEEDBACK is refused unless the caller is a service.
    """


class TaskState(OpenEnum):
    """State of a task."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    OPEN = "STATE_OPEN"
    """The task waits for an answer."""

    DONE = "STATE_DONE"
    """A label was given."""

    SKIPPED = "STATE_SKIPPED"
    """The task was completed without a label."""


class Task(Message):
    """Record that an annotator is asked to review."""

    name: str = ""
    """Resource name: `projects/{project}/tasks/{task}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: TaskState = TaskState.UNSPECIFIED
    """Current state."""

    record_id: str = ""
    """ID of the record."""

    content_digest: str = ""
    """Digest of the text."""

    dataset_version: str = ""
    """Resource name of the dataset version that holds the text."""

    proposed_label: str = ""
    """Current label. Empty: none."""

    reason: str = ""
    """Reason for the review: `review-sample` or `conflict`."""

    label: str = ""
    """Label that was given. Empty until the task is completed."""

    annotator: str = ""
    """Identity of the annotator who completed the task. Empty until then."""

    lease_holder: str = ""
    """Annotator who claimed the task with `ClaimTask`. Empty: none, or the task is completed."""

    lease_expire_time: Timestamp | None = None
    """Time until which only `lease_holder` can complete the task, UTC. Not set: no lease."""


class SummarizeTasksResponseReview(Message):
    """Number of tasks with one pair of labels."""

    proposed_label: str = ""
    """Label before the review."""

    label: str = ""
    """Label that was given."""

    count: Int64 = 0
    """Number of tasks."""


class SummarizeTasksResponse(Message):
    """Counts of a project's tasks."""

    open_counts: dict[str, Int64] = {}
    """Number of open tasks by the reason for the review."""

    done_count: Int64 = 0
    """Number of tasks that were completed with a label."""

    skipped_count: Int64 = 0
    """Number of tasks that were skipped."""

    reviews: list[SummarizeTasksResponseReview] = []
    """Answers where a label stood before."""


class ClaimTaskResponse(Message):
    """Response of `ClaimTask`."""

    task: Task | None = None
    """The claimed task. Not set: no task is open that another annotator has not claimed."""
