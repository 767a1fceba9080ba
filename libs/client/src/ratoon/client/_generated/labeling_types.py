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
    """The most frequent label or text counts; a tie goes to review. Refused for numbers."""

    HUMAN_FIRST = "CONFLICT_POLICY_HUMAN_FIRST"
    """Annotations by people take precedence over imports and feedback; among equals, the newest counts."""

    MEDIAN = "CONFLICT_POLICY_MEDIAN"
    """The median of the numbers by people counts, of all numbers if there are none.

    Only for `regress`.
    """

    MEAN = "CONFLICT_POLICY_MEAN"
    """The mean of the numbers by people counts, of all numbers if there are none, rounded to three
    decimal places more than the numbers have.

    Only for `regress`.
    """


class Guideline(Message):
    """Instructions for annotators, and what they enter."""

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

    Empty, padded and repeated labels are refused. Other kinds of task have none.
    """

    conflict_policy: GuidelineConflictPolicy = GuidelineConflictPolicy.UNSPECIFIED
    """How several annotations of one record become one answer.

    Default: HUMAN_FIRST; of numbers MEAN.
    """

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    task: TaskSpec | None = None
    """What the model is for, which decides what annotators enter: labels, a text or a number.

    A request may give `labels` instead. An update changes `labels` alone.
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

    REDACTED = "STATE_REDACTED"
    """The answers of the label set were texts, and records of it were erased. `digest` is empty."""


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
    """Frozen answers of a dataset version, one a record: the labels, texts or numbers that training
    uses.
    """

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
    """Number of records to draw for review, 0 to 10,000: of labels such that no person gave, of texts
    and numbers also records without an answer.
    """

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
    """Number of records by label; a record with several labels counts for each.

    Empty for texts and numbers.
    """

    unlabelled_count: Int64 = 0
    """Number of records without an answer."""

    conflict_count: Int64 = 0
    """Number of records whose annotations give different answers: of numbers, ones that lie farther
    apart than the tolerance.

    The conflict policy of the guideline decides which one counts.
    """

    agreement_alpha: float | None = None
    """Krippendorff's alpha over the records with two or more annotations: nominal for labels, interval
    for numbers.

    Not set: there are none, or the answers are texts.
    """

    dataset_digest: str = ""
    """Digest of the artifact tree of the dataset version."""

    unknown_label_count: Int64 = 0
    """Number of answers that came with the data and are not valid: a label that the guideline lacks, a
    number out of range, a text that is not JSON.

    They are omitted.
    """

    unknown_labels: dict[str, Int64] = {}
    """Most frequent of them, as they came with the data, with the number of records of each.

    At most 50; texts are not named.
    """

    task: TaskSpec | None = None
    """What the model is for: that of the guideline when the label set was created."""

    label_count: Int64 = 0
    """Number of records with an answer."""

    agreement_token_f1: float | None = None
    """Mean token F1 over the pairs of annotations of one record, where the answers are texts: 1 for
    equal texts.

    Not set: no record has two annotations.
    """

    overlap: int = 0
    """Number of annotators who answer each task of this label set, 1 to 20. Default: 1."""


class Annotation(Message):
    """Answer that an annotator gave to a record."""

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
    """The answer, 1 to 65,536 characters: a label (several: one a line), a text or a number."""

    annotator: str = ""
    """Identity of the person, service or import that labelled.

    For annotations of people, the identity of the caller is used.
    """

    source: AnnotationSource = AnnotationSource.UNSPECIFIED
    """Origin of the annotation.

    Default: HUMAN. FEEDBACK is refused unless the caller is a service.
    """


class BatchCreateAnnotationsResponse(Message):
    """Response of `BatchCreateAnnotations`."""

    names: list[str] = []
    """Resource names of the annotations, in the order of the request."""


class TaskState(OpenEnum):
    """State of a task."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    OPEN = "STATE_OPEN"
    """The task waits for answers."""

    DONE = "STATE_DONE"
    """All annotators answered, at least one of them with an answer."""

    SKIPPED = "STATE_SKIPPED"
    """All annotators skipped the task."""


class Preference(OpenEnum):
    """Which of two answers is better."""

    UNSPECIFIED = "PREFERENCE_UNSPECIFIED"
    """Not set."""

    FIRST = "PREFERENCE_FIRST"
    """The first answer is better."""

    SECOND = "PREFERENCE_SECOND"
    """The second answer is better."""

    TIE = "PREFERENCE_TIE"
    """Neither is better."""


class TaskAnswer(Message):
    """Answer of one annotator to a task."""

    annotator: str = ""
    """Identity of the annotator."""

    label: str = ""
    """The answer of a task of the work ANSWER. All fields empty: skipped."""

    ratings: dict[str, int] = {}
    """Rating from 1 to 5 on each scale, of the work RATE."""

    preference: Preference = Preference.UNSPECIFIED
    """The better one of the candidates, of the work COMPARE."""


class TaskWork(OpenEnum):
    """What annotators do."""

    UNSPECIFIED = "WORK_UNSPECIFIED"
    """Not set."""

    ANSWER = "WORK_ANSWER"
    """Give the answer to the record."""

    RATE = "WORK_RATE"
    """Rate an answer from 1 to 5 on each scale."""

    COMPARE = "WORK_COMPARE"
    """Choose the better of two answers."""


class Task(Message):
    """Record that annotators are asked to answer, or whose answers they are asked to rate."""

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
    """Current answer. Empty: none."""

    reason: str = ""
    """Reason for the task: `review-sample`, `conflict` or `requested`."""

    label: str = ""
    """Answer that was given.

    Empty until the task is completed, and where its annotators gave different answers.
    """

    annotator: str = ""
    """Identity of the annotator who completed the task; of several, the last one.

    Empty until then.
    """

    lease_holder: str = ""
    """Annotator who claimed the task with `ClaimTask`. Empty: none, or the task is completed."""

    lease_expire_time: Timestamp | None = None
    """Time until which only `lease_holder` can complete the task, UTC. Not set: no lease."""

    task: TaskSpec | None = None
    """What the model is for, which decides what an answer is: labels, a text or a number."""

    overlap: int = 0
    """Number of annotators who answer the task, each of them once."""

    answers: list[TaskAnswer] = []
    """Answers so far, in the order in which they were given."""

    work: TaskWork = TaskWork.UNSPECIFIED
    """What annotators do. Default: ANSWER."""

    candidates: list[str] = []
    """Answers to rate or to compare: one to rate, two to compare."""

    origins: list[str] = []
    """What gave each of `candidates`, for example the resource name of a model version.

    Empty, or one for each. The console does not show them to annotators.
    """

    scales: list[str] = []
    """Scales from 1 to 5 on which an answer is rated.

    Default: `fluency`, `relevance` and `factuality`.
    """


class BatchCreateTasksResponse(Message):
    """Response of `BatchCreateTasks`."""

    names: list[str] = []
    """Resource names of the tasks, in the order of the request."""


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
    """Number of tasks that were completed with an answer."""

    skipped_count: Int64 = 0
    """Number of tasks that were skipped."""

    reviews: list[SummarizeTasksResponseReview] = []
    """Answers where a label stood before. Texts and numbers are not listed."""

    unchanged_count: Int64 = 0
    """Number of completed tasks whose answer is the one that stood before."""

    changed_count: Int64 = 0
    """Number of completed tasks whose answer differs from the one that stood before."""


class SummarizeRatingsResponseRating(Message):
    """Ratings of the answers of one origin on one scale."""

    origin: str = ""
    """What gave the answers. Empty: not stated."""

    scale: str = ""
    """The scale."""

    task_count: Int64 = 0
    """Number of rated answers."""

    rating_count: Int64 = 0
    """Number of ratings."""

    mean: float = 0.0
    """Mean rating, 1 to 5."""

    low: float | None = None
    """Lower end of the 95 % interval of the mean. Not set: fewer than 5 rated answers."""

    high: float | None = None
    """Upper end of the 95 % interval of the mean. Not set: fewer than 5 rated answers."""

    agreement_alpha: float | None = None
    """Krippendorff's alpha (interval) of the scale over the answers of all origins.

    Not set: it is undefined.
    """


class SummarizeRatingsResponseComparison(Message):
    """Comparisons of the answers of two origins."""

    first_origin: str = ""
    """What gave the first answers. Empty: not stated."""

    second_origin: str = ""
    """What gave the second answers. Empty: not stated."""

    task_count: Int64 = 0
    """Number of compared pairs."""

    first_count: Int64 = 0
    """Number of answers that prefer the first answer."""

    second_count: Int64 = 0
    """Number of answers that prefer the second answer."""

    tie_count: Int64 = 0
    """Number of answers that prefer neither."""

    win_rate: float = 0.0
    """Share of the pairs that the second origin wins; a tie counts half."""

    low: float | None = None
    """Lower end of the 95 % interval of the win rate (Wilson)."""

    high: float | None = None
    """Upper end of the 95 % interval of the win rate (Wilson)."""

    agreement_alpha: float | None = None
    """Krippendorff's alpha (nominal) over the pairs with two or more answers.

    Not set: it is undefined.
    """


class SummarizeRatingsResponse(Message):
    """Ratings and comparisons of a project.

    Answers of several annotators to one task count as one, their mean.
    """

    ratings: list[SummarizeRatingsResponseRating] = []
    """Ratings by origin and scale."""

    comparisons: list[SummarizeRatingsResponseComparison] = []
    """Comparisons by pair of origins."""


class ClaimTaskResponse(Message):
    """Response of `ClaimTask`."""

    task: Task | None = None
    """The claimed task. Not set: no task is open that another annotator has not claimed."""
