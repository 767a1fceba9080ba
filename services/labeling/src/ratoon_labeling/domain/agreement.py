"""How far annotators agree: Krippendorff's alpha of labels and numbers, token F1 of texts.

Source of alpha: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of Pennsylvania, 2011.
1 is perfect agreement, 0 what chance gives, below 0 systematic disagreement. Any number of annotators, gaps allowed.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum

from ratoon.tasks.text_metrics import token_f1


@dataclass(frozen=True)
class Agreement:
    """Agreement of annotators by the measure of the kind of task; None where it is undefined or not the measure."""

    alpha: float | None = None
    token_f1: float | None = None
    exact_f1: float | None = None
    overlap_f1: float | None = None


def nominal_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Alpha of labels; each unit holds the labels that one record got.

    None where it is undefined: no record was labelled twice, or all labels are the same.
    """
    observed, pairable, totals = 0.0, 0, Counter[Hashable]()
    for values in units:
        if len(values) < 2:
            continue
        counts = Counter(values)
        observed += _unequal_pairs(counts) / (len(values) - 1)
        pairable += len(values)
        totals.update(counts)
    return _alpha(observed, _unequal_pairs(totals), pairable)


def interval_alpha(units: Iterable[Sequence[float]]) -> float | None:
    """Alpha of numbers on a scale of equal steps, such as ratings; distance is the square of the difference."""
    observed, pairable, total, squares = 0.0, 0, 0.0, 0.0
    for values in _standardized([values for values in units if len(values) > 1]):
        of_unit, squares_of_unit = float(sum(values)), float(sum(value * value for value in values))
        observed += _squared_differences(len(values), of_unit, squares_of_unit) / (len(values) - 1)
        pairable += len(values)
        total += of_unit
        squares += squares_of_unit
    return _alpha(observed, _squared_differences(pairable, total, squares), pairable)


def mean_token_f1(units: Iterable[Sequence[str]]) -> float | None:
    """Mean over the units of the mean token F1 of their pairs of texts; None if no record was annotated twice."""
    scores = [
        [token_f1(first, [second]) for first, second in combinations(texts, 2)]
        for texts in units
        if len(texts) > 1
    ]
    return fsum(fsum(each) / len(each) for each in scores) / len(scores) if scores else None


def _standardized(units: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    """The values with the mean 0 and the largest distance 1 to it, which alpha does not depend on.

    Squares of large values overflow, and those of values far from 0 lose the differences between them.
    """
    scaled = _divided(units)
    count = sum(map(len, scaled))
    mean = fsum(value for values in scaled for value in values) / count if count else 0.0
    return _divided([[value - mean for value in values] for values in scaled])


def _divided(units: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    largest = max((abs(value) for values in units for value in values), default=0.0)
    return [[value / largest for value in values] for values in units] if largest else units


def _alpha(observed: float, expected: float, pairable: int) -> float | None:
    """1 - D_o / D_e, with the pairs' distances summed within units and over all values."""
    if expected <= 0:
        return None
    return 1 - (pairable - 1) * observed / expected


def _unequal_pairs(counts: Counter[Hashable]) -> int:
    """Ordered pairs of different values."""
    return counts.total() ** 2 - sum(count * count for count in counts.values())


def _squared_differences(count: int, total: float, squares: float) -> float:
    """The sum over ordered pairs of the squared difference."""
    return 2 * (count * squares - total * total)


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of two annotators; each pair holds their labels of one record.

    None where it is undefined: there are no pairs, or chance gives perfect agreement. Source: J. Cohen, "A coefficient
    of agreement for nominal scales", Educational and Psychological Measurement 20 (1960).
    """
    if not pairs:
        return None
    count = len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    expected = sum(first[label] * second[label] for label in first) / count**2
    observed = sum(one == other for one, other in pairs) / count
    return None if expected >= 1 else (observed - expected) / (1 - expected)


def fleiss_kappa(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Fleiss' kappa over the units with the most frequent number of labels, two or more.

    None where it is undefined: there are no such units, or all labels are the same. Source: J. L. Fleiss, "Measuring
    nominal scale agreement among many raters", Psychological Bulletin 76 (1971).
    """
    sizes = Counter(len(unit) for unit in units if len(unit) > 1)
    if not sizes:
        return None
    size = max(sizes, key=lambda each: (sizes[each], each))
    chosen = [Counter(unit) for unit in units if len(unit) == size]
    totals = sum(chosen, Counter[Hashable]())
    expected = sum((count / (size * len(chosen))) ** 2 for count in totals.values())
    agreed = [(sum(n * n for n in each.values()) - size) / (size * (size - 1)) for each in chosen]
    return None if expected >= 1 else (fsum(agreed) / len(agreed) - expected) / (1 - expected)
