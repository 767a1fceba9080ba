"""Table of the kinds of task that evaluation supports, and what each decides."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon.tasks.kinds import TaskSpec, supported
from ratoon_evaluation.domain.generation import Generation
from ratoon_evaluation.domain.kinds import classify, generate, regress

Spec = TypeVar("Spec", contravariant=True)


class EvaluationKind(Protocol[Spec]):
    """What a kind of task decides in an evaluation, implemented by a module of its name."""

    BASELINE: str
    """The simplest baseline, which every model must beat."""
    BASELINE_TITLES: Mapping[str, str]
    """Names of the baselines for people."""
    BASE_BASELINES: tuple[str, ...]
    """Baselines that the base model of the candidate answers; none if the kind has no such baseline."""

    def gated_metrics(self, task: Spec, /) -> tuple[str, ...]:
        """Return the metrics that rules can bound: those that are measured with an interval."""
        ...

    def compared_metrics(self, task: Spec, /) -> tuple[str, ...]:
        """Return the metrics that rules can compare: those whose differences are measured with an interval."""
        ...

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that answers are scored by, none without labels; BadEvaluation if they cannot be."""
        ...

    def generation(self, task: Spec, requested: Generation | None, /) -> Generation | None:
        """Return how answers are generated, complete; None: the task does not generate.

        BadEvaluation if the requested settings are out of range, or not for this kind.
        """
        ...

    def unmeasurable(self, task: Spec, /) -> Mapping[str, str]:
        """Return why metrics have no value for any answers of the task, as a sentence by name of the metric."""
        ...


KINDS: Mapping[Kind, EvaluationKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}


def kind_of(task: TaskSpec) -> EvaluationKind[Any]:
    """Return the module of the kind of a task; TaskNotSupported if evaluation does not support it."""
    return supported(KINDS, task, "Evaluation")
