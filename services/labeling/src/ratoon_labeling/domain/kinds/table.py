"""Table of the kinds of task that labeling supports, and what each decides."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon_labeling.domain.kinds import classify

Spec = TypeVar("Spec", contravariant=True)


class LabelingKind(Protocol[Spec]):
    """What a kind of task decides in labeling, implemented by a module of its name."""

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that annotators choose from; BadLabels if they cannot be."""
        ...


KINDS: Mapping[Kind, LabelingKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: None,
    Kind.REGRESS: None,
}
