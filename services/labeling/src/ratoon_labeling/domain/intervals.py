"""Estimates with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """Mean over tasks with its 95 % interval; None without one."""

    mean: float
    low: float | None = None
    high: float | None = None


def wilson(shares: Sequence[float]) -> Estimate:
    """Return the mean of shares with Wilson's interval, which no spread of values from 0 to 1 exceeds."""
    count, mean = len(shares), fsum(shares) / len(shares)
    center = (mean + Z**2 / (2 * count)) / (1 + Z**2 / count)
    margin = Z / (1 + Z**2 / count) * sqrt(mean * (1 - mean) / count + Z**2 / (4 * count**2))
    return Estimate(mean, max(0.0, center - margin), min(1.0, center + margin))
