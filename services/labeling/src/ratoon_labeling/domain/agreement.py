"""Krippendorff's alpha: how far annotators agree beyond chance.

Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of Pennsylvania, 2011.
1 is perfect agreement, 0 what chance gives, below 0 systematic disagreement. Any number of annotators, gaps allowed.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


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
    for values in units:
        if len(values) < 2:
            continue
        of_unit, squares_of_unit = float(sum(values)), float(sum(value * value for value in values))
        observed += _squared_differences(len(values), of_unit, squares_of_unit) / (len(values) - 1)
        pairable += len(values)
        total += of_unit
        squares += squares_of_unit
    return _alpha(observed, _squared_differences(pairable, total, squares), pairable)


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
