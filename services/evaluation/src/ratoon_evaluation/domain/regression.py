"""Scores of predicted numbers."""

import math
from collections.abc import Sequence


def mse(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Mean squared error (L2), in the square of the values' unit.

    Raises ValueError on empty or unequal input.
    """
    return _mean([(t - p) ** 2 for t, p in zip(truth, predicted, strict=True)])


def mae(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Mean absolute error (L1), in the values' unit. Raises ValueError on empty or unequal input."""
    return _mean([abs(t - p) for t, p in zip(truth, predicted, strict=True)])


def _mean(errors: list[float]) -> float:
    if not errors:
        raise ValueError("There is no value to score.")
    return math.fsum(errors) / len(errors)
