"""Plots of a sweep: values of trials in their order, and parallel coordinates of settings and value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.charts import HEIGHT, WIDTH, Chart, Series, line_chart
from ratoon_console.domain.words import JSON, plain_state

_SHADES = 6
"""Groups of trials by rank, each with a colour of its own; the best group is the first."""
_MARGIN = 24


@dataclass(frozen=True)
class Axis:
    """A vertical axis: name, horizontal place, and the words at its top and bottom."""

    name: str
    x: float
    top: str
    bottom: str


@dataclass(frozen=True)
class Line:
    """A trial as a line over the axes; `shade` is its group by rank, from 0, the best."""

    number: int
    path: str
    shade: int
    is_best: bool


@dataclass(frozen=True)
class Coordinates:
    """Parallel coordinates in a box of 1000 × 300. Empty without two trials that have a value."""

    axes: tuple[Axis, ...] = ()
    lines: tuple[Line, ...] = ()


def history(sweep: JSON) -> Chart:
    """Return the value of each trial, and of the best one so far."""
    maximizes = sweep.get("direction") != "DIRECTION_MINIMIZE"
    completed = [(trial["number"], trial["value"]) for trial in _valued(sweep)]
    best: list[tuple[float, float]] = []
    for number, value in completed:
        previous = best[-1][1] if best else value
        best.append((number, max(previous, value) if maximizes else min(previous, value)))
    series = [Series("best so far", best), Series("trials", completed, dots=True)]
    return line_chart(
        f"{sweep.get('metric', 'value')} of trials",
        series,
        lambda x: f"{x:.0f}",
        lambda y: f"{y:.4g}",
        zero=False,
    )


def coordinates(sweep: JSON) -> Coordinates:
    """Return the trials that have a value as lines over their settings."""
    trials = _valued(sweep)
    if len(trials) < 2:
        return Coordinates()
    logs = {each["name"]: bool(each.get("log")) for each in sweep.get("parameters", [])}
    names = list(logs) or sorted({name for trial in trials for name in trial.get("settings", {})})
    columns = [[str(trial.get("settings", {}).get(name, "")) for trial in trials] for name in names]
    scales = [_scale(column, logs.get(name, False)) for name, column in zip(names, columns, strict=True)]
    values = [trial["value"] for trial in trials]
    scales.append(_numbers(values))
    step = WIDTH / max(1, len(scales) - 1)
    axes = tuple(
        Axis(name, round(place * step, 1), scale[1], scale[2])
        for place, (name, scale) in enumerate(
            zip([*names, sweep.get("metric", "value")], scales, strict=True)
        )
    )
    ranks = _ranks(values, maximizes=sweep.get("direction") != "DIRECTION_MINIMIZE")
    lines = [
        Line(
            trial["number"],
            "M" + "L".join(f"{axis.x} {scale[0][place]}" for axis, scale in zip(axes, scales, strict=True)),
            ranks[place] * _SHADES // len(trials),
            trial["number"] == sweep.get("bestTrial"),
        )
        for place, trial in enumerate(trials)
    ]
    # The best trials are drawn last, over the others.
    return Coordinates(axes, tuple(sorted(lines, key=lambda line: (line.is_best, -line.shade))))


def _valued(sweep: JSON) -> list[JSON]:
    return [
        trial
        for trial in sweep.get("trials", [])
        if isinstance(trial.get("value"), int | float)
        and math.isfinite(trial["value"])
        and plain_state(trial.get("state", "")) == "COMPLETED"
    ]


def _ranks(values: Sequence[float], *, maximizes: bool) -> list[int]:
    order = sorted(range(len(values)), key=lambda place: values[place], reverse=maximizes)
    return [order.index(place) for place in range(len(values))]


_Scale = tuple[list[float], str, str]
"""Places from the top, words at the top and at the bottom."""


def _scale(texts: Sequence[str], log: bool) -> _Scale:
    try:
        return _numbers([float(text) for text in texts], log)
    except ValueError:
        words = sorted(set(texts))
        places = _numbers([float(words.index(text)) for text in texts])[0]
        return places, words[-1], words[0]


def _numbers(values: Sequence[float], log: bool = False) -> _Scale:
    scaled = [math.log(value) for value in values] if log and min(values) > 0 else list(values)
    low, high = min(scaled), max(scaled)
    extent = HEIGHT - 2 * _MARGIN
    places = [
        round(_MARGIN + (extent * (high - each) / (high - low) if high > low else extent / 2), 1)
        for each in scaled
    ]
    return places, f"{max(values):.4g}", f"{min(values):.4g}"
