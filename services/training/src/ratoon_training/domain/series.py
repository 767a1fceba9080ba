"""Measurements of a run by name over its steps, thinned such that no peak is lost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_training.domain.runs import CurvePoint

DEFAULT_POINTS, MIN_POINTS, MAX_POINTS = 200, 2, 1000


@dataclass(frozen=True)
class Series:
    """Measurements of one name: (step, value) in the order of the steps."""

    metric: str
    points: tuple[tuple[int, float], ...]


def of_reports(curve: Sequence[CurvePoint]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each measurement that a run reported. Those of validation change with the epoch alone.

    The epoch itself is a place, as the step is, and no measurement.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for point in curve:
        for metric, value in point.metrics.items():
            if metric == "epoch":
                continue
            points = series.setdefault(metric, [])
            is_repeated = metric.startswith("validation_") and points and points[-1][1] == value
            if not is_repeated:
                points.append((point.step, value))
    return series


def of_curves(curves: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each measurement in the exact curves of a run, as it stores them at its end."""
    steps, epochs = curves.get("steps", {}), curves.get("epochs", {})
    validation = {f"validation_{metric}": points for metric, points in _columns(epochs).items()}
    return _columns(steps) | validation


def thinned(points: Sequence[tuple[int, float]], max_points: int) -> tuple[tuple[int, float], ...]:
    """Return at most `max_points` finite points: of each span the lowest and the highest, and the last one."""
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    if len(finite) <= max_points:
        return tuple(finite)
    spans = max(1, (max_points - 1) // 2)
    width = -(-len(finite) // spans)
    chosen: set[tuple[int, float]] = set()
    for start in range(0, len(finite), width):
        span = finite[start : start + width]
        chosen |= {min(span, key=_value), max(span, key=_value)}
    last = finite[-1]
    ordered = sorted(chosen - {last})
    return (*ordered[: max_points - 1], last)


def _columns(table: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    columns = list(table.get("columns", ()))
    if "step" not in columns:
        return {}
    step = columns.index("step")
    return {
        name: [(int(row[step]), float(row[at])) for row in table["rows"]]
        for at, name in enumerate(columns)
        if name not in ("step", "epoch")
    }


def _value(point: tuple[int, float]) -> float:
    return point[1]
