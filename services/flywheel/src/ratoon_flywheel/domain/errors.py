"""Errors of the flywheel.

FlywheelError
├── BadProject          a setting of a project that cannot be
├── LabelServed         a label that the version in production answers with
├── InUse               what is to be deleted is still needed
├── BadPolicy           a setting of a policy that cannot be
├── StaleEtag           the resource was changed since it was read
├── BadFeedback         feedback that says nothing, or cannot be
├── UnknownAnswer       an answer id of another project
├── BadSegment          a traffic segment that cannot be
├── BadSource           a source of another project
├── NothingToLearn      a retraining without corrected or confirmed answers
├── RunEnded            a pipeline run that cannot be cancelled any more
├── NoDecisionPending   a pipeline run that does not wait for a person
└── NoReason            a decision without a reason
"""


class FlywheelError(Exception):
    """Base class of the errors of the flywheel; `field` names the field at fault, if one is."""

    code = "FAILED_PRECONDITION"
    reason = "FLYWHEEL_ERROR"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadProject(FlywheelError):
    """A setting of a project that cannot be."""

    code, reason = "INVALID_ARGUMENT", "BAD_PROJECT"


class LabelServed(FlywheelError):
    """A label is to go that the version in production answers with."""

    reason = "LABEL_SERVED"


class InUse(FlywheelError):
    """The resource to delete is in use; the sentence names its users."""

    reason = "IN_USE"


class BadPolicy(FlywheelError):
    """A setting of a policy that cannot be."""

    code, reason = "INVALID_ARGUMENT", "BAD_POLICY"


class StaleEtag(FlywheelError):
    """The resource was changed since it was read."""

    code, reason = "ABORTED", "STALE_ETAG"


class BadFeedback(FlywheelError):
    """Feedback that says nothing, or cannot be."""

    code, reason = "INVALID_ARGUMENT", "BAD_FEEDBACK"


class UnknownAnswer(FlywheelError):
    """An answer id of another project."""

    code, reason = "NOT_FOUND", "ANSWER_NOT_FOUND"


class BadSegment(FlywheelError):
    """A traffic segment that cannot be."""

    code, reason = "INVALID_ARGUMENT", "BAD_TRAFFIC_SEGMENT"


class BadSource(FlywheelError):
    """A source of another project."""

    code, reason = "INVALID_ARGUMENT", "BAD_SOURCE"


class NothingToLearn(FlywheelError):
    """A retraining without corrected or confirmed answers."""

    reason = "NOTHING_TO_LEARN"


class NoDecisionPending(FlywheelError):
    """A pipeline run that does not wait for a person."""

    reason = "NO_DECISION_WANTED"


class NoReason(FlywheelError):
    """A decision without a reason."""

    code, reason = "INVALID_ARGUMENT", "NO_REASON"


class RunEnded(FlywheelError):
    """A pipeline run that cannot be cancelled any more."""

    reason = "PIPELINE_RUN_ENDED"
