"""Numbers of metrics as people read them."""

from ratoon.tasks.kind import Metric
from ratoon_evaluation.domain.scores import Interval


def number(value: float, metric: Metric, sign: str = "") -> str:
    """Return a value with 3 decimals if the metric is a share or a correlation, else with 4 significant digits."""
    is_share = metric.low >= -1 and metric.high <= 1
    return f"{value:{sign}.3f}" if is_share else f"{value:{sign}.4g}"


def span(interval: Interval, metric: Metric, sign: str = "") -> str:
    """Return a value with its interval: `0.900 [0.850, 0.950]`."""
    value, low, high = (number(each, metric, sign) for each in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"
