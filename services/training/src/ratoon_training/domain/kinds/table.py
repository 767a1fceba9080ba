"""Table of the kinds of task that training supports, and what each decides."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon_training.domain.kinds import classify

Spec = TypeVar("Spec", contravariant=True)


class TrainingKind(Protocol[Spec]):
    """What a kind of task decides in training, implemented by a module of its name."""

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that the model learns to answer with; none: those of the base model."""
        ...


KINDS: Mapping[Kind, TrainingKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: None,
    Kind.REGRESS: None,
}
