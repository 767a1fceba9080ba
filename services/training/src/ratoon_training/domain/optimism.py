"""Optimism of the best of several trials on folds. It knows no sweep.

The best value of several looks better than it is, because it was chosen for its luck on the same records.
"""

from collections.abc import Sequence
from statistics import fmean


def fold_optimism(trials: Sequence[Sequence[float]], best: int, *, maximize: bool) -> float:
    """Return how much better the best trial looks than it is, in the unit of the metric, at least 0.

    `trials` holds the values of each trial by fold, `best` is the place of the chosen one. The estimate is the mean
    over folds of how much better the best trial of that fold is there (Tibshirani and Tibshirani 2009).
    """
    choose = max if maximize else min
    gains = [abs(choose(values) - values[best]) for values in zip(*trials, strict=True)]
    return fmean(gains)
