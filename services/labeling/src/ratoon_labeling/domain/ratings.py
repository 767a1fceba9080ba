"""Human ratings of answers: from 1 to 5 on scales, or the better of two, and what follows from many of them.

Answers of several annotators to one task are not independent: a task counts once, with the mean of its answers.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, sqrt
from statistics import stdev

from ratoon_labeling.domain.agreement import interval_alpha, nominal_alpha
from ratoon_labeling.domain.intervals import Estimate, Z, wilson

SCALES = ("fluency", "relevance", "factuality")
"""Scales of a task that names none."""
LOWEST, HIGHEST = 1, 5
"""Ends of each scale."""
_MIN_TASKS = 5
"""Tasks below which a mean has no interval."""


class Work(StrEnum):
    """What annotators do with a task."""

    ANSWER = "ANSWER"
    RATE = "RATE"
    COMPARE = "COMPARE"


COUNTS = {Work.ANSWER: 0, Work.RATE: 1, Work.COMPARE: 2}
"""Number of answers that annotators rate or compare."""


class Preference(StrEnum):
    """Which of two answers is better."""

    FIRST = "FIRST"
    SECOND = "SECOND"
    TIE = "TIE"


_WINS = {Preference.FIRST: 0.0, Preference.TIE: 0.5, Preference.SECOND: 1.0}
"""Share of a win of the second answer."""


@dataclass(frozen=True)
class Rated:
    """Ratings of one answer, one mapping from scale to rating for each annotator."""

    origin: str
    ratings: Sequence[Mapping[str, int]]


@dataclass(frozen=True)
class Compared:
    """Preferences of annotators between the answers of two origins."""

    first: str
    second: str
    preferences: Sequence[Preference]


@dataclass(frozen=True)
class Rating:
    """Ratings of the answers of one origin on one scale."""

    origin: str
    scale: str
    tasks: int
    ratings: int
    estimate: Estimate
    alpha: float | None
    """Agreement on the scale, over the answers of all origins."""


@dataclass(frozen=True)
class Comparison:
    """Comparisons of the answers of two origins. The estimate is the win rate of the second."""

    first: str
    second: str
    tasks: int
    counts: Mapping[Preference, int]
    estimate: Estimate
    alpha: float | None


def rating_summaries(tasks: Iterable[Rated]) -> list[Rating]:
    """Return the ratings by origin and scale, in their order."""
    values: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
    for task in tasks:
        for scale in dict.fromkeys(scale for each in task.ratings for scale in each):
            values[task.origin, scale].append([each[scale] for each in task.ratings if scale in each])
    units: dict[str, list[list[int]]] = defaultdict(list)
    for (_, scale), of_tasks in values.items():
        units[scale] += of_tasks
    alphas = {scale: interval_alpha(of_tasks) for scale, of_tasks in units.items()}
    return [
        Rating(origin, scale, len(each), sum(map(len, each)), _mean_rating(each), alphas[scale])
        for (origin, scale), each in sorted(values.items())
    ]


def comparison_summaries(tasks: Iterable[Compared]) -> list[Comparison]:
    """Return the comparisons by pair of origins, in their order."""
    pairs: dict[tuple[str, str], list[Sequence[Preference]]] = defaultdict(list)
    for task in tasks:
        if task.preferences:
            pairs[task.first, task.second].append(task.preferences)
    return [
        Comparison(
            first,
            second,
            len(each),
            Counter(preference for preferences in each for preference in preferences),
            wilson([fsum(map(_WINS.__getitem__, given)) / len(given) for given in each]),
            nominal_alpha(each),
        )
        for (first, second), each in sorted(pairs.items())
    ]


def _mean_rating(ratings: Sequence[Sequence[int]]) -> Estimate:
    """Return the mean over tasks with the interval of Student's t, within the scale."""
    means = [fsum(each) / len(each) for each in ratings]
    mean = fsum(means) / len(means)
    if len(means) < _MIN_TASKS:
        return Estimate(mean)
    margin = _t(len(means) - 1) * stdev(means) / sqrt(len(means))
    return Estimate(mean, max(LOWEST, mean - margin), min(HIGHEST, mean + margin))


def _t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, by its expansion (Abramowitz and Stegun, 26.7.5)."""
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + fsum(term / freedom**power for power, term in enumerate(terms, 1))
