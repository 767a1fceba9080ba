"""Metrics of predicted numbers. Each raises ValueError on empty or unequal input."""

import math
from collections.abc import Sequence


def mse(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the mean squared error (L2), in the square of the values' unit."""
    return _mean([(t - p) ** 2 for t, p in zip(truth, predicted, strict=True)])


def rmse(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the root of the mean squared error, in the values' unit."""
    return math.sqrt(mse(truth, predicted))


def mae(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the mean absolute error (L1), in the values' unit."""
    return _mean([abs(t - p) for t, p in zip(truth, predicted, strict=True)])


def r2(truth: Sequence[float], predicted: Sequence[float]) -> float | None:
    """Return the explained share of the variance, at most 1; None if all right numbers are the same."""
    residual, middle = mse(truth, predicted), _mean(truth)
    variance = _mean([(t - middle) ** 2 for t in truth])
    return 1 - residual / variance if variance else None


def spearman(truth: Sequence[float], predicted: Sequence[float]) -> float | None:
    """Return the correlation of the ranks, ties sharing their mean rank, from -1 to 1; None if one side is constant."""
    if len(truth) != len(predicted):
        raise ValueError("There are not as many predicted numbers as right ones.")
    left, right = ranks(truth), ranks(predicted)
    middle = _mean(left)
    covariance = math.fsum((a - middle) * (b - middle) for a, b in zip(left, right, strict=True))
    spreads = [math.fsum((rank - middle) ** 2 for rank in side) for side in (left, right)]
    return covariance / math.sqrt(math.prod(spreads)) if all(spreads) else None


def ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1, ties sharing their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    shared = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            shared[index] = (start + 1 + end) / 2
        start = end
    return shared


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("There is no value to score.")
    return math.fsum(values) / len(values)
