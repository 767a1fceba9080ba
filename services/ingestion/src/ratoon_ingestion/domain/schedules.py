"""Schedules of readings: an interval, or the five fields of cron in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite

from ratoon_ingestion.domain.errors import BadConnection

_MIN_INTERVAL_S, _MAX_INTERVAL_S = 10.0, 366 * 86_400.0
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MAX_CRON_CHARS = 200
_HORIZON_DAYS = 8 * 366
"""Days within which a schedule must have a time: 29 February comes at least every eight years."""


@dataclass(frozen=True)
class Schedule:
    """Time between the ends of two readings in seconds, or times by cron in UTC; neither: on request only."""

    interval_s: float = 0.0
    cron: str = ""

    def __post_init__(self) -> None:
        """Raise BadConnection unless there is a next time."""
        if self.interval_s and self.cron:
            raise BadConnection("schedule has an interval and cron; set only one of them.")
        in_range = isfinite(self.interval_s) and _MIN_INTERVAL_S <= self.interval_s <= _MAX_INTERVAL_S
        if self.interval_s and not in_range:
            raise BadConnection(
                f"interval_seconds may not be {self.interval_s:g}; give {_MIN_INTERVAL_S:g} to {_MAX_INTERVAL_S:,.0f}."
            )
        if self.cron:
            next_cron(self.cron, datetime(2000, 1, 1, tzinfo=UTC))

    def next_after(self, end: datetime) -> datetime | None:
        """Return the time of the reading that follows one that ended then; None without a schedule."""
        if self.cron:
            return next_cron(self.cron, end)
        return end + timedelta(seconds=self.interval_s) if self.interval_s else None


def next_cron(cron: str, after: datetime) -> datetime:
    """Return the first minute after a time that matches a cron expression, in UTC; BadConnection if there is none.

    As in cron, a day matches if its day of the month or its weekday does, when both are restricted.
    """
    minutes, hours, days, months, weekdays = _parsed(cron)
    any_day, any_weekday = (len(each) == size for each, size in ((days, 31), (weekdays, 7)))
    start = after.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    for offset in range(_HORIZON_DAYS):
        day = (start + timedelta(days=offset)).date()
        by_day, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        matches = by_day and by_weekday if any_day or any_weekday else by_day or by_weekday
        if day.month not in months or not matches:
            continue
        times = (datetime(day.year, day.month, day.day, h, m, tzinfo=UTC) for h in hours for m in minutes)
        if (match := next((time for time in times if time >= start), None)) is not None:
            return match
    raise BadConnection(f"cron {cron!r} names no day that exists.")


def _parsed(cron: str) -> list[list[int]]:
    parts = cron.split() if len(cron) <= _MAX_CRON_CHARS else []
    if len(parts) != len(_FIELDS):
        raise BadConnection(
            f"cron {cron[:50]!r} must have five fields: minute, hour, day of the month, month, day of the week."
        )
    fields = [_values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
    return [*fields[:4], sorted({value % 7 for value in fields[4]})]


def _values(text: str, name: str, low: int, high: int) -> list[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            first, last, dash = str(low), str(high), "-"
        elif slash and not dash:
            last = str(high)
        numbers = (first, last if dash or slash else first, step_text if slash else "1")
        if not all(number.isascii() and number.isdecimal() and len(number) < 4 for number in numbers):
            raise BadConnection(f"cron: {part!r} is no value of the {name} ({low} to {high}).")
        start, end, step = map(int, numbers)
        if not (low <= start <= end <= high and step):
            raise BadConnection(f"cron: {part!r} is no value of the {name} ({low} to {high}).")
        values.update(range(start, end + 1, step))
    return sorted(values)
