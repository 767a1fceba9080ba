"""Two versions by what users thought of their answers: shares of praise, each and their difference with an interval.

Intervals are Wilson's for a share and Newcombe's (1998, method 10) for a difference: both hold for few votes and for
shares near 0 and 1. Their sample is the callers, each counted once: votes of one caller are not independent.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from ratoon.tasks.votes import Votes

LEVEL = 0.95
MIN_CALLERS = 20
"""Minimum number of callers with votes on each version before the comparison is conclusive."""


@dataclass(frozen=True)
class Interval:
    """A value and where it may really lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Arm:
    """The feedback on one version's answers."""

    version: str
    votes: Votes

    @property
    def callers(self) -> int:
        """Number of callers with votes."""
        return self.votes.tally.callers

    @property
    def satisfaction(self) -> Interval:
        """Share of satisfied callers; without votes it may be anything."""
        tally = self.votes.tally
        if not (count := tally.callers):
            return Interval(0.0, 0.0, 1.0)
        share, z = 1 - tally.share, NormalDist().inv_cdf((1 + LEVEL) / 2)
        scale = 1 + z * z / count
        middle = (share + z * z / (2 * count)) / scale
        reach = z / scale * sqrt(share * (1 - share) / count + z * z / (4 * count**2))
        return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


@dataclass(frozen=True)
class Comparison:
    """Comparison of one version with another."""

    arm: Arm
    other: Arm

    @property
    def difference(self) -> Interval:
        """By how much users like `arm` better than `other`."""
        a, b = self.arm.satisfaction, self.other.satisfaction
        value = a.value - b.value
        down = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
        up = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
        return Interval(value, max(-1.0, value - down), min(1.0, value + up))

    @property
    def conclusive(self) -> bool:
        """Whether one of the two is liked better beyond what chance would do."""
        if min(self.arm.callers, self.other.callers) < MIN_CALLERS:
            return False
        return self.difference.low > 0 or self.difference.high < 0
