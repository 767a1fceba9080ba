"""Two versions by what users thought of their answers: shares of praise, each and their difference with an interval.

Intervals are Wilson's for a share and Newcombe's (1998, method 10) for a difference: both hold for few votes and for
shares near 0 and 1. Their sample is the callers, each counted once: votes of one caller are not independent.

Where the primary metric has a value for a single answer, answers whose right answer is known by feedback are scored by
it as well: means of the callers' means, with normal intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, sqrt
from statistics import NormalDist, fmean, stdev

from ratoon.tasks.kind import Direction, Metric
from ratoon.tasks.titles import metric_title
from ratoon.tasks.votes import Votes

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
MIN_CALLERS = 20
"""Minimum number of callers with votes on each version before the comparison is conclusive."""


@dataclass(frozen=True)
class Interval:
    """A value and where it may really lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """Named outcome of the answers of a version."""

    mean: float
    answers: int


@dataclass(frozen=True)
class Arm:
    """The feedback on one version's answers."""

    version: str
    votes: Votes
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    implicit: Mapping[str, int] = field(default_factory=dict)
    """Number of answers with each implicit signal."""

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
        share, z = 1 - tally.share, _Z
        scale = 1 + z * z / count
        middle = (share + z * z / (2 * count)) / scale
        reach = z / scale * sqrt(share * (1 - share) / count + z * z / (4 * count**2))
        return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


@dataclass(frozen=True)
class Scores:
    """Values of a metric for the answers of one version whose right answer is known, by caller."""

    by_caller: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """Number of answers."""
        return sum(map(len, self.by_caller.values()))

    @property
    def interval(self) -> Interval:
        """Mean of the callers' means; of fewer than two callers it may be anything."""
        means = [fmean(values) for values in self.by_caller.values()]
        if len(means) < 2:
            return Interval(fmean(means) if means else 0.0, -inf, inf)
        reach = _Z * stdev(means) / sqrt(len(means))
        return Interval(fmean(means), fmean(means) - reach, fmean(means) + reach)


def loss_against(metric: Metric, scores: Scores, expected: float, of: str) -> str:
    """Return a sentence if answers are worse than an expected value beyond what chance would do; else an empty text.

    `of` says whose value that is.
    """
    interval = scores.interval
    callers = len(scores.by_caller)
    best = interval.low if metric.direction is Direction.LOWER else interval.high
    if callers < MIN_CALLERS or metric.gain(best, expected) >= 0:
        return ""
    return (
        f"By the corrections of {callers} callers, {metric_title(metric.name)} is {interval.value:.3g} "
        f"({interval.low:.3g} to {interval.high:.3g}), worse than {expected:.3g} of {of}."
    )


@dataclass(frozen=True)
class MetricComparison:
    """Comparison of two versions by the primary metric on answers whose right answer is known."""

    metric: Metric
    scores: Scores
    other: Scores

    @property
    def gain(self) -> Interval:
        """By how much `scores` is better than `other`, in the unit of the metric."""
        a, b = self.scores.interval, self.other.interval
        value = self.metric.gain(a.value, b.value)
        reach = sqrt((a.high - a.value) ** 2 + (b.high - b.value) ** 2)
        return Interval(value, value - reach, value + reach)

    @property
    def conclusive(self) -> bool:
        """Whether one of the two is better beyond what chance would do."""
        if min(len(self.scores.by_caller), len(self.other.by_caller)) < MIN_CALLERS:
            return False
        return self.gain.low > 0 or self.gain.high < 0


@dataclass(frozen=True)
class Comparison:
    """Comparison of one version with another."""

    arm: Arm
    other: Arm
    by_metric: MetricComparison | None = None
    """None if the primary metric has no value for a single answer."""
    preferred: int = 0
    """Pairs of answers of both in which users preferred that of `arm`."""
    rejected: int = 0

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
