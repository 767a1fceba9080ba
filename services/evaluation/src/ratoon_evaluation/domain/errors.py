"""Errors of evaluation.

EvaluationError
├── BadEvaluation       the request contradicts itself
├── BadSuite            a suite contradicts itself, or holds a task that is not supported
├── BadJudge            a judge contradicts itself
├── JudgeEndpointNotAllowed  only the operator can allow the endpoint of a judge
├── JudgeNotTrusted     the agreement of a judge with people is not known, or too low
├── JudgeInUse          the judge to delete is in progress
├── StaleEtag           the suite was changed meanwhile
├── NoMeasuredRate      no run has measured how long an answer takes
├── SplitNotReady       the parts of a split cannot be read yet
└── NotEvaluated        the run has no results yet
"""


class EvaluationError(Exception):
    """Any refusal of evaluation."""

    code = "FAILED_PRECONDITION"
    reason = "EVALUATION_ERROR"


class BadEvaluation(EvaluationError):
    """The request contradicts itself; `field` names where."""

    code, reason = "INVALID_ARGUMENT", "BAD_EVALUATION"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class BadSuite(EvaluationError):
    """A suite contradicts itself, or holds a task that is not supported; `field` names where."""

    code, reason = "INVALID_ARGUMENT", "BAD_SUITE"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class BadJudge(EvaluationError):
    """A judge contradicts itself; `field` names where."""

    code, reason = "INVALID_ARGUMENT", "BAD_JUDGE"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class JudgeEndpointNotAllowed(EvaluationError):
    """Only the operator can allow the endpoint of a judge."""

    reason = "JUDGE_ENDPOINT_NOT_ALLOWED"


class JudgeNotTrusted(EvaluationError):
    """A rule names a metric of a judge whose agreement with people is not known, or too low."""

    reason = "JUDGE_NOT_TRUSTED"


class JudgeInUse(EvaluationError):
    """The judge to delete is in progress."""

    reason = "IN_USE"


class StaleEtag(EvaluationError):
    """The suite was changed since the caller read it."""

    code, reason = "ABORTED", "STALE_ETAG"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class SplitNotReady(EvaluationError):
    """The parts of a split cannot be read yet."""

    reason = "SPLIT_NOT_READY"


class NoMeasuredRate(EvaluationError):
    """No run of the project has measured how long an answer takes."""

    reason = "NO_MEASURED_RATE"


class NotEvaluated(EvaluationError):
    """The run has no results yet."""

    reason = "NOT_EVALUATED"


class RunInUse(EvaluationError):
    """The run to delete is in progress, or others build on its result."""

    code, reason = "FAILED_PRECONDITION", "IN_USE"
