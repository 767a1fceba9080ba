"""Two versions by what users thought of their answers: shares of praise, each and their difference with an interval.

Intervals are Wilson's for a share and Newcombe's (1998, method 10) for a difference: both hold for few votes and for
shares near 0 and 1. They take votes for independent: where one user gives many, they are too narrow.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

LEVEL = 0.95
LEAST_VOTES = 20
"""Of each version, before anything is concluded."""


@dataclass(frozen=True)
class Interval:
    """A value and where it may really lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Arm:
    """What was said of one version's answers."""

    version: str
    positive: int
    negative: int

    @property
    def votes(self) -> int:
        """How many said anything."""
        return self.positive + self.negative

    @property
    def satisfaction(self) -> Interval:
        """The share of praise; without votes it may be anything."""
        if not self.votes:
            return Interval(0.0, 0.0, 1.0)
        share, z = self.positive / self.votes, NormalDist().inv_cdf((1 + LEVEL) / 2)
        scale = 1 + z * z / self.votes
        middle = (share + z * z / (2 * self.votes)) / scale
        reach = z / scale * sqrt(share * (1 - share) / self.votes + z * z / (4 * self.votes**2))
        return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


@dataclass(frozen=True)
class Comparison:
    """One version beside another."""

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
        if min(self.arm.votes, self.other.votes) < LEAST_VOTES:
            return False
        return self.difference.low > 0 or self.difference.high < 0
