"""Line charts as geometry: paths in a box of 1000 × 300 that a page stretches to its width; labels stand outside it.

The first series is drawn over the others. Numbers that are not finite are left out.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 300
_PAD = 0.06
_MAX_POINTS = 500

Point = tuple[float, float]
Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """A named line of points, in x order; `dots` marks each point."""

    name: str
    points: Sequence[Point]
    dots: bool = False


@dataclass(frozen=True)
class Threshold:
    """A horizontal line that means something."""

    name: str
    y: float


@dataclass(frozen=True)
class DrawnSeries:
    """A series in the box: path of the line, path of the dots, and its last value in words."""

    name: str
    line: str
    dots: str
    last: str


@dataclass(frozen=True)
class Chart:
    """A drawn chart. Labels run from the top down and from left to right, evenly spaced."""

    title: str
    series: tuple[DrawnSeries, ...]
    thresholds: tuple[tuple[str, float], ...]
    y_labels: tuple[str, ...]
    x_labels: tuple[str, ...]
    summary: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.series


def line_chart(
    title: str,
    series: Sequence[Series],
    x_format: Format,
    y_format: Format,
    thresholds: Sequence[Threshold] = (),
    zero: bool = True,
) -> Chart:
    """Draw series over one x axis; `zero` keeps 0 on the y axis."""
    drawable = [Series(each.name, thinned(finite(each.points)), each.dots) for each in series]
    drawable = [each for each in drawable if each.points]
    if not drawable:
        return Chart(title, (), (), (), (), f"{title}: no measurements yet.", (), ())
    xs = [x for each in drawable for x, _ in each.points]
    ys = [y for each in drawable for _, y in each.points] + [each.y for each in thresholds]
    box = _Box(*_span(xs), *_padded(ys, zero))
    return Chart(
        title,
        tuple(_drawn(each, box, y_format) for each in drawable),
        tuple((each.name, round(box.y(each.y), 1)) for each in thresholds),
        tuple(_short(y_format(value)) for value in (box.top, (box.top + box.bottom) / 2, box.bottom)),
        tuple(x_format(value) for value in _x_ticks(box)),
        _summary(title, drawable, y_format),
        ("", *(each.name for each in drawable)),
        _rows(drawable, x_format, y_format),
    )


def finite(points: Sequence[Point]) -> list[Point]:
    """The points whose numbers are finite."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def thinned(points: Sequence[Point], max_points: int = _MAX_POINTS) -> list[Point]:
    """At most about `max_points` points: of each stretch the lowest and the highest stay, so that no peak is lost."""
    if len(points) <= max_points:
        return list(points)
    width = math.ceil(len(points) / (max_points // 2))
    extremes: list[Point] = []
    for start in range(0, len(points), width):
        stretch = points[start : start + width]
        extremes += sorted({min(stretch, key=_height), max(stretch, key=_height)})
    return extremes


@dataclass(frozen=True)
class _Box:
    """From numbers to places in the box."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        """How far from the left."""
        return (value - self.left) / (self.right - self.left) * WIDTH if self.right > self.left else WIDTH / 2

    def y(self, value: float) -> float:
        """How far from the top."""
        return HEIGHT - (value - self.bottom) / (self.top - self.bottom) * HEIGHT


def _height(point: Point) -> float:
    return point[1]


def _span(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _padded(values: Sequence[float], zero: bool) -> tuple[float, float]:
    """The y range: from 0 to a round number if `zero` is set, else the values with some padding."""
    low, high = _span([*values, 0.0] if zero else values)
    if zero and low == 0:
        return 0.0, _round_up(high)
    air = (high - low or abs(high) or 1.0) * _PAD
    return low - air, high + air


def _round_up(value: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten, so that half of it is short to write, too."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 2, 3, 4, 5, 6, 8, 10, 20) if step * unit >= value)


def _short(number: str) -> str:
    """A written number without the zeros at its end."""
    return re.sub(r"(\.\d*?)0+(?=%|$)", r"\1", number).replace(".%", "%").removesuffix(".")


def _drawn(series: Series, box: _Box, y_format: Format) -> DrawnSeries:
    places = [(round(box.x(x), 1), round(box.y(y), 1)) for x, y in series.points]
    line = "M" + " L".join(f"{x:g} {y:g}" for x, y in places)
    dots = " ".join(f"M{x:g} {y:g}h0" for x, y in places) if series.dots or len(places) == 1 else ""
    return DrawnSeries(series.name, line, dots, y_format(series.points[-1][1]))


def _x_ticks(box: _Box) -> list[float]:
    if box.left == box.right:
        return [box.left]
    return [box.left, (box.left + box.right) / 2, box.right]


def _summary(title: str, series: Sequence[Series], y_format: Format) -> str:
    ranges = [
        f"{each.name} from {y_format(each.points[0][1])} to {y_format(each.points[-1][1])}, between"
        f" {y_format(min(map(_height, each.points)))} and {y_format(max(map(_height, each.points)))}"
        for each in series
    ]
    return f"{title}: {'; '.join(ranges)}."


def _rows(series: Sequence[Series], x_format: Format, y_format: Format) -> tuple[tuple[str, ...], ...]:
    """The numbers as a table, about 40 rows of them."""
    columns = [dict(each.points) for each in series]
    xs = sorted({x for column in columns for x in column})
    step = max(1, math.ceil(len(xs) / 40))
    return tuple(
        (x_format(x), *(y_format(column[x]) if x in column else "" for column in columns)) for x in xs[::step]
    )
