"""Table of the kinds of task that pipeline runs support, and what each decides in the loop."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from ratoon.tasks.kind import Kind
from ratoon_flywheel.domain.kinds import classify, generate, regress
from ratoon_flywheel.domain.project_settings import DataRequirements
from ratoon_flywheel.domain.shares import Ratios
from ratoon_flywheel.domain.sums import Sums

Spec = TypeVar("Spec", contravariant=True)


class LoopKind(Protocol[Spec]):
    """What a kind of task decides in the loop, implemented by a module of its name."""

    SCORED_METRICS: tuple[str, ...]
    """Metrics that have a value for a single answer."""

    PAIRED_METRICS: tuple[str, ...]
    """Metrics by which answers of two versions to the same requests are compared."""

    CONFIRMED_IS_RIGHT: bool
    """An answer that a user confirms is the right one, also for other versions; a text is only one of many."""

    BEATS_SIMPLEST_BASELINE: bool
    """The first version must beat the simplest baseline, even if the margin below the best one is wider."""

    STARTS_FROM_BASE: bool
    """The first version starts from a base model, unless the project asks for training from scratch."""

    def gated_metrics(self, task: Spec, /) -> tuple[str, ...]:
        """Return the metrics that evaluation can hold against the bounds of a project."""
        ...

    def compared_metrics(self, task: Spec, /) -> tuple[str, ...]:
        """Return the metrics of which evaluation can compare a version with another one."""
        ...

    def reported_metrics(self, task: Spec, /) -> tuple[str, ...]:
        """Return the metrics that a version keeps among its scores."""
        ...

    def narrows(self, before: Spec, after: Spec, /) -> bool:
        """Return whether a change of the task makes answers invalid that were valid."""
        ...

    def change_notices(self, before: Spec, after: Spec, served: str, allowed: bool, /) -> tuple[str, ...]:
        """Return the consequences of a change of the task, one sentence each.

        `served` is the version in production, if the change narrows the task; empty without one. LabelServed refuses a
        change that takes away what it answers, unless it is `allowed`.
        """
        ...

    def respelled(self, before: Spec, after: Spec, /) -> dict[str, str]:
        """Return the answers that are written in another way now, by how they were written."""
        ...

    def score(self, task: Spec, metric: str, answered: str, expected: str, /) -> float | None:
        """Return the value of one of `SCORED_METRICS` for an answer whose right one is known; None if it has none."""
        ...

    def summands(self, task: Spec, metric: str, answered: str, expected: str, /) -> Sums | None:
        """Return what an answer adds to the sums of one of `PAIRED_METRICS`; None if it cannot be scored."""
        ...

    def metric_of(self, metric: str, sums: Sums, /) -> float:
        """Return the value of one of `PAIRED_METRICS` of the sums of one or more answers."""
        ...

    def lack(
        self,
        task: Spec,
        counts: Mapping[str, int],
        total: int,
        ratios: Ratios,
        by_time: bool,
        requirements: DataRequirements,
        /,
    ) -> str:
        """Return why there are too few records to train on, as a sentence; empty if there are enough.

        `counts` are the records of each answer that is a class, of several labels those of each; `total` are all
        records with an answer; `ratios` are the shares of training, validation and test.
        """
        ...


KINDS: Mapping[Kind, LoopKind[Any] | None] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}
