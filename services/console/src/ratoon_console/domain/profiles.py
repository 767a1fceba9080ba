"""Reports of profiles as pictures: histograms, box plots, scatter plots and matrices, one or two versions at a time.

A picture is geometry in a box of 1000 × 300 that a page stretches to its width; labels stand outside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratoon_console.domain.charts import HEIGHT, WIDTH
from ratoon_console.domain.words import JSON

_TICKS = 5
_LABEL_CHARS = 40
_TOP = 12
"""Values of a column that are shown."""
_QUARTILES = ("lowerWhisker", "firstQuartile", "median", "thirdQuartile", "upperWhisker")


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram: place, size, the report it belongs to (0 or 1), and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    report: int
    tip: str


@dataclass(frozen=True)
class Box:
    """A box plot on a line of its own: places from the left, its tooltip, and its label."""

    label: str
    lower: float
    first: float
    median: float
    third: float
    upper: float
    report: int
    tip: str


@dataclass(frozen=True)
class Dot:
    """A point of a scatter plot, coloured by label, with its tooltip and the record."""

    x: float
    y: float
    colour: int
    tip: str
    record: str


@dataclass(frozen=True)
class Axes:
    """Labels of both axes; those of the vertical one run from the top down."""

    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """Bars of one or two reports over common bins, by share of the records."""

    title: str
    bars: tuple[Bar, ...]
    axes: Axes
    summary: str


@dataclass(frozen=True)
class Boxes:
    """Box plots by label over one axis."""

    boxes: tuple[Box, ...]
    axes: Axes


@dataclass(frozen=True)
class Scatter:
    """Records by two columns."""

    x: str
    y: str
    dots: tuple[Dot, ...]
    axes: Axes
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A coefficient of a correlation matrix, and the strength of its colour from 0 to 1."""

    value: float
    strength: float
    is_negative: bool


def number(value: float) -> str:
    """Return a number as axes and tooltips show it."""
    size = abs(value)
    if size and (size >= 1e6 or size < 1e-3):
        return f"{value:.2g}"
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.3g}"


def column_of(report: JSON, name: str) -> JSON:
    """Return a numeric column of a report by its name; empty if there is none."""
    return next((each for each in report.get("numericColumns", []) if each["name"] == name), {})


def histogram(name: str, reports: Sequence[JSON]) -> Histogram | None:
    """Draw the histograms of a column in one picture; None if no report has values of it."""
    drawn = [column_of(report, name).get("histogram") or {} for report in reports]
    edges = [float(edge) for each in drawn for edge in each.get("edges", [])]
    if not edges:
        return None
    low, high = min(edges), max(edges)
    is_logarithmic = any(each.get("isLogarithmic") for each in drawn) and low > 0
    axis = _Axis(low, high, is_logarithmic)
    shares = [_shares(each) for each in drawn]
    peak = max(share for each in shares for _, _, share, _ in each) or 1.0
    bars = tuple(
        _bar(axis, bin_, peak, report) for report, each in enumerate(shares) for bin_ in each if bin_[2] > 0
    )
    y_axis = (f"{100 * peak:.3g} %", f"{50 * peak:.3g} %", "0")
    summary = f"Histogram of {name} from {number(low)} to {number(high)}"
    return Histogram(name, bars, Axes(axis.labels, y_axis), summary)


def _shares(histogram: JSON) -> list[tuple[float, float, float, int]]:
    """Return the bins: both edges, the share of the values for a unit of width, and the count."""
    edges, counts = histogram.get("edges", []), [int(each) for each in histogram.get("counts", [])]
    total = sum(counts) or 1
    return [
        (float(edges[place]), float(edges[place + 1]), count / total, count)
        for place, count in enumerate(counts)
    ]


def _bar(axis: "_Axis", bin_: tuple[float, float, float, int], peak: float, report: int) -> Bar:
    low, high, share, count = bin_
    left, right = axis.place(low), axis.place(high)
    height = share / peak * HEIGHT
    tip = f"{number(low)} to {number(high)}: {count:,} records, {100 * share:.3g} %"
    width = max(2.0, right - left)
    return Bar(round(left, 1), round(HEIGHT - height, 1), round(width, 1), round(height, 1), report, tip)


@dataclass(frozen=True)
class _Axis:
    """From numbers to places between 0 and WIDTH."""

    low: float
    high: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return how far from the left a value is."""
        if self.high <= self.low:
            return WIDTH / 2
        if self.is_logarithmic:
            from math import log

            return WIDTH * log(max(value, self.low) / self.low) / log(self.high / self.low)
        return WIDTH * (value - self.low) / (self.high - self.low)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels of evenly spaced ticks."""
        shares = [tick / (_TICKS - 1) for tick in range(_TICKS)]
        if self.is_logarithmic:
            return tuple(number(self.low * (self.high / self.low) ** share) for share in shares)
        return tuple(number(self.low + (self.high - self.low) * share) for share in shares)


def boxes(name: str, reports: Sequence[JSON]) -> Boxes | None:
    """Draw the box plots of a column by label; None if there are none."""
    plots = [
        (report, plot)
        for report, each in enumerate(reports)
        for plot in column_of(each, name).get("boxPlots", [])
    ]
    if len(plots) < 2:
        return None
    values = [float(plot.get(key, 0)) for _, plot in plots for key in _QUARTILES]
    axis = _Axis(min(values), max(values))
    plots.sort(key=lambda pair: (pair[1].get("label", ""), pair[0]))
    return Boxes(tuple(_box(axis, report, plot) for report, plot in plots), Axes(axis.labels))


def _box(axis: _Axis, report: int, plot: JSON) -> Box:
    values = [float(plot.get(key, 0)) for key in _QUARTILES]
    lower, first, median, third, upper = (round(axis.place(value), 1) for value in values)
    tip = (
        f"{plot.get('label', '')}: {int(plot.get('valueCount', 0)):,} records, median {number(values[2])}, quartiles "
        f"{number(values[1])} and {number(values[3])}"
    )
    return Box(plot.get("label", "")[:_LABEL_CHARS], lower, first, median, third, upper, report, tip)


def scatters(report: JSON) -> list[Scatter]:
    """Draw the scatter plots of a report."""
    return [drawn for each in report.get("scatters", []) if (drawn := _scatter(each))]


def _scatter(scatter: JSON) -> Scatter | None:
    points = scatter.get("points", [])
    if not points:
        return None
    xs, ys = ([float(point.get(key, 0)) for point in points] for key in ("x", "y"))
    across, up = _Axis(min(xs), max(xs)), _Axis(min(ys), max(ys))
    names = list(dict.fromkeys(point.get("label", "") for point in points))
    dots = tuple(
        Dot(
            round(across.place(x), 1),
            round(HEIGHT - up.place(y) * HEIGHT / WIDTH, 1),
            names.index(point.get("label", "")) % 6,
            f"{scatter['x']} {number(x)}, {scatter['y']} {number(y)}"
            + (f", label {point['label'][:_LABEL_CHARS]}" if point.get("label") else ""),
            point.get("recordId", ""),
        )
        for x, y, point in zip(xs, ys, points, strict=True)
    )
    labels = tuple(name[:_LABEL_CHARS] or "no label" for name in names[:6])
    return Scatter(scatter["x"], scatter["y"], dots, Axes(across.labels, tuple(reversed(up.labels))), labels)


def matrix(report: JSON) -> list[tuple[str, list[Cell]]]:
    """Return the rows of the correlation matrix."""
    correlation = report.get("correlation") or {}
    names = correlation.get("names", [])
    values = [float(each) for each in correlation.get("coefficients", [])]
    return [
        (
            name,
            [_cell(value) for value in values[place * len(names) : (place + 1) * len(names)]],
        )
        for place, name in enumerate(names)
    ]


def _cell(value: float) -> Cell:
    return Cell(value, round(min(1.0, abs(value)), 2), value < 0)


def values_of(name: str, reports: Sequence[JSON]) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return the most frequent values of a column: count and share of the records in each report."""
    counted: list[Mapping[str, int]] = []
    for report in reports:
        column: JSON = next((each for each in report.get("valueColumns", []) if each["name"] == name), {})
        counted.append(
            {each.get("value", ""): int(each.get("count", 0)) for each in column.get("topValues", [])}
        )
    totals = [int(report.get("recordCount", 0)) or 1 for report in reports]
    values = dict.fromkeys(value for each in counted for value in each)
    ordered = sorted(values, key=lambda value: -max(each.get(value, 0) for each in counted))[:_TOP]
    return [
        (
            value[:_LABEL_CHARS],
            [
                (each.get(value, 0), each.get(value, 0) / total)
                for each, total in zip(counted, totals, strict=True)
            ],
        )
        for value in ordered
    ]


def table(cross: JSON) -> list[tuple[str, list[int]]]:
    """Return the rows of a cross table."""
    width, counts = len(cross.get("values", [])), [int(each) for each in cross.get("counts", [])]
    return [
        (label, counts[place * width : (place + 1) * width])
        for place, label in enumerate(cross.get("labels", []))
    ]


def margins(reports: Sequence[JSON]) -> Histogram | None:
    """Draw the margins of the classical model; None if no report has any."""
    columns = [
        {"numericColumns": [{"name": "margin", "histogram": (report.get("difficulty") or {}).get("margins")}]}
        for report in reports
    ]
    return histogram("margin", columns)
