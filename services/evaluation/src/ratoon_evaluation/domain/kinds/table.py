"""Table of the kinds of task that evaluation supports, and what each decides."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon_evaluation.domain.kinds import classify

Spec = TypeVar("Spec", contravariant=True)


class EvaluationKind(Protocol[Spec]):
    """What a kind of task decides in an evaluation, implemented by a module of its name."""

    GATED_METRICS: tuple[str, ...]
    """Metrics that rules can bound: those that are measured with an interval."""

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that answers are scored by; BadEvaluation if they cannot be."""
        ...


KINDS: Mapping[Kind, EvaluationKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: None,
    Kind.REGRESS: None,
}
