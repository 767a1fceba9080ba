"""Errors of the flywheel.

FlywheelError
├── BadProject          a setting of a project is out of range
├── JudgeNotTrusted     a gate names a metric of a judge that does not agree with people
├── LabelServed         the label to remove is in use in production
├── SettingNotSupported a setting of a project that pipeline runs do not apply yet
├── NoTrial             a sweep has no such trial, or the trial did not complete
├── NoBaseModel         the first version starts from a base model, and the project has none
├── LicenseNotAllowed   a source has a license that the project does not allow
├── BudgetSpent         the pipeline runs of the project used its budget
├── InUse               the resource to delete is in use
├── BadPolicy           a setting of a policy is out of range
├── StaleEtag           the resource was changed since it was read
├── BadFeedback         the feedback is empty or not allowed
├── UnknownAnswer       the answer belongs to another project
├── BadSegment          the traffic segment contradicts itself
├── BadSource           the source belongs to another project
├── BadRecipe           the kind of task has no such recipe
├── NothingToLearn      there are no corrected or confirmed answers
├── RunEnded            the pipeline run has ended
├── BadEvent            an external event lacks a field, or has one that is out of range
├── EventNotExpected    no policy of the project expects the external event
├── EventIdReused       another external event has the same source and id
├── TooManyEvents       too many external events wait for the same policies
├── NoDecisionPending   the pipeline run does not wait for a decision
└── NoReason            the decision has no reason
"""


class FlywheelError(Exception):
    """Base class of the errors of the flywheel; `field` names the field at fault, if one is."""

    code = "FAILED_PRECONDITION"
    reason = "FLYWHEEL_ERROR"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadProject(FlywheelError):
    """A setting of the project is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_PROJECT"


class JudgeNotTrusted(FlywheelError):
    """A gate names a metric of a judge whose agreement with people is not known, or too low."""

    reason = "JUDGE_NOT_TRUSTED"


class LabelServed(FlywheelError):
    """The label to remove is one with which the version in production answers."""

    reason = "LABEL_SERVED"


class SettingNotSupported(FlywheelError):
    """Pipeline runs do not apply a setting of the project yet."""

    reason = "SETTING_NOT_SUPPORTED"


class NoTrial(FlywheelError):
    """A sweep has no such trial, or the trial did not complete."""

    reason = "NO_TRIAL"


class NoBaseModel(FlywheelError):
    """The first version starts from a base model, and the project has none."""

    reason = "NO_BASE_MODEL"


class LicenseNotAllowed(FlywheelError):
    """A source has a license that the project does not allow for its data."""

    reason = "LICENSE_NOT_ALLOWED"


class BudgetSpent(FlywheelError):
    """The pipeline runs of the last 30 days used the budget of the project."""

    reason = "BUDGET_SPENT"


class InUse(FlywheelError):
    """The resource to delete is in use; the sentence names its users."""

    reason = "IN_USE"


class BadPolicy(FlywheelError):
    """A setting of the policy is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_POLICY"


class StaleEtag(FlywheelError):
    """The resource was changed since it was read."""

    code, reason = "ABORTED", "STALE_ETAG"


class BadFeedback(FlywheelError):
    """The feedback is empty, or one of its values is not allowed."""

    code, reason = "INVALID_ARGUMENT", "BAD_FEEDBACK"


class UnknownAnswer(FlywheelError):
    """The answer belongs to another project."""

    code, reason = "NOT_FOUND", "ANSWER_NOT_FOUND"


class BadSegment(FlywheelError):
    """The traffic segment has counts, times or contents that contradict each other."""

    code, reason = "INVALID_ARGUMENT", "BAD_TRAFFIC_SEGMENT"


class BadSource(FlywheelError):
    """The source belongs to another project."""

    code, reason = "INVALID_ARGUMENT", "BAD_SOURCE"


class BadRecipe(FlywheelError):
    """The kind of task has no recipe of this name."""

    code, reason = "INVALID_ARGUMENT", "BAD_RECIPE"


class NothingToLearn(FlywheelError):
    """There are no corrected or confirmed answers to retrain on."""

    reason = "NOTHING_TO_LEARN"


class NoDecisionPending(FlywheelError):
    """The pipeline run does not wait for a decision."""

    reason = "NO_DECISION_WANTED"


class NoReason(FlywheelError):
    """The decision has no reason, or one that is too long."""

    code, reason = "INVALID_ARGUMENT", "NO_REASON"


class RunEnded(FlywheelError):
    """The pipeline run has ended and cannot be cancelled."""

    reason = "PIPELINE_RUN_ENDED"


class BadEvent(FlywheelError):
    """The external event lacks a field, or has one that is out of range."""

    code, reason = "INVALID_ARGUMENT", "BAD_EVENT"


class EventNotExpected(FlywheelError):
    """No policy of the project has a filter that the external event matches."""

    code, reason = "NOT_FOUND", "EVENT_NOT_EXPECTED"


class EventIdReused(FlywheelError):
    """Another external event of the project has the same source and id."""

    code, reason = "ALREADY_EXISTS", "EVENT_ID_REUSED"


class TooManyEvents(FlywheelError):
    """So many external events wait for the same policies that one more tells them nothing."""

    code, reason = "RESOURCE_EXHAUSTED", "TOO_MANY_EVENTS"
