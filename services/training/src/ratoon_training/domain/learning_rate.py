"""The learning-rate procedure: start large, divide by ten while the loss swings or diverges, keep what falls steadily.

Explicit thresholds: a trial *diverges* when a loss is no finite number or its last third is, on average, above its
first third; it *swings* when the steps' changes, on average, exceed SWING of the first third's mean; it *falls
steadily* when it neither diverges nor swings and the last third is at most STEADY of the first.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

START = 0.01
"""The first rate that is tried."""
DIVISOR = 10.0
"""Divisor of the rate after a trial that did not fall steadily."""
TRIALS = 4
"""Maximum number of rates that are tried: 0.01 down to 0.00001."""
TRIAL_STEPS = 30
"""Steps of a trial."""
SWING = 0.30
"""Mean absolute change from step to step, as a share of the mean of the first third, that counts as swinging."""
STEADY = 0.97
"""The last third's mean must be at most this share of the first third's."""


class Trend(StrEnum):
    """Course of a trial's losses."""

    FALLS = "FALLS"
    SWINGS = "SWINGS"
    DIVERGES = "DIVERGES"
    FLAT = "FLAT"
    """Neither falls nor swings: a smaller rate would not help, so it ends the search as well."""


@dataclass(frozen=True)
class Trial:
    """One rate that was tried, its losses and their trend."""

    rate: float
    losses: tuple[float, ...]
    trend: Trend


def trend_of(losses: Sequence[float]) -> Trend:
    """Return the trend of a trial's losses, by the thresholds above."""
    if not losses or not all(map(math.isfinite, losses)):
        return Trend.DIVERGES
    third = max(1, len(losses) // 3)
    first, last = fmean(losses[:third]), fmean(losses[-third:])
    if last > first:
        return Trend.DIVERGES
    changes = [abs(after - before) for before, after in itertools.pairwise(losses)]
    if changes and fmean(changes) > SWING * first:
        return Trend.SWINGS
    return Trend.FALLS if last <= STEADY * first else Trend.FLAT


def next_rate(trace: Sequence[Trial]) -> float | None:
    """The rate to try next; None when the search is over."""
    if not trace:
        return START
    if trace[-1].trend in (Trend.FALLS, Trend.FLAT) or len(trace) >= TRIALS:
        return None
    return trace[-1].rate / DIVISOR


def chosen(trace: Sequence[Trial]) -> float:
    """The rate to train with: the last one tried."""
    return trace[-1].rate
