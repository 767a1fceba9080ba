"""Mixtures: the settings of a dataset version that is composed of others, and the amounts that follow from them.

Records are grouped into cells by component, language and label. The share of a cell follows from the sizes of the cells
by iterative proportional fitting: the shares of components, languages and labels are met at once, and what is inside
them keeps its proportions.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ratoon_ingestion.domain.errors import BadMixture

MAX_COMPONENTS, MAX_CLASSES, MAX_REPEATS = 100, 1_000, 100.0
COPY_OF = "copy_of"
"""Attribute of a repetition of a record: the id of that record."""
_ROUNDS, _TOLERANCE = 2_000, 1e-6


class Strategy(StrEnum):
    """Rule for the shares of components."""

    TEMPERATURE = "TEMPERATURE"
    RATIO = "RATIO"


class Unit(StrEnum):
    """Unit of sizes."""

    TOKENS = "TOKENS"
    RECORDS = "RECORDS"


class LeftOut(StrEnum):
    """Why an available record is not used."""

    DUPLICATE = "DUPLICATE"
    OTHER_LANGUAGE = "OTHER_LANGUAGE"
    OTHER_LABEL = "OTHER_LABEL"
    NOT_SAMPLED = "NOT_SAMPLED"


@dataclass(frozen=True)
class Component:
    """Records of a version, or those of one of its sources."""

    dataset_version: str
    source: str = ""
    weight: float = 1.0
    max_repeats: float = 1.0

    def __str__(self) -> str:
        return f"{self.dataset_version} ({self.source})" if self.source else self.dataset_version


@dataclass(frozen=True)
class Mixture:
    """Settings of a mixture; BadMixture when one is out of range."""

    components: tuple[Component, ...]
    strategy: Strategy = Strategy.TEMPERATURE
    temperature: float = 1.0
    unit: Unit = Unit.TOKENS
    budget: int = 0
    """Size in `unit`; 0: as large as possible."""
    seed: int = 0
    language_shares: Mapping[str, float] = field(default_factory=dict)
    label_shares: Mapping[str, float] = field(default_factory=dict)
    balance_labels: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.components) <= MAX_COMPONENTS:
            raise BadMixture(f"Name 1 to {MAX_COMPONENTS} components, not {len(self.components)}.")
        _check_distinct(self.components)
        for each in self.components:
            if not (math.isfinite(each.weight) and each.weight > 0):
                raise BadMixture(f"The weight of {each} is {each.weight}; it must be above 0.")
            if not 1 <= each.max_repeats <= MAX_REPEATS:
                raise BadMixture(
                    f"max_repeats of {each} is {each.max_repeats}; it must be from 1 to {MAX_REPEATS:g}."
                )
        if not (math.isfinite(self.temperature) and self.temperature >= 1):
            raise BadMixture(f"temperature is {self.temperature}; it must be 1 or more.")
        if self.budget < 0:
            raise BadMixture(f"budget is {self.budget}; it must be 0 (as large as possible) or more.")
        if self.balance_labels and self.label_shares:
            raise BadMixture("Set label_shares or balance_labels, not both.")
        _check_shares("language_shares", self.language_shares)
        _check_shares("label_shares", self.label_shares)

    @property
    def by_label(self) -> bool:
        """Return whether labels are balanced."""
        return self.balance_labels or bool(self.label_shares)


def _check_distinct(components: Sequence[Component]) -> None:
    sources: dict[str, set[str]] = defaultdict(set)
    for each in components:
        named = sources[each.dataset_version]
        if each.source in named or (named and (not each.source or "" in named)):
            raise BadMixture(
                f"{each} is named twice. Name a version once, or several of its sources, each once."
            )
        named.add(each.source)


def _check_shares(name: str, shares: Mapping[str, float]) -> None:
    for key, share in shares.items():
        if not (math.isfinite(share) and share > 0):
            raise BadMixture(f"{name} of {key!r} is {share}; it must be above 0.")


class Cell(NamedTuple):
    """Records that are sampled alike; empty language or label: any."""

    component: int
    language: str = ""
    label: str = ""


@dataclass(frozen=True)
class Amounts:
    """Amount of each cell in the unit of the mixture, the largest possible total, and why there is none."""

    targets: Mapping[Cell, float] = field(default_factory=dict)
    max_budget: float = 0.0
    problem: str = ""


def cell_of(mixture: Mixture, component: int, language: str, label: str | None) -> Cell | LeftOut:
    """Return the cell of a record, or why the record is not used."""
    if mixture.language_shares and language not in mixture.language_shares:
        return LeftOut.OTHER_LANGUAGE
    if mixture.by_label and (not label or (mixture.label_shares and label not in mixture.label_shares)):
        return LeftOut.OTHER_LABEL
    return Cell(
        component, language if mixture.language_shares else "", (label or "") if mixture.by_label else ""
    )


def amounts(mixture: Mixture, sizes: Mapping[Cell, int]) -> Amounts:
    """Return the amount of each cell, given the available amounts."""
    available = {cell: float(size) for cell, size in sizes.items() if size}
    by_component = _sums((cell.component, size) for cell, size in available.items())
    for place, component in enumerate(mixture.components):
        if not by_component.get(place):
            return Amounts(problem=f"{component} has no records for this mixture. Leave it out.")
    shares: list[tuple[str, Mapping[Hashable, float]]] = [
        ("component", _component_shares(mixture, by_component))
    ]
    if mixture.language_shares:
        shares.append(("language", _any_keys(mixture.language_shares)))
    if mixture.by_label:
        labels = {cell.label for cell in available}
        if len(labels) > MAX_CLASSES:
            return Amounts(
                problem=f"The records have {len(labels):,} labels, more than {MAX_CLASSES:,}: they are texts "
                "of their own, not classes. Turn off the balance of labels."
            )
        shares.append(("label", _any_keys(mixture.label_shares or dict.fromkeys(sorted(labels), 1.0))))
    return _budgeted(mixture, available, shares)


def _any_keys(shares: Mapping[str, float]) -> dict[Hashable, float]:
    return dict(shares.items())


def _component_shares(mixture: Mixture, sizes: Mapping[Hashable, float]) -> dict[Hashable, float]:
    if mixture.strategy is Strategy.RATIO:
        return {place: each.weight for place, each in enumerate(mixture.components)}
    largest = max(sizes.values())
    return {
        place: each.weight * (sizes[place] / largest) ** (1 / mixture.temperature)
        for place, each in enumerate(mixture.components)
    }


def _budgeted(
    mixture: Mixture,
    available: Mapping[Cell, float],
    shares: Sequence[tuple[str, Mapping[Hashable, float]]],
) -> Amounts:
    for name, margin in shares:
        present = {getattr(cell, name) for cell in available}
        if missing := [key for key in margin if key not in present]:
            return Amounts(problem=f"No record of the components has the {name} {missing[0]!r}.")
    fitted = _fit(available, shares)
    if fitted is None:
        return Amounts(
            problem="The shares of components, languages and labels contradict each other: no sample of the "
            "records has all of them. Drop one of the balances, or the component that lacks a language or label."
        )

    def max_total(cell: Cell) -> float:
        return mixture.components[cell.component].max_repeats * available[cell] / fitted[cell]

    scarce = min((cell for cell in fitted if fitted[cell] > 0), key=max_total)
    largest = max_total(scarce)
    if mixture.budget > largest * (1 + _TOLERANCE):
        return Amounts(max_budget=largest, problem=_too_small(mixture, available, fitted, scarce, largest))
    total = mixture.budget or largest
    return Amounts({cell: share * total for cell, share in fitted.items()}, largest)


def _too_small(
    mixture: Mixture,
    available: Mapping[Cell, float],
    fitted: Mapping[Cell, float],
    cell: Cell,
    largest: float,
) -> str:
    component, unit = mixture.components[cell.component], mixture.unit.lower()
    what = " ".join(filter(None, (cell.language, cell.label and f"label {cell.label!r}")))
    needed = fitted[cell] * mixture.budget / available[cell]
    return (
        f"{component} has {available[cell]:,.0f} {unit}{f' of {what}' if what else ''}; its share "
        f"of {mixture.budget:,} {unit} needs each {needed:.1f} times, and max_repeats is {component.max_repeats:g}. "
        f"Raise max_repeats, or lower the budget to at most {math.floor(largest):,}."
    )


def _fit(
    available: Mapping[Cell, float], shares: Sequence[tuple[str, Mapping[Hashable, float]]]
) -> dict[Cell, float] | None:
    """Return the share of each cell by iterative proportional fitting; None if the shares cannot be met together."""
    margins = [(name, _normalised(margin)) for name, margin in shares]
    fitted = _normalised(available)
    for _ in range(_ROUNDS):
        for name, margin in margins:
            sums = _sums((getattr(cell, name), share) for cell, share in fitted.items())
            if any(not sums[key] for key in margin):
                return None
            fitted = {
                cell: share * margin[getattr(cell, name)] / sums[getattr(cell, name)]
                for cell, share in fitted.items()
            }
        if _deviation(fitted, margins) < _TOLERANCE:
            return fitted
    return None


def _deviation(
    fitted: Mapping[Cell, float], margins: Sequence[tuple[str, Mapping[Hashable, float]]]
) -> float:
    """Return the largest relative deviation of a sum from its share."""
    deviations = [0.0]
    for name, margin in margins:
        sums = _sums((getattr(cell, name), share) for cell, share in fitted.items())
        deviations += [abs(sums[key] / share - 1) for key, share in margin.items()]
    return max(deviations)


def _normalised(values: Mapping[Cell, float] | Mapping[Hashable, float]) -> dict:  # type: ignore[type-arg]
    total = sum(values.values())
    return {key: value / total for key, value in values.items()}


def _sums(pairs: Iterable[tuple[Hashable, float]]) -> dict[Hashable, float]:
    sums: dict[Hashable, float] = defaultdict(float)
    for key, value in pairs:
        sums[key] += value
    return sums


def repetitions(sizes: Iterable[int], total: int, target: float) -> tuple[int, int]:
    """Return how often each record of a cell occurs, and how many of the first occur once more.

    `sizes`: those of the records in the order in which they are drawn; `total`: their sum. What occurs adds up to the
    target as closely as whole records allow.
    """
    if not total:
        return 0, 0
    whole = int(target / total + _TOLERANCE)
    left, more, taken = max(0.0, target - whole * total), 0, 0
    for size in sizes:
        if taken + size / 2 > left:
            break
        taken += size
        more += 1
    return whole, more
