"""Confidence intervals, by a bootstrap that is vectorised over resamples. It knows counts and ranks, no records.

Drawing n records with replacement makes the counts of a table's cells multinomial, so a resample of a
confusion matrix costs a handful of numbers whatever n is (Efron and Tibshirani, 1993; percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon_evaluation.domain.scores import Interval

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


_RESAMPLES, _CONFIDENCE = 4000, 0.95
"""Bootstrap resamples of a spec that does not state their number, and the confidence of intervals."""


@dataclass(frozen=True)
class Resampling:
    """How to resample: how often, the intervals' confidence in 0..1, and the seed of all draws."""

    resamples: int = 4000
    confidence: float = 0.95
    seed: int = 0

    def generator(self) -> np.random.Generator:
        """A fresh stream of draws, the same each time."""
        return np.random.default_rng(self.seed)

    def interval(self, value: float, draws: Floats) -> Interval:
        """The percentile interval of the draws."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return Interval(float(value), float(low), float(high))


def resampling_of(spec: ScoringSpec) -> Resampling:
    """Return how the job of a spec resamples."""
    return Resampling(spec.resamples or _RESAMPLES, _CONFIDENCE, spec.seed)


def of_confusion(how: Resampling, counts: Counts, *statistics: Callable[[Counts], Floats]) -> list[Interval]:
    """The intervals of statistics of one confusion matrix, labels × (labels + 1), from the same draws.

    A statistic maps matrices (…, labels, labels + 1) to values (…).
    """
    draws = _multinomial(how, counts.ravel()).reshape(-1, *counts.shape)
    return [how.interval(float(statistic(counts)), statistic(draws)) for statistic in statistics]


def differences(
    how: Resampling,
    truth: Counts,
    first: Counts,
    second: Counts,
    labels: int,
    *statistics: Callable[[Counts], Floats],
) -> list[Interval]:
    """Statistics of the first predictions minus the second's, the same records drawn for both.

    Truth and predictions hold a label's index per record; predictions may be `labels`, which stands for no label.
    """
    width = labels + 1
    cells = np.bincount((truth * width + first) * width + second, minlength=labels * width * width)
    shape = (-1, labels, width, width)
    observed, draws = (
        (joint.sum(axis=-1), joint.sum(axis=-2))
        for joint in (cells.reshape(shape)[0], _multinomial(how, cells).reshape(shape))
    )
    return [
        how.interval(float(of(observed[0]) - of(observed[1])), of(draws[0]) - of(draws[1]))
        for of in statistics
    ]


def difference(how: Resampling, truth: Counts, first: Counts, second: Counts, labels: int) -> Interval:
    """Macro-F1 of the first predictions minus the second's, as `differences` has it."""
    return differences(how, truth, first, second, labels, macro_f1)[0]


def macro_f1(counts: Counts) -> Floats:
    """Unweighted mean F1 over the labels of matrices (…, labels, labels + 1) that have records.

    Without any record it is 0.
    """
    labels = counts.shape[-2]
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    sizes = support + counts[..., :labels].sum(axis=-2)
    scores = np.where(support > 0, 2 * right / np.maximum(sizes, 1), 0.0)
    return np.asarray(scores.sum(axis=-1) / np.maximum((support > 0).sum(axis=-1), 1))


def accuracy(counts: Counts) -> Floats:
    """Share of right answers in matrices (…, labels, labels + 1)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1)
    return np.asarray(right / np.maximum(counts.sum(axis=(-2, -1)), 1))


def of_auc(how: Resampling, value: float, truth: Counts, scores: Sequence[Floats]) -> Interval:
    """The interval of the mean one-against-the-rest area, from each record's influence on it.

    Ranks do not sum up to cells, so this one is not drawn: it is the normal interval by placement values (DeLong
    et al., 1988), labels taken together. `scores` has one array a label, one entry a record.
    """
    sides = [_influence(truth == label, column) for label, column in enumerate(scores)]
    error = float(np.std(np.mean(sides, axis=0)) / np.sqrt(len(truth)))
    reach = NormalDist().inv_cdf((1 + how.confidence) / 2) * error
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach))


def _influence(positive: npt.NDArray[np.bool_], scores: Floats) -> Floats:
    """How much each record moves the area, times the number of records."""
    placements = np.empty(len(scores))
    for side in (positive, ~positive):
        against = np.sort(scores[~side])
        below, upto = (np.searchsorted(against, scores[side], where) for where in ("left", "right"))
        share = (below + upto) / 2 / len(against)
        placements[side] = (share - share.mean()) * len(scores) / side.sum()
    return np.where(positive, placements, -placements)


def _multinomial(how: Resampling, cells: Counts) -> Counts:
    total = int(cells.sum())
    return how.generator().multinomial(total, cells / max(total, 1), size=how.resamples)
