"""What can be wrong, in evaluation's own words.

EvaluationError
├── BadEvaluation       a request that contradicts itself
├── SplitNotReady       a split's parts cannot be read yet
└── NotEvaluated        a request for results of a run that has none
"""


class EvaluationError(Exception):
    """Any refusal of evaluation."""

    code = "FAILED_PRECONDITION"
    reason = "EVALUATION_ERROR"


class BadEvaluation(EvaluationError):
    """A request contradicts itself; `field` names where."""

    code, reason = "INVALID_ARGUMENT", "BAD_EVALUATION"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class SplitNotReady(EvaluationError):
    """A split's parts cannot be read yet."""

    reason = "SPLIT_NOT_READY"


class NotEvaluated(EvaluationError):
    """A request for results of a run that has none."""

    reason = "NOT_EVALUATED"


class RunInUse(EvaluationError):
    """The run to delete is in progress, or others build on its result."""

    code, reason = "FAILED_PRECONDITION", "IN_USE"
