"""Bootstrap confidence intervals, vectorised over resamples. It knows counts and ranks, no records.

Drawing n records with replacement makes the counts of a table's cells multinomial, so a resample of a
confusion matrix costs a handful of numbers whatever n is (Efron and Tibshirani, 1993; percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon_evaluation.domain.scores import Interval

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 4_000_000
"""At most so many weights (resamples × records) are held at once."""


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
        """The percentile interval of the draws; not-a-number draws (a class was not drawn) are left out."""
        tail = (1 - self.confidence) / 2
        low, high = np.nanquantile(draws, [tail, 1 - tail])
        return Interval(float(value), float(low), float(high))


def of_confusion(how: Resampling, counts: Counts, statistic: Callable[[Counts], Floats]) -> Interval:
    """The interval of a statistic of a confusion matrix, labels × (labels + 1).

    `statistic` maps matrices (…, labels, labels + 1) to values (…).
    """
    draws = _multinomial(how, counts.ravel()).reshape(-1, *counts.shape)
    return how.interval(float(statistic(counts)), statistic(draws))


def difference(how: Resampling, truth: Counts, first: Counts, second: Counts, labels: int) -> Interval:
    """Macro-F1 of the first predictions minus the second's, the same records drawn for both.

    All three hold a label's index per record; predictions may be `labels`, which stands for no label.
    """
    width = labels + 1
    cells = np.bincount((truth * width + first) * width + second, minlength=labels * width * width)
    shape = (-1, labels, width, width)
    observed, draws = cells.reshape(shape)[0], _multinomial(how, cells).reshape(shape)

    def gain(joint: Counts) -> Floats:
        return macro_f1(joint.sum(axis=-1)) - macro_f1(joint.sum(axis=-2))

    return how.interval(float(gain(observed)), gain(draws))


def macro_f1(counts: Counts) -> Floats:
    """Unweighted mean F1 over the labels of matrices (…, labels, labels + 1).

    What is undefined counts as 0.
    """
    labels = counts.shape[-2]
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    sizes = counts.sum(axis=-1) + counts[..., :labels].sum(axis=-2)
    return np.asarray(np.mean(2 * right / np.maximum(sizes, 1), axis=-1))


def accuracy(counts: Counts) -> Floats:
    """Share of right answers in matrices (…, labels, labels + 1)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1)
    return np.asarray(right / np.maximum(counts.sum(axis=(-2, -1)), 1))


def of_auc(how: Resampling, value: float, truth: Counts, scores: Sequence[Floats]) -> Interval:
    """The interval of the mean one-against-the-rest area.

    `scores` has one array a label, one entry a record.
    """
    generator, records = how.generator(), len(truth)
    sides = [
        (np.argsort(column, kind="stable"), column, truth == label) for label, column in enumerate(scores)
    ]
    blocks = []
    for size in _block_sizes(how.resamples, records):
        weights = generator.multinomial(records, np.full(records, 1 / records), size=size)
        blocks.append(np.mean([_weighted_auc(weights, *side) for side in sides], axis=0))
    return how.interval(value, np.concatenate(blocks))


def _weighted_auc(weights: Counts, order: Counts, scores: Floats, positive: npt.NDArray[np.bool_]) -> Floats:
    """Areas of resamples given as weights (resamples, records); not a number where one side is not drawn."""
    sorted_weights, sorted_positive = weights[:, order], positive[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    wins = np.add.reduceat(sorted_weights * sorted_positive, starts, axis=1)
    losses = np.add.reduceat(sorted_weights * ~sorted_positive, starts, axis=1)
    beaten = np.cumsum(losses, axis=1) - losses / 2
    pairs = wins.sum(axis=1) * losses.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((wins * beaten).sum(axis=1) / pairs)


def _multinomial(how: Resampling, cells: Counts) -> Counts:
    total = int(cells.sum())
    return how.generator().multinomial(total, cells / max(total, 1), size=how.resamples)


def _block_sizes(resamples: int, records: int) -> list[int]:
    block = max(1, _BLOCK // records)
    return [min(block, resamples - start) for start in range(0, resamples, block)]
