"""Confidence intervals by a bootstrap over groups of records, paired: all statistics see the same draws.

A group (near-duplicates, or the records of one user) is drawn as a whole, because its records are no independent
observations (Field and Welsh, 2007). Percentile intervals. It knows numbers, no records and no metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ratoon_evaluation.domain.scores import Interval
from ratoon_evaluation.worker.resampling import Resampling

Floats = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]

_CELLS = 1 << 22
"""At most so many weights are drawn at once."""
MIN_UNITS = 2
MIN_KNOWN = 0.8
"""Smallest share of the draws that must have a value: a metric of one group alone has one in at most 75 %."""


class Statistic(Protocol):
    """A number that depends on how often each unit counts."""

    def __call__(self, weights: Floats) -> Floats:
        """Return the values under weights (draws, units); NaN where it has none."""
        ...


class OfSums:
    """A statistic that is a function of sums over records, one column a summand."""

    def __init__(self, of: Callable[[Floats], Floats], columns: Floats, units: Units) -> None:
        self._of = of
        self._sums = np.zeros((int(units.max()) + 1, columns.shape[1]))
        np.add.at(self._sums, units, columns)

    def __call__(self, weights: Floats) -> Floats:
        """Return the function of the weighted sums."""
        with np.errstate(invalid="ignore"):
            return self._of(weights @ self._sums)


class Linearised:
    """A share that no resample can give without bias, by what it changes when one unit is left out.

    Each unit's influence is that of the jackknife (Efron and Tibshirani, 1993); the draws add them up.
    """

    def __init__(self, value: float, left_out: Floats) -> None:
        self._value, self._influence = value, left_out.mean() - left_out

    def __call__(self, weights: Floats) -> Floats:
        """Return the value, moved by the influence of the units that were drawn more or less than once."""
        return np.asarray(np.clip(self._value + weights @ self._influence, 0.0, 1.0))


class Spearman:
    """Correlation of the ranks, ties sharing their mean rank; NaN if one side is constant."""

    def __init__(self, truth: Floats, predicted: Floats, units: Units) -> None:
        self._units = units
        self._sides = [np.unique(side, return_inverse=True)[1] for side in (truth, predicted)]

    def __call__(self, weights: Floats) -> Floats:
        """Return the weighted correlation of the ranks that the records have in each draw."""
        records = weights[:, self._units]
        total = records.sum(axis=1, keepdims=True)
        left, right = (self._centred(side, records, total) for side in self._sides)
        spread = (records * left**2).sum(axis=1) * (records * right**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((records * left * right).sum(axis=1) / np.sqrt(spread))

    def _centred(self, values: Units, records: Floats, total: Floats) -> Floats:
        """Return mean ranks minus their mean, from the values' order numbers."""
        order = np.argsort(values, kind="stable")
        starts = np.searchsorted(values[order], np.arange(int(values.max()) + 1))
        counts = np.add.reduceat(records[:, order], starts, axis=1)
        ranks = counts.cumsum(axis=1) - counts / 2
        return np.asarray((ranks - total / 2)[:, values])


@dataclass(frozen=True)
class Draws:
    """Values of statistics by name: the measured ones, and those of each resample."""

    values: Mapping[str, float]
    draws: Mapping[str, Floats]

    def intervals(self, how: Resampling) -> dict[str, Interval]:
        """Return the statistics that have a value, with their intervals."""
        known = {name: _interval(how, value, self.draws[name]) for name, value in self.values.items()}
        return {name: interval for name, interval in known.items() if interval is not None}

    def differences(self, other: Draws, how: Resampling) -> dict[str, Interval]:
        """Return the differences of what both have, minus the other's, with their intervals."""
        both = [name for name in self.values if name in other.values]
        values = {name: self.values[name] - other.values[name] for name in both}
        with np.errstate(invalid="ignore"):
            draws = {name: self.draws[name] - other.draws[name] for name in both}
        return Draws(values, draws).intervals(how)


def drawn(how: Resampling, units: int, answerers: Sequence[Mapping[str, Statistic]]) -> list[Draws]:
    """Return the draws of each answerer's statistics, all by the same resamples of that many units."""
    ones = np.ones((1, units))
    values = [{name: float(statistic(ones)[0]) for name, statistic in each.items()} for each in answerers]
    parts: list[dict[str, list[Floats]]] = [{name: [] for name in each} for each in answerers]
    for weights in _weights(how, units):
        for each, part in zip(answerers, parts, strict=True):
            for name, statistic in each.items():
                part[name].append(statistic(weights))
    joined = [{name: np.concatenate(chunks) for name, chunks in part.items()} for part in parts]
    return [Draws(value, draws) for value, draws in zip(values, joined, strict=True)]


def _weights(how: Resampling, units: int) -> Iterator[Floats]:
    """Yield how often each unit is drawn, (draws, units), in chunks."""
    generator = how.generator()
    rows = max(1, _CELLS // units)
    for start in range(0, how.resamples, rows):
        count = min(rows, how.resamples - start)
        picks = generator.integers(units, size=(count, units)) + units * np.arange(count)[:, None]
        yield np.bincount(picks.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)


def _interval(how: Resampling, value: float, draws: Floats) -> Interval | None:
    """Return the interval of the draws that have a value; None without a value, or if too few draws have one.

    Draws beyond all numbers are not left out, since the interval would be too narrow.
    """
    known = draws[~np.isnan(draws)]
    if not np.isfinite(value) or not np.isfinite(known).all() or len(known) < MIN_KNOWN * len(draws):
        return None
    return how.interval(value, known)
