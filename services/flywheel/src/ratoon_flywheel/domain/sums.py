"""Metrics as functions of sums over answers, so that an answer or a caller can be left out without scoring again."""

from collections.abc import Mapping

Sums = Mapping[str, float]
"""Sums over answers, by name; those of one answer are its summands."""
COUNT, _SCORE = "count", "score"
"""Names of the number of answers, and of the sum of their scores."""


def scored(value: float | None) -> Sums | None:
    """Return the summands of an answer for the mean of its scores; None if it has no score."""
    return None if value is None else {COUNT: 1.0, _SCORE: value}


def mean(sums: Sums) -> float:
    """Return the mean of the scores."""
    return sums[_SCORE] / sums[COUNT]
