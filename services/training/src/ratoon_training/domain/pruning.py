"""Early ends of trials: successive halving over epochs, and a signed-rank test over folds. It knows no sweep."""

from collections.abc import Sequence
from fractions import Fraction

Reports = Sequence[tuple[int, float]]
"""Values of a trial by epoch, in the order of epochs."""


def rung_epochs(rung: int, min_epochs: int, factor: int) -> int:
    """Return the epochs after which a trial is judged at a rung, counted from 0."""
    return int(min_epochs * factor**rung)


def rung_value(reports: Reports, epochs: int) -> float | None:
    """Return the value of a trial at a rung: that of the first report after so many epochs; None before it."""
    return next((value for step, value in reports if step >= epochs), None)


def survives(value: float, others: Sequence[float], factor: int, *, maximize: bool) -> bool:
    """Return True if a trial goes on from a rung.

    Asynchronous successive halving (Li et al. 2020, as in Optuna): it must be among the best 1/`factor` of all trials
    that have reached the rung so far; before `factor` trials have, it must be the best of them.
    """
    ranked = sorted([*others, value], reverse=maximize)
    threshold = ranked[max(len(ranked) // factor, 1) - 1]
    return value >= threshold if maximize else value <= threshold


def worse_probability(values: Sequence[float], best: Sequence[float], *, maximize: bool) -> float:
    """Return the one-sided p-value of the signed-rank test (Wilcoxon 1945) that `values` are worse than `best`.

    Values and those of the best trial are paired by fold. The distribution is exact; ranks of ties are averaged, and
    those of equal pairs count half for each side.
    """
    worse = [(b - v if maximize else v - b) for v, b in zip(values, best, strict=False)]
    if not worse:
        return 1.0
    doubled = _doubled_ranks([abs(each) for each in worse])
    statistic = sum(
        (2 * rank if each > 0 else rank if each == 0 else 0)
        for each, rank in zip(worse, doubled, strict=True)
    )
    fixed = sum(rank for each, rank in zip(worse, doubled, strict=True) if each == 0)
    counts = {fixed: 1}
    moving = [2 * rank for each, rank in zip(worse, doubled, strict=True) if each != 0]
    for rank in moving:
        longer: dict[int, int] = dict(counts)
        for total, count in counts.items():
            longer[total + rank] = longer.get(total + rank, 0) + count
        counts = longer
    extreme = sum(count for total, count in counts.items() if total >= statistic)
    return float(Fraction(extreme, 2 ** len(moving)))


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Return twice the rank of each size, averaged over ties: an integer."""
    ordered = sorted(sizes)
    first = {size: ordered.index(size) for size in ordered}
    return [2 * first[size] + ordered.count(size) + 1 for size in sizes]
