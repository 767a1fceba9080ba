"""What can be wrong, in evaluation's own words.

EvaluationError
├── BadEvaluation       what is asked for contradicts itself
├── SplitNotReady       a split's parts cannot be read yet
└── NotEvaluated        results are asked of a run that has none
"""


class EvaluationError(Exception):
    """Any refusal of evaluation."""

    code = "FAILED_PRECONDITION"
    reason = "EVALUATION_ERROR"


class BadEvaluation(EvaluationError):
    """What is asked for contradicts itself; `field` names where."""

    code, reason = "INVALID_ARGUMENT", "BAD_EVALUATION"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class SplitNotReady(EvaluationError):
    """A split's parts cannot be read yet."""

    reason = "SPLIT_NOT_READY"


class NotEvaluated(EvaluationError):
    """Results are asked of a run that has none."""

    reason = "NOT_EVALUATED"


class RunInUse(EvaluationError):
    """The run to delete is in progress, or others build on its result."""

    code, reason = "FAILED_PRECONDITION", "IN_USE"
