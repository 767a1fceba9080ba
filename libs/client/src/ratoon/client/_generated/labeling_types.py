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


class GuidelineExample(Message):
    """Example of an answer."""

    label: str = ""
    """The answer."""

    text: str = ""
    """Text of the record, at most 65,536 characters."""

    explanation: str = ""
    """Why the answer is right, at most 4,096 characters. Empty: not stated."""


class MarkSpecSpansOverlap(OpenEnum):
    """Which spans may share characters."""

    UNSPECIFIED = "OVERLAP_UNSPECIFIED"
    """Not set."""

    NONE = "OVERLAP_NONE"
    """No two spans."""

    NESTED = "OVERLAP_NESTED"
    """A span may lie within another one."""

    ANY = "OVERLAP_ANY"
    """Any two spans that are not equal."""


class MarkSpecSpans(Message):
    """Spans of the text of a record.

    Each is an object with `start`, `end` and `label`; the server adds `text`. Offsets count Unicode code
    points from 0, `end` is exclusive: `text` is `text[start:end]` in Python. A span outside of the text,
    an empty one, or one that begins or ends within a character that several code points form, such as an
    emoji, is refused.
    """

    labels: list[str] = []
    """Labels to choose from: 1 to 1,000."""

    overlap: MarkSpecSpansOverlap = MarkSpecSpansOverlap.UNSPECIFIED
    """Which spans may share characters. Default: NONE."""


class MarkSpecBoxes(Message):
    """Boxes on an image.

    Each is an object with `x`, `y`, `width`, `height` and `label`: the left upper corner and the size as
    shares of the width and the height of the image, from 0 to 1. A box outside of the image is refused.
    """

    labels: list[str] = []
    """Labels to choose from: 1 to 1,000."""

    image_attribute: str = ""
    """Name of the attribute of a record whose value names its image: the SHA-256 of a blob.

    Default: `image`.
    """


class MarkSpec(Message):
    """Marks that annotators set in a record.

    The answer is a JSON list of them; an empty list says that there are none.
    """

    spans: MarkSpecSpans | None = None
    """Spans of the text."""

    boxes: MarkSpecBoxes | None = None
    """Boxes on an image."""


class VersionChangeEarlierAnswers(OpenEnum):
    """Meaning for earlier answers."""

    UNSPECIFIED = "EARLIER_ANSWERS_UNSPECIFIED"
    """Not set."""

    KEEP = "EARLIER_ANSWERS_KEEP"
    """Earlier answers stay valid."""

    ASK_AGAIN = "EARLIER_ANSWERS_ASK_AGAIN"
    """Tasks of queues are opened again for those who answered them.

    Their earlier annotations are kept, marked as outdated, and count no more.
    """


class VersionChange(Message):
    """What a version of a guideline means for the answers that were given under earlier ones."""

    earlier_answers: VersionChangeEarlierAnswers = VersionChangeEarlierAnswers.UNSPECIFIED
    """Meaning for earlier answers. Default: KEEP."""

    labels: list[str] = []
    """Labels whose answers are requested again, with ASK_AGAIN. Empty: all answers."""

    note: str = ""
    """What changed and why, at most 4,096 characters. Annotators see it."""


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

    version: int = 0
    """Number of the version: 1, and one more with each update that changes the guideline.

    Annotations of queues name the version by which they were given.
    """

    purpose: str = ""
    """What the labels are for, at most 262,144 characters."""

    ambiguity: str = ""
    """How to decide ambiguous records, at most 262,144 characters."""

    examples: list[GuidelineExample] = []
    """Examples of answers, at most 1,000."""

    marks: MarkSpec | None = None
    """Spans or boxes that annotators mark.

    The task of the model is then `generate` with JSON answers. Not set: the task says what annotators
    enter. An update changes `labels` alone.
    """

    change: VersionChange | None = None
    """What this version means for the answers that were given under earlier ones.

    Of an update: what the version means that it creates. Default: they stay valid.
    """


class GuidelineVersion(Message):
    """Version of a guideline, and what it means for the answers that were given under earlier ones."""

    name: str = ""
    """Resource name: `projects/{project}/guidelines/{guideline}/versions/{version}`; versions count from
    1.
    """

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    guideline: Guideline | None = None
    """The guideline in this version."""

    applied: bool = False
    """True if its change is in force for all tasks.

    While it is false, tasks are being opened again.
    """

    reopened_count: Int64 = 0
    """Number of tasks that were opened again."""


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


class Selection(OpenEnum):
    """How a record was chosen for labeling."""

    UNSPECIFIED = "SELECTION_UNSPECIFIED"
    """Not set."""

    RANDOM = "SELECTION_RANDOM"
    """At random."""

    ACTIVE = "SELECTION_ACTIVE"
    """Because a model was uncertain about it. Such records never enter the test part of a split."""


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

    queue: str = ""
    """Resource name of the queue whose task was answered. Empty: none."""

    selection: Selection = Selection.UNSPECIFIED
    """How the record was chosen. Not set: it was not drawn by a queue."""

    guideline: str = ""
    """Resource name of the guideline of the queue. Empty: none."""

    guideline_version: int = 0
    """Version of the guideline by which the answer was given.

    0: the annotation belongs to no queue.
    """

    outdated: bool = False
    """True if a later version of the guideline requests the answer again: the annotation counts no more."""


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

    IN_REVIEW = "STATE_IN_REVIEW"
    """All annotators answered; the task waits for a reviewer."""


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

    skip_reason: str = ""
    """Why the annotator skipped the task. Empty: not stated, or not skipped."""

    guideline_version: int = 0
    """Version of the guideline by which the answer was given. 0: the task belongs to no queue."""


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


class TaskComment(Message):
    """Comment on a task."""

    author: str = ""
    """Name of the API key of the author."""

    text: str = ""
    """Text of 1 to 4,096 characters."""

    create_time: Timestamp | None = None
    """Time at which it was written, UTC."""


class TaskReviewDecision(OpenEnum):
    """What a reviewer decides."""

    UNSPECIFIED = "DECISION_UNSPECIFIED"
    """Not set."""

    ACCEPT = "DECISION_ACCEPT"
    """The answers are right."""

    FIX = "DECISION_FIX"
    """The answer of the reviewer takes the place of the others."""

    SEND_BACK = "DECISION_SEND_BACK"
    """The annotators answer again; a comment says why."""


class TaskReview(Message):
    """Result of the review of a task."""

    decision: TaskReviewDecision = TaskReviewDecision.UNSPECIFIED
    """What the reviewer decided."""

    reviewer: str = ""
    """Name of the API key of the reviewer."""

    label: str = ""
    """Answer of the reviewer, of the decision FIX. Empty: none."""


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
    """Reason for the task: `review-sample`, `conflict`, `requested`, `queue` or `intake` (by a rule of
    the queue).
    """

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
    """Answers so far, in the order in which they were given.

    Of a task of a queue, annotators see their own answer alone.
    """

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

    queue: str = ""
    """Resource name of the queue. Empty: the task belongs to none."""

    selection: Selection = Selection.UNSPECIFIED
    """How the record was chosen. Not set: it was not drawn by a queue."""

    proposal_origin: str = ""
    """What gave `proposed_label`: `rules`, `classical`, `current` for the answer that counts so far,
    `earlier` for answers to an earlier version of the guideline, or the model behind an endpoint.

    Empty: no answer is proposed, or it came with the data.
    """

    guideline: str = ""
    """Resource name of the guideline of the queue. Empty: the task belongs to none."""

    comments: list[TaskComment] = []
    """Comments of annotators and reviewers, in their order."""

    review: TaskReview | None = None
    """Result of the review. Not set: there was none."""

    needs_review: bool = False
    """True if a reviewer checks the answer when all annotators have answered."""

    guideline_version: int = 0
    """Version of the guideline that the holder of the lease got with the task.

    0: the task belongs to no queue.
    """

    proposal_confidence: float | None = None
    """Probability of `proposed_label` by what proposed it, 0 to 1. Not set: it is not known."""

    marks: MarkSpec | None = None
    """Spans or boxes that annotators mark. Not set: `task` says what an answer is."""

    earlier_answers: list[TaskAnswer] = []
    """Answers that a later version of the guideline requests again.

    Of a task of a queue, annotators see their own alone.
    """

    suggested_label: str = ""
    """Label that is more probable than the current answer, which is `proposed_label`.

    Set in queues of the strategy LABEL_ERRORS, and of bad cases to the answer of the model.
    """

    intake_rule: str = ""
    """ID of the rule of the queue by which the task came. Empty: none."""

    answer_id: str = ""
    """`id` of the answer that the task is about.

    `record_id` is the same, and `dataset_version` is empty. Empty: the task is about a record.
    """

    model_version: str = ""
    """Resource name of the model version that answered, of a task that came by a rule."""

    evaluation_run: str = ""
    """Resource name of the evaluation run whose bad case the task is about. Empty: none."""

    text: str = ""
    """Text that the answer answers.

    Set by `ClaimTask` and `GetTask` for the holder of the lease and for engineers, as long as the
    captured traffic holds it.
    """

    feedback: str = ""
    """Resource name of the feedback by which the answer of people returned to the model's answer.

    Empty: none.
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


class SubmitTaskResponse(Message):
    """Response of `SubmitTask`."""

    task: Task | None = None
    """The answered task."""

    next_tasks: list[Task] = []
    """The claimed tasks, at most `claim_count`."""


class QueueState(OpenEnum):
    """State of a queue."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    OPEN = "STATE_OPEN"
    """Tasks wait for people, or a refill is in progress or can start."""

    COMPLETE = "STATE_COMPLETE"
    """No task waits, and no more are drawn."""


class QueueStrategy(OpenEnum):
    """Choice of the records that become tasks."""

    UNSPECIFIED = "STRATEGY_UNSPECIFIED"
    """Not set."""

    RANDOM = "STRATEGY_RANDOM"
    """At random."""

    MARGIN = "STRATEGY_MARGIN"
    """Smallest difference between the two most probable labels, by a classical model of the labels so
    far.
    """

    ENTROPY = "STRATEGY_ENTROPY"
    """Largest entropy of the probabilities of the labels, by a classical model of the labels so far."""

    LABEL_ERRORS = "STRATEGY_LABEL_ERRORS"
    """Records whose current label is probably wrong, by confident learning: the labels of a cross-
    validated classical model against those that count.

    All records of the version that have a label are candidates.
    """


class QueueRefillRule(Message):
    """Rule by which records become tasks."""

    size: int = 0
    """Number of tasks that a refill draws, 1 to 10,000. Default: 50."""

    threshold: int = 0
    """A refill starts as soon as fewer open tasks are left, 0 to 10,000.

    0: refills are created by callers only.
    """

    max_tasks: int = 0
    """Number of tasks of the queue after which no more are drawn. 0: no limit."""

    strategy: QueueStrategy = QueueStrategy.UNSPECIFIED
    """Choice of the records.

    Default: RANDOM. The others need a task of the kind `classify` with one label a record.
    """

    random_share: float = 0.0
    """Share of the records that is drawn at random in any strategy, 0.1 to 1.

    Default: 0.3. Only these can enter the test part of a split.
    """

    min_gain: float = 0.0
    """Stop when doubling the labels improved the macro-F1 of the classical model by less than this, 0 to
    1, with 95 % confidence.

    0: do not stop.
    """


class QueuePreLabelsOrigin(OpenEnum):
    """Where the answers come from."""

    UNSPECIFIED = "ORIGIN_UNSPECIFIED"
    """Not set: tasks propose no answer."""

    RULES = "ORIGIN_RULES"
    """Keywords and patterns."""

    CLASSICAL = "ORIGIN_CLASSICAL"
    """The classical model of the labels so far. Only for `classify` with one label a record."""

    ENDPOINT = "ORIGIN_ENDPOINT"
    """A model behind an OpenAI-compatible endpoint: the version in production behind the gateway, or any
    other.
    """


class QueueRule(Message):
    """Rule that proposes a label. Give `keywords` or `pattern`."""

    label: str = ""
    """Label to propose."""

    keywords: list[str] = []
    """The rule matches a text that holds one of these, at most 1,000; upper and lower case are the same."""

    pattern: str = ""
    """Regular expression in the syntax of RE2, at most 1,000 characters; upper and lower case are the
    same.

    It matches anywhere in a text.
    """


class QueueEndpoint(Message):
    """Model behind an OpenAI-compatible endpoint."""

    base_url: str = ""
    """Base URL, for example `http://127.0.0.1:8080/v1`.

    The operator lists the endpoints in `RATOON_LABELING_ENDPOINTS`; others are refused
    (`ENDPOINT_NOT_ALLOWED`).
    """

    model: str = ""
    """Name of the model, at most 256 characters: of the gateway, a deployment, whose version in
    production answers.
    """

    text_only: bool = False
    """Send the text of the record alone, as callers of a deployment do.

    Default: the guideline comes before it.
    """


class QueuePreLabels(Message):
    """Answers that tasks propose."""

    origin: QueuePreLabelsOrigin = QueuePreLabelsOrigin.UNSPECIFIED
    """Where the answers come from."""

    rules: list[QueueRule] = []
    """Rules of the origin RULES, at most 200, in their order: the first one that matches proposes its
    label.
    """

    endpoint: QueueEndpoint | None = None
    """Endpoint of the origin ENDPOINT."""

    blind_share: float = 0.0
    """Share of the tasks whose proposed answer annotators do not see, 0 to 1.

    By these the accuracy is estimated without the influence of the proposal. Default: 0.
    """


class QueueStopReason(OpenEnum):
    """Why no further tasks are drawn."""

    UNSPECIFIED = "STOP_REASON_UNSPECIFIED"
    """Not set."""

    EXHAUSTED = "STOP_REASON_EXHAUSTED"
    """Each record has an answer or a task."""

    MAX_TASKS = "STOP_REASON_MAX_TASKS"
    """`max_tasks` is reached."""

    NO_GAIN = "STOP_REASON_NO_GAIN"
    """More labels improve the score by less than `min_gain`, with 95 % confidence."""


class QueueIntakeRuleChoice(OpenEnum):
    """Choice of answers."""

    UNSPECIFIED = "CHOICE_UNSPECIFIED"
    """Not set."""

    RANDOM = "CHOICE_RANDOM"
    """At random."""

    UNCERTAIN = "CHOICE_UNCERTAIN"
    """The answers of which the model is least certain, by the probabilities of their tokens: only
    answers to requests that ask for them (`logprobs`) have one.

    Invalid answers and refusals count as the least certain ones.
    """


class QueueIntakeRuleTraffic(Message):
    """Answers of a deployment from the creation of the rule on.

    What people answer returns as feedback on the answer.
    """

    deployment: str = ""
    """Resource name of the deployment, or its last segment.

    Empty: all deployments of the project.
    """

    share: float = 0.0
    """Share of the answers, above 0 and at most 1. Default: 0.01."""

    choice: QueueIntakeRuleChoice = QueueIntakeRuleChoice.UNSPECIFIED
    """Choice of the answers. Default: RANDOM."""


class QueueIntakeRuleLowRated(Message):
    """Answers that users rejected, from the creation of the rule on.

    What people answer returns as feedback on the answer.
    """

    deployment: str = ""
    """Resource name of the deployment, or its last segment.

    Empty: all deployments of the project.
    """

    max_rating: int = 0
    """Answers with a thumb down, or with at most this rating, 1 to 4. Default: 2."""

    conflicts: bool = False
    """Also answers to one text whose corrections differ."""


class QueueIntakeRuleBadCases(Message):
    """Wrong answers of evaluation runs on domains, at most 1,000 of a run.

    Each reading of a test part is logged at the split. What people answer counts in the next label set.
    """

    evaluation_run: str = ""
    """Resource name of the evaluation run.

    Empty: each run of the project that succeeds from the creation of the rule on.
    """

    domain: str = ""
    """Name of the domain. Empty: all domains."""


class QueueIntakeRule(Message):
    """Rule by which answers of models enter the queue.

    An answer enters it once. An answer enters only if its user permits training; without feedback, the
    project's `default_consent` decides.
    """

    id: str = ""
    """ID of the rule in the queue: 1 to 63 characters of `a-z`, `0-9` and `-`."""

    traffic: QueueIntakeRuleTraffic | None = None
    """Answers of a deployment."""

    low_rated: QueueIntakeRuleLowRated | None = None
    """Answers that users rejected."""

    bad_cases: QueueIntakeRuleBadCases | None = None
    """Wrong answers of evaluation runs."""

    max_per_day: int = 0
    """Number of tasks a day (UTC), 1 to 10,000.

    Default: 100. Low-rated answers and bad cases beyond it wait for the next day; others are left out.
    """

    max_tasks: int = 0
    """Number of tasks in all, 1 to 1,000,000. Default: 1,000."""


class QueueIntakeCount(Message):
    """Tasks that came by a rule."""

    rule: str = ""
    """ID of the rule."""

    task_count: Int64 = 0
    """Number of tasks in all."""

    day_count: Int64 = 0
    """Number of tasks on the last day with one (UTC)."""

    day: str = ""
    """That day, as `YYYY-MM-DD`."""

    returned_count: Int64 = 0
    """Number of these answers that people labelled and that returned as feedback."""

    problem: str = ""
    """Why the last intake failed. Empty: it did not."""


class Queue(Message):
    """Records that people label: a source of records, rules by which they become tasks, and the counts
    of these tasks.
    """

    name: str = ""
    """Resource name: `projects/{project}/queues/{queue}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    state: QueueState = QueueState.UNSPECIFIED
    """Current state."""

    dataset_version: str = ""
    """Resource name of the dataset version whose records become tasks.

    It must belong to the same project. Records that people have answered become no tasks, also those of
    an earlier version of the dataset. Empty: answers enter by `intake_rules` alone.
    """

    filter: str = ""
    """Filter of the records, for example `language = zh AND attributes.channel = web`.

    Fields: `source`, `source_path`, `source_label`, `language`, `licence` and `attributes.{name}`. Empty:
    all records.
    """

    record_ids: list[str] = []
    """IDs of the records, at most 10,000. Empty: all records that the filter selects."""

    guideline: str = ""
    """Resource name of the guideline. It must belong to the same project."""

    overlap: int = 0
    """Number of annotators who answer each task, each of them once: 1 to 20. Default: 1."""

    deadline: Timestamp | None = None
    """Time from which no task can be claimed, UTC. Not set: none."""

    paused: bool = False
    """True while no task can be claimed and no refill starts."""

    gold_share: float = 0.0
    """Share of gold items among the tasks of an annotator, 0 to 0.5.

    Gold items are added with `AddGoldItems`; annotators see them as other tasks.
    """

    review_share: float = 0.0
    """Share of the answered tasks that a second person reviews, 0 to 1."""

    reviewers: list[str] = []
    """IDs or resource names of the API keys that review tasks, at most 100.

    Empty: each key with the role ENGINEER.
    """

    refill_rule: QueueRefillRule | None = None
    """How records become tasks."""

    pre_labels: QueuePreLabels | None = None
    """Where answers come from that tasks propose.

    An annotator confirms or corrects them; they are no annotations.
    """

    task: TaskSpec | None = None
    """What the model is for: that of the guideline when the queue was created or last changed."""

    open_count: Int64 = 0
    """Number of tasks that wait for annotators, without gold items."""

    review_count: Int64 = 0
    """Number of tasks that wait for a reviewer."""

    done_count: Int64 = 0
    """Number of tasks that are completed with an answer."""

    skipped_count: Int64 = 0
    """Number of tasks that all annotators skipped."""

    gold_count: Int64 = 0
    """Number of gold items."""

    stop_reason: QueueStopReason = QueueStopReason.UNSPECIFIED
    """Why no further tasks are drawn. Empty while the rule may draw more."""

    last_refill: str = ""
    """Resource name of the newest refill. Empty: none."""

    marks: MarkSpec | None = None
    """Spans or boxes that annotators mark: those of the guideline.

    Not set: `task` says what an answer is.
    """

    intake_rules: list[QueueIntakeRule] = []
    """Rules by which answers of models enter the queue by themselves, at most 20.

    A queue with rules may leave `dataset_version` out; then records are not drawn.
    """

    intake_counts: list[QueueIntakeCount] = []
    """Number of tasks that came by each rule. Set by the server."""

    work: TaskWork = TaskWork.UNSPECIFIED
    """What annotators do with a record.

    RATE and COMPARE need a task of the kind `generate`, and the strategy RANDOM without proposed answers:
    RATE takes records with an answer, COMPARE those with two different answers (the first two of several,
    or the chosen and the rejected one of a preference). Default: ANSWER. It cannot be changed.
    """

    scales: list[str] = []
    """Scales from 1 to 5 of the work RATE, at most 10.

    Default: `fluency`, `relevance` and `factuality`.
    """


class SummarizeQueueResponseLabelAgreement(Message):
    """Agreement on one label."""

    label: str = ""
    """The label."""

    answer_count: Int64 = 0
    """Number of answers with it, of tasks with two answers or more."""

    alpha: float | None = None
    """Krippendorff's alpha of the label against all others. Not set: it is undefined."""


class SummarizeQueueResponsePairAgreement(Message):
    """Agreement of two annotators."""

    first: str = ""
    """Name of the API key of the first annotator."""

    second: str = ""
    """Name of the API key of the second annotator."""

    task_count: Int64 = 0
    """Number of tasks that both answered."""

    raw_agreement: float = 0.0
    """Share of these with equal answers."""

    kappa: float | None = None
    """Cohen's kappa. Not set: it is undefined, or the answers are texts or numbers."""


class SummarizeQueueResponseAnnotator(Message):
    """Answers and quality of one annotator."""

    name: str = ""
    """Name of the API key."""

    answer_count: Int64 = 0
    """Number of answers."""

    skip_count: Int64 = 0
    """Number of skipped tasks."""

    gold_count: Int64 = 0
    """Number of answered gold items. Callers below the role ENGINEER do not see it."""

    gold_correct_count: Int64 = 0
    """Number of gold items that were answered as expected.

    Callers below the role ENGINEER do not see it.
    """

    estimated_accuracy: float | None = None
    """Estimated probability of a right answer, by the model of Dawid and Skene (1979) on the answers
    alone.

    Not set: too few answers to tasks with several annotators, or the answers are texts or numbers.
    """

    reviewed_count: Int64 = 0
    """Number of reviewed tasks that this annotator answered."""

    accepted_count: Int64 = 0
    """Number of these that the reviewer accepted."""


class SummarizeQueueResponseProposalAccuracy(Message):
    """Accuracy of proposed answers of one origin, estimated on answers by people."""

    origin: str = ""
    """What proposed the answers."""

    blind: bool = False
    """True: only tasks whose proposal annotators did not see, so that it could not influence them."""

    random: bool = False
    """True: only records that were drawn at random.

    Others are harder than the records of the version.
    """

    checked_count: Int64 = 0
    """Number of completed tasks with a proposed answer."""

    correct_count: Int64 = 0
    """Number of these whose answer by people is the proposed one."""

    accuracy: float = 0.0
    """Share of correct ones."""

    low: float = 0.0
    """Lower end of its 95 % interval (Wilson)."""

    high: float = 0.0
    """Upper end of its 95 % interval (Wilson)."""

    mean_confidence: float | None = None
    """Mean confidence of the proposals. Not set: none has one."""


class SummarizeQueueResponse(Message):
    """Answers of a queue, and the agreement of its annotators.

    Gold items count in `annotators` only.
    """

    answer_counts: dict[str, Int64] = {}
    """Number of answers by label; of several labels each counts. Empty for texts and numbers."""

    compared_count: Int64 = 0
    """Number of tasks with answers of two annotators or more."""

    pair_count: Int64 = 0
    """Number of pairs of answers to one task."""

    raw_agreement: float | None = None
    """Share of these pairs that are equal. Not set: there are none."""

    alpha: float | None = None
    """Krippendorff's alpha: nominal for labels, interval for numbers.

    Not set: it is undefined; `undefined_reason` says why.
    """

    fleiss_kappa: float | None = None
    """Fleiss' kappa over the tasks with the most frequent number of answers.

    Not set: it is undefined.
    """

    undefined_reason: str = ""
    """Why alpha is undefined. Empty: it is defined."""

    labels: list[SummarizeQueueResponseLabelAgreement] = []
    """Alpha of each label against all others. Empty for texts and numbers."""

    pairs: list[SummarizeQueueResponsePairAgreement] = []
    """Agreement of each pair of annotators."""

    annotators: list[SummarizeQueueResponseAnnotator] = []
    """Answers and quality of each annotator."""

    confirmed_count: Int64 = 0
    """Number of completed tasks whose answer is the proposed one."""

    corrected_count: Int64 = 0
    """Number of completed tasks whose answer differs from the proposed one."""

    exact_f1: float | None = None
    """Mean F1 of the marks over the pairs of answers to one task: spans with equal bounds and label, or
    boxes with the same label whose intersection is at least 0.75 of their union.

    Not set: answers are no marks, or there is no pair.
    """

    overlap_f1: float | None = None
    """The same, of spans with the same label that share a character, or of boxes whose intersection is
    at least 0.5 of their union.
    """

    proposals: list[SummarizeQueueResponseProposalAccuracy] = []
    """Accuracy of the proposed answers, by origin."""


class AddGoldItemsRequestGoldItem(Message):
    """Record whose answer is known."""

    record_id: str = ""
    """ID of the record."""

    content_digest: str = ""
    """Digest of the text. Empty: not stated."""

    label: str = ""
    """The right answer."""


class AddGoldItemsResponse(Message):
    """Response of `AddGoldItems`."""

    added_count: Int64 = 0
    """Number of items that were added."""

    gold_count: Int64 = 0
    """Number of gold items of the queue."""


class ExchangeFormat(OpenEnum):
    """Format of a file of annotations."""

    UNSPECIFIED = "EXCHANGE_FORMAT_UNSPECIFIED"
    """Not set."""

    LABEL_STUDIO = "EXCHANGE_FORMAT_LABEL_STUDIO"
    """JSON list of tasks, as Label Studio imports it, or exports it as JSON or JSON_MIN."""

    ARGILLA = "EXCHANGE_FORMAT_ARGILLA"
    """JSON list of records, as `Dataset.records.to_json` of Argilla writes them."""

    JSONL = "EXCHANGE_FORMAT_JSONL"
    """JSON Lines in UTF-8 with `record_id` or `text`, and `label`, `annotator` and `time`."""

    CSV = "EXCHANGE_FORMAT_CSV"
    """CSV after RFC 4180 in UTF-8 with the same columns."""

    PREFERENCES = "EXCHANGE_FORMAT_PREFERENCES"
    """JSON Lines of what people decided in a queue of the work COMPARE or RATE, in the columns that
    training reads: `prompt`, `chosen` and `rejected`, or `prompt`, `completion`, `label` (true from a
    mean rating of 4 on, false up to 2) and `ratings`.

    Ties and ratings between them are left out. Export only.
    """


class ExportQueueResponse(Message):
    """Response of `ExportQueue`."""

    digest: str = ""
    """SHA-256 digest of the file, by which it can be downloaded."""

    size_bytes: Int64 = 0
    """Size of the file in bytes."""

    label_config: str = ""
    """Labeling config by which annotators of Label Studio enter the same answers.

    Empty for other formats.
    """

    task_count: Int64 = 0
    """Number of tasks in the file."""

    answer_count: Int64 = 0
    """Number of answers in the file."""

    without_text_count: Int64 = 0
    """Number of tasks that are left out because their record is not shown."""


class ImportAnnotationsResponse(Message):
    """Response of `ImportAnnotations`."""

    created_count: Int64 = 0
    """Number of annotations that were created."""

    existing_count: Int64 = 0
    """Number of answers that were stored before."""

    left_out_counts: dict[str, Int64] = {}
    """Number of entries that were left out, by reason: `CANCELLED`, `DRAFT`, `EMPTY`, `PREDICTION`,
    `UNKNOWN_CONTROL`, `OUT_OF_TEXT`, `OUT_OF_IMAGE`, `MALFORMED`, `UNKNOWN_RECORD` or `BAD_ANSWER`.
    """

    problems: list[str] = []
    """The first 20 entries that were left out, with the reason."""


class RefillState(OpenEnum):
    """State of a refill."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The tasks were created."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class RefillCurvePoint(Message):
    """Point of the learning curve."""

    label_count: Int64 = 0
    """Number of labels that the model was fitted on."""

    score: float = 0.0
    """Mean macro-F1 over the repetitions."""

    low: float = 0.0
    """Lower end of the 95 % interval."""

    high: float = 0.0
    """Upper end of the 95 % interval."""


class RefillGain(Message):
    """Gain of macro-F1, with the interval of the corrected resampled t-test (Nadeau and Bengio, 2003)."""

    mean: float = 0.0
    """Mean gain."""

    low: float = 0.0
    """Lower end of the 95 % interval."""

    high: float = 0.0
    """Upper end of the 95 % interval."""


class RefillRuleAccuracy(Message):
    """Accuracy of a rule, estimated on records with a label by a person."""

    rule: int = 0
    """Position of the rule in the queue, from 0."""

    label: str = ""
    """Label that it proposes."""

    match_count: Int64 = 0
    """Number of records without an answer that it matches."""

    checked_count: Int64 = 0
    """Number of records with a label by a person that it matches."""

    correct_count: Int64 = 0
    """Number of these whose label is the proposed one."""

    accuracy: float | None = None
    """Share of correct ones. Not set: it matches no record with a label by a person."""

    low: float | None = None
    """Lower end of its 95 % interval (Wilson)."""

    high: float | None = None
    """Upper end of its 95 % interval (Wilson)."""


class RefillLabelErrorsPair(Message):
    """Suspects with one current and one suggested label."""

    current_label: str = ""
    """Label that counts."""

    suggested_label: str = ""
    """Label that is more probable."""

    count: Int64 = 0
    """Number of suspects."""


class RefillLabelErrors(Message):
    """Probable errors of labels: C.

    G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning" (2021).
    """

    checked_count: Int64 = 0
    """Number of records with a label that were compared with the cross-validated model."""

    suspect_count: Int64 = 0
    """Number of these whose label is probably wrong."""

    estimated_error_share: float = 0.0
    """Share of wrong labels that the model estimates, 0 to 1."""

    model_score: float = 0.0
    """Macro-F1 of the cross-validated model on the labels that count."""

    pairs: list[RefillLabelErrorsPair] = []
    """Pairs of current and suggested label, the most frequent first, at most 100."""


class Refill(Message):
    """One drawing of records into a queue, by a job."""

    name: str = ""
    """Resource name: `projects/{project}/queues/{queue}/refills/{refill}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: RefillState = RefillState.UNSPECIFIED
    """Current state."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    size: int = 0
    """Number of tasks to draw, 1 to 10,000. Default: `size` of the queue's rule."""

    min_labelled: int = 0
    """Draw only as many tasks as lack to this number of answered records. 0: draw `size` tasks."""

    dataset_version: str = ""
    """Resource name of the dataset version: that of the queue when the refill was created."""

    task_count: Int64 = 0
    """Number of tasks that were created."""

    active_count: Int64 = 0
    """Number of these that were drawn by uncertainty."""

    pre_labelled_count: Int64 = 0
    """Number of these that propose an answer."""

    candidate_count: Int64 = 0
    """Number of records that the queue selects, without an answer and without a task."""

    labelled_count: Int64 = 0
    """Number of records of the dataset version with an answer."""

    copy_count: Int64 = 0
    """Number of exact copies of drawn records, which need no task of their own."""

    curve: list[RefillCurvePoint] = []
    """Macro-F1 of the classical model by number of labels, by cross-validation.

    Empty: too few labels.
    """

    gain: RefillGain | None = None
    """Gain of macro-F1 between half of the labels and all of them. Not set: too few labels."""

    rules: list[RefillRuleAccuracy] = []
    """Accuracy of each rule of the queue on people's labels."""

    strategy: QueueStrategy = QueueStrategy.UNSPECIFIED
    """Strategy by which the records were drawn.

    RANDOM also where there were too few labels for another one.
    """

    stop_reason: QueueStopReason = QueueStopReason.UNSPECIFIED
    """Why the drawing stopped. Not set: more records can be drawn."""

    proposal_origin: str = ""
    """What gave the proposed answers: `rules`, `classical`, `current` or the model behind an endpoint.

    Empty: none.
    """

    label_errors: RefillLabelErrors | None = None
    """Probable errors of the labels that count, by confident learning.

    Set with the strategy LABEL_ERRORS only.
    """

    unanswered_count: Int64 = 0
    """Number of records for which the endpoint gave no valid answer."""
