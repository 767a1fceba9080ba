"""Drift, feedback and traffic over time, as charts and tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon_console.domain.charts import Chart, Point, Series, Threshold, line_chart
from ratoon_console.domain.loop import measured, ratio
from ratoon_console.domain.words import JSON, count, decimal, last_part, number, percent, time_of

_BINS = 40
_WIDTHS = (10, 30, 60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400)
"""Widths of a bin in seconds."""
_LIKED_FROM, _DISLIKED_TO = 4, 2


@dataclass(frozen=True)
class Vote:
    """Feedback on an answer: time (seconds since 1970), version, verdict (1 good, -1 bad, 0 neither)."""

    time: float
    version: str
    verdict: int


@dataclass(frozen=True)
class Flow:
    """A segment of traffic: when it began and ended (seconds since 1970), its answers, what was lost."""

    start: float
    end: float
    answers: int
    lost: int
    set_aside: int = 0
    """Rows that could not be read."""


@dataclass(frozen=True)
class VersionFeedback:
    """Good and bad votes of a version."""

    version: str
    good: int
    bad: int

    @property
    def bad_share(self) -> float:
        """The share of bad votes."""
        return self.bad / (self.good + self.bad) if self.good + self.bad else 0.0


def vote_of(feedback: JSON) -> Vote:
    """A correction blames, then the thumb counts, then the rating, as the platform counts it."""
    thumb, rating = number(feedback.get("thumb")), number(feedback.get("rating"))
    if feedback.get("correction"):
        verdict = -1
    elif thumb:
        verdict = 1 if thumb > 0 else -1
    else:
        verdict = 1 if rating >= _LIKED_FROM else -1 if 0 < rating <= _DISLIKED_TO else 0
    return Vote(_seconds(feedback["createTime"]), last_part(feedback.get("version", "")), verdict)


def flow_of(segment: JSON) -> Flow:
    """A segment's numbers."""
    start = _seconds(segment.get("startTime") or segment["createTime"])
    end = _seconds(segment.get("endTime") or segment["createTime"])
    counts = (number(segment.get(field)) for field in ("answerCount", "lostCount", "setAsideCount"))
    return Flow(start, max(end, start), *counts)


def drift_chart(reports: Sequence[JSON], threshold: float) -> Chart:
    """Each feature's divergence in multiples of its noise band; the line is the policy's drift threshold."""
    points: dict[str, list[tuple[float, float]]] = {}
    for report in reports:
        for measure in report.get("measures", []):
            if not measure.get("slice"):
                points.setdefault(measured(measure), []).append(
                    (_seconds(report["createTime"]), ratio(measure))
                )
    series = [Series(name, values, dots=len(reports) <= 60) for name, values in points.items()]
    limits = [
        Threshold("noise band", 1.0),
        Threshold(f"policy threshold, {threshold:g}", threshold),
    ]
    return line_chart(
        "Drift (1 = noise band)", series, time_label(_times(series)), decimal,
        limits if series else (),
    )  # fmt: skip


def error_chart(reports: Sequence[JSON], threshold: float) -> Chart:
    """Chart the share of unhappy callers, each counted once, as the platform counts it."""
    points = [
        (_seconds(report["createTime"]), float(report.get("errorRate", 0)))
        for report in reports
        if number(report.get("feedbackCount"))
    ]
    series = [Series("unhappy callers", points, dots=len(points) <= 60)]
    limits = [Threshold(f"policy threshold, {threshold:.0%}", threshold)] if points else ()
    return line_chart(
        "Error rate, each caller counted once", series, time_label(_times(series)), percent, limits
    )


def votes_chart(votes: Sequence[Vote]) -> Chart:
    """The share of bad votes over time, a line for each version."""
    versions = list(dict.fromkeys(vote.version for vote in votes))
    width = bin_width([vote.time for vote in votes])
    series = [Series(version, _bad_shares(votes, version, width), dots=True) for version in versions]
    return line_chart(
        f"Share of negative feedback, per {_span(width)}", series, time_label(_times(series)), percent
    )  # fmt: skip


def traffic_chart(flows: Sequence[Flow]) -> Chart:
    """Answers a minute over time; what was not captured counts as none."""
    width = bin_width([flow.end for flow in flows])
    binned = _binned(((flow.end, flow.answers) for flow in flows), width)
    points = [(at, value * 60 / width) for at, value in _filled(binned, width)]
    series = [Series("answers per minute", points)]
    return line_chart(
        f"Answers per minute, averaged over {_span(width)}", series, time_label(_times(series)), decimal
    )


def feedback_by_version(votes: Sequence[Vote]) -> list[VersionFeedback]:
    """Every version with its votes, newest first."""
    versions = list(dict.fromkeys(vote.version for vote in votes))
    return [
        VersionFeedback(
            version,
            sum(vote.verdict > 0 for vote in votes if vote.version == version),
            sum(vote.verdict < 0 for vote in votes if vote.version == version),
        )
        for version in reversed(versions)
    ]


def bin_width(times: Sequence[float]) -> int:
    """The width of a bin, in seconds, that makes about forty of this span."""
    span = max(times, default=0) - min(times, default=0)
    return next((width for width in _WIDTHS if span / width <= _BINS), _WIDTHS[-1])


def time_label(times: Sequence[float]) -> Callable[[float], str]:
    """How times of this span are written: with the day when it is longer than one."""
    span = max(times, default=0) - min(times, default=0)
    form = "%d %b %H:%M" if span > 86400 else "%H:%M" if span > 3600 else "%H:%M:%S"
    return lambda value: datetime.fromtimestamp(value, UTC).strftime(form)


def total(flows: Sequence[Flow]) -> str:
    """All answers that were captured, and what was lost on the way."""
    lost = sum(flow.lost for flow in flows)
    captured = f"{count(sum(flow.answers for flow in flows))} answers captured"
    set_aside = sum(flow.set_aside for flow in flows)
    unread = f" {count(set_aside)} rows could not be read and were set aside." if set_aside else ""
    return f"{captured}, {count(lost) if lost else 'none'} lost.{unread}"


def _bad_shares(votes: Sequence[Vote], version: str, width: int) -> list[Point]:
    counted = [vote for vote in votes if vote.version == version and vote.verdict]
    bad = _binned(((vote.time, vote.verdict < 0) for vote in counted), width)
    every = _binned(((vote.time, 1) for vote in counted), width)
    return [(at, bad[at] / every[at]) for at in sorted(every)]


def _binned(values: Iterable[tuple[float, float]], width: int) -> dict[float, float]:
    bins: dict[float, float] = {}
    for time, value in values:
        at = time // width * width
        bins[at] = bins.get(at, 0.0) + value
    return bins


def _filled(binned: dict[float, float], width: int) -> list[Point]:
    """The bins from the first to the last, empty ones as zero."""
    if not binned:
        return []
    first, last = min(binned), max(binned)
    steps = int((last - first) // width)
    return [(first + i * width, binned.get(first + i * width, 0.0)) for i in range(steps + 1)]


def _times(series: Sequence[Series]) -> list[float]:
    return [x for each in series for x, _ in each.points]


def _span(width: int) -> str:
    if width < 60:
        return f"{width} s"
    if width < 3600:
        return f"{width // 60} min"
    return f"{width // 3600} h" if width < 86400 else f"{width // 86400} d"


def _seconds(text: str) -> float:
    time = time_of(text)
    return time.timestamp() if time else 0.0
