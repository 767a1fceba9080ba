"""Errors of labeling.

LabelingError
├── BadLabels           a guideline needs two labels or more, all different
├── BadGuideline        a section of a guideline, or what a version says of earlier answers, is not valid
├── GuidelineChanged    a later version of the guideline requests the answer again
├── BadConflictPolicy   a conflict policy that the kind of task does not have
├── UnknownLabel        a label that the guideline does not have
├── BadAnswer           a text or a number that is no answer of the task
├── BadSampleSize       a review sample has 0 to 10,000 records
├── BadWork             work that the kind of task does not have, or that lacks its answers
├── BadOverlap          1 to 20 annotators answer a task
├── SourceNotYours      only services create annotations from feedback
├── StaleEtag           the resource was changed since it was read
├── InUse               the resource to delete is in use
├── TaskAnswered        the task has its answer already
├── TaskClaimed         another annotator holds a lease on the task
├── TaskReviewed        the task was reviewed, so its answer cannot be withdrawn
├── NoAnswer            the caller gave no answer that can be withdrawn
├── NotInReview         the task does not wait for a reviewer
├── NotReviewer         the caller does not review the task
├── BadComment          a comment or a reason is missing or too long
├── BadQueue            a setting of a queue is not valid
├── EndpointNotAllowed  the operator has not listed the endpoint that proposes answers
├── BadExchange         a file or a config of another annotation tool cannot be read
├── QueueClosed         no task of the queue can be claimed
├── RefillInProgress    a queue has one refill at a time
├── DatasetNotReady     a label set needs a dataset version that is READY
└── DatasetRedacted     records of the dataset version were erased
"""


class LabelingError(Exception):
    """Base class of the errors of labeling; `field` names the field of the request at fault, if one is."""

    code = "FAILED_PRECONDITION"
    reason = "LABELING_ERROR"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadLabels(LabelingError):
    """A guideline needs two labels or more, all different."""

    code, reason = "INVALID_ARGUMENT", "BAD_LABELS"


class BadGuideline(LabelingError):
    """A section of a guideline, or what a version says of earlier answers, is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_GUIDELINE"


class GuidelineChanged(LabelingError):
    """A later version of the guideline requests the answer again."""

    reason = "GUIDELINE_CHANGED"


class BadConflictPolicy(LabelingError):
    """The kind of task does not have this conflict policy."""

    code, reason = "INVALID_ARGUMENT", "BAD_CONFLICT_POLICY"


class BadAnswer(LabelingError):
    """The text or number is no answer of the task."""

    code, reason = "INVALID_ARGUMENT", "BAD_ANSWER"


class BadWork(LabelingError):
    """The kind of task does not have this work, or the work lacks its answers."""

    code, reason = "INVALID_ARGUMENT", "BAD_WORK"


class BadOverlap(LabelingError):
    """1 to 20 annotators answer a task."""

    code, reason = "INVALID_ARGUMENT", "BAD_OVERLAP"


class UnknownLabel(LabelingError):
    """The guideline does not have this label."""

    code, reason = "INVALID_ARGUMENT", "UNKNOWN_LABEL"


class BadSampleSize(LabelingError):
    """A review sample has 0 to 10,000 records."""

    code, reason = "INVALID_ARGUMENT", "BAD_SAMPLE_SIZE"


class SourceNotYours(LabelingError):
    """Only services create annotations from feedback."""

    code, reason = "PERMISSION_DENIED", "SOURCE_NOT_YOURS"


class StaleEtag(LabelingError):
    """The resource was changed since it was read."""

    code, reason = "ABORTED", "STALE_ETAG"


class InUse(LabelingError):
    """The resource to delete is in use; the message names its users."""

    reason = "IN_USE"


class TaskAnswered(LabelingError):
    """The task has its answer already."""

    reason = "TASK_ANSWERED"


class TaskClaimed(LabelingError):
    """Another annotator holds a lease on the task."""

    reason = "TASK_CLAIMED"


class TaskReviewed(LabelingError):
    """The task was reviewed, so its answer cannot be withdrawn."""

    reason = "TASK_REVIEWED"


class NoAnswer(LabelingError):
    """The caller gave no answer that can be withdrawn."""

    reason = "NO_ANSWER"


class NotInReview(LabelingError):
    """The task does not wait for a reviewer."""

    reason = "NOT_IN_REVIEW"


class NotReviewer(LabelingError):
    """The caller does not review the task."""

    code, reason = "PERMISSION_DENIED", "NOT_REVIEWER"


class BadComment(LabelingError):
    """A comment or a reason is missing or too long."""

    code, reason = "INVALID_ARGUMENT", "BAD_COMMENT"


class BadQueue(LabelingError):
    """A setting of a queue is not valid."""

    code, reason = "INVALID_ARGUMENT", "BAD_QUEUE"


class EndpointNotAllowed(LabelingError):
    """The operator has not listed the endpoint that proposes answers."""

    reason = "ENDPOINT_NOT_ALLOWED"


class BadExchange(LabelingError):
    """A file or a config of another annotation tool cannot be read."""

    code, reason = "INVALID_ARGUMENT", "BAD_EXCHANGE"


class QueueClosed(LabelingError):
    """No task of the queue can be claimed."""

    reason = "QUEUE_CLOSED"


class RefillInProgress(LabelingError):
    """A queue has one refill at a time."""

    reason = "REFILL_IN_PROGRESS"


class DatasetNotReady(LabelingError):
    """A label set needs a dataset version that is READY."""

    reason = "DATASET_NOT_READY"


class DatasetRedacted(LabelingError):
    """Records of the dataset version were erased, so nothing new can be created from it."""

    reason = "VERSION_REDACTED"
