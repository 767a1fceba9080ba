"""What was seen of each engine in a window of time. It knows no clock and no wire."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ratoon_gateway.domain.routes import Target

_MOST_SAMPLES = 10_000


class Outcome(Enum):
    """How a request ended at one engine."""

    ANSWERED = "answered"
    FAILED = "failed"
    """Answered with 5xx, or broken before a byte was sent to the caller."""
    CUT = "cut"
    """A stream that ended before its end."""
    LEFT = "left"
    """The caller went away."""
    FILTERED = "filtered"
    """The safety filter ended it."""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One engine in one window; latencies in seconds."""

    deployment: str
    engine: str
    version: str
    start: datetime
    end: datetime
    requests: int
    errors: int
    cut: int
    p50_s: float
    p99_s: float
    open: int


@dataclass(slots=True)
class _Window:
    requests: int = 0
    errors: int = 0
    cut: int = 0
    latencies: list[float] = field(default_factory=list)


class Traffic:
    """Counts by engine and version since the last report; safe on any thread."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str, str], int] = {}
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._totals: dict[tuple[str, str, Outcome], tuple[int, float]] = {}

    def began(self, deployment: str, target: Target) -> None:
        """A request went to this engine."""
        key = (deployment, target.engine, target.version)
        with self._lock:
            self._open[key] = self._open.get(key, 0) + 1

    def ended(self, deployment: str, target: Target, outcome: Outcome, seconds: float) -> None:
        """That request has ended, after so many seconds."""
        key = (deployment, target.engine, target.version)
        with self._lock:
            self._open[key] -= 1
            window = self._windows.setdefault(key, _Window())
            window.requests += 1
            window.errors += outcome in (Outcome.FAILED, Outcome.CUT)
            window.cut += outcome is Outcome.CUT
            count, total = self._totals.get((deployment, target.version, outcome), (0, 0.0))
            self._totals[deployment, target.version, outcome] = (count + 1, total + seconds)
            if outcome is Outcome.ANSWERED and len(window.latencies) < _MOST_SAMPLES:
                window.latencies.append(seconds)

    def withdrew(self, deployment: str, target: Target) -> None:
        """The engine was closed to that request: it counts nowhere."""
        with self._lock:
            self._open[(deployment, target.engine, target.version)] -= 1

    @property
    def totals(self) -> dict[tuple[str, str, Outcome], tuple[int, float]]:
        """Requests and seconds since the start, by deployment, version and outcome."""
        with self._lock:
            return dict(self._totals)

    @property
    def open(self) -> int:
        """Requests that are at an engine now."""
        with self._lock:
            return sum(self._open.values())

    def report(self, now: datetime) -> list[EngineReport]:
        """What was seen since the last report; a new window starts."""
        with self._lock:
            windows, self._windows = self._windows, {}
            start, self._start = self._start, now
            counts = self._open
            self._open = {key: count for key, count in counts.items() if count}
        keys = dict.fromkeys([*windows, *counts])
        return [_report(key, windows.get(key) or _Window(), start, now, counts.get(key, 0)) for key in keys]


def _report(
    key: tuple[str, str, str], seen: _Window, start: datetime, end: datetime, still_open: int
) -> EngineReport:
    latencies = sorted(seen.latencies)
    p50, p99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
    return EngineReport(*key, start, end, seen.requests, seen.errors, seen.cut, p50, p99, still_open)


def quantile(ordered: list[float], share: float) -> float:
    """The nearest-rank quantile of ordered values; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def merged(older: Iterable[EngineReport], newer: Iterable[EngineReport], most: int) -> list[EngineReport]:
    """Reports not yet delivered, the newest `most` of them."""
    return [*older, *newer][-most:]
