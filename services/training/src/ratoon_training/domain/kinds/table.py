"""Table of the kinds of task that training supports, and what each decides."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon_training.domain.kinds import classify, generate, regress

Spec = TypeVar("Spec", contravariant=True)


class TrainingKind(Protocol[Spec]):
    """What a kind of task decides in training, implemented by a module of its name."""

    ANSWERS_ARE_TEXTS: bool
    """The model learns all tokens of its answers; otherwise an answer is one of the labels."""

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that the model learns to answer with; none: those of the base model."""
        ...

    def answer_tokens(self, task: Spec, longest: int, /) -> int:
        """Return the maximum length of an answer in tokens; `longest` is that of the longest label with its end."""
        ...

    def check(self, task: Spec, /) -> None:
        """Raise BadRecipe or BadTask if no model can be trained for the task."""
        ...


KINDS: Mapping[Kind, TrainingKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}
