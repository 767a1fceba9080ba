"""Observed traffic of each engine in a window of time. It knows no clock and no protocol.

A window is a signal about a version, so failures that callers cause are counted separately: a request that is refused
with 4xx, or that another version fails at in the same way, does not count against the version. A request counts once,
for the engine that received it first, whatever was tried after it.
"""

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ratoon_gateway.domain.routes import Target

_MAX_SAMPLES, _MAX_CALLER_SAMPLES = 10_000, 1_000
_MAX_CALLERS = 64


class Outcome(Enum):
    """Outcome of a request at one engine."""

    ANSWERED = "answered"
    REJECTED = "rejected"
    """Refused with 4xx, or failed by another version in the same way: the request is at fault."""
    FAILED = "failed"
    """Answered with 5xx, or broken before a byte was sent to the caller."""
    CUT = "cut"
    """A stream that ended before its end."""
    LEFT = "left"
    """The caller went away."""
    FILTERED = "filtered"
    """The safety filter ended it."""


@dataclass(frozen=True, slots=True)
class CallerReport:
    """One caller's part of a window; latency in seconds."""

    caller: str
    requests: int
    errors: int
    cut: int
    p50_s: float


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
    caller_errors: int = 0
    callers: tuple[CallerReport, ...] = ()


@dataclass(slots=True)
class _Counts:
    requests: int = 0
    errors: int = 0
    cut: int = 0
    latencies: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome, seconds: float, max_samples: int) -> None:
        """Count one request."""
        self.requests += 1
        self.errors += outcome in (Outcome.FAILED, Outcome.CUT)
        self.cut += outcome is Outcome.CUT
        if outcome is Outcome.ANSWERED and len(self.latencies) < max_samples:
            self.latencies.append(seconds)

    def of_caller(self, caller: str) -> CallerReport:
        """Return these counts as those of a caller."""
        return CallerReport(
            caller, self.requests, self.errors, self.cut, quantile(sorted(self.latencies), 0.5)
        )


@dataclass(slots=True)
class _Window:
    counts: _Counts = field(default_factory=_Counts)
    caller_errors: int = 0
    callers: dict[str, _Counts] = field(default_factory=dict)


class Traffic:
    """Counts by engine and version since the last report; safe on any thread."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str, str], int] = {}
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._totals: dict[tuple[str, str, Outcome], tuple[int, float]] = {}

    def began(self, deployment: str, target: Target) -> None:
        """Count a request as open at this engine."""
        key = (deployment, target.engine, target.version)
        with self._lock:
            self._open[key] = self._open.get(key, 0) + 1

    def ended(
        self, deployment: str, target: Target, outcome: Outcome, seconds: float, caller: str = ""
    ) -> None:
        """Count the end of a request that this engine received first."""
        key = (deployment, target.engine, target.version)
        with self._lock:
            self._open[key] -= 1
            self._add_total(deployment, target, outcome, seconds)
            window = self._windows.setdefault(key, _Window())
            if outcome is Outcome.REJECTED:
                window.caller_errors += 1
                return
            window.counts.add(outcome, seconds, _MAX_SAMPLES)
            window.callers.setdefault(caller, _Counts()).add(outcome, seconds, _MAX_CALLER_SAMPLES)

    def ended_again(self, deployment: str, target: Target, outcome: Outcome, seconds: float) -> None:
        """Count the end of a request that another engine received before: no signal, but one more answer."""
        with self._lock:
            self._open[(deployment, target.engine, target.version)] -= 1
            self._add_total(deployment, target, outcome, seconds)

    def withdrew(self, deployment: str, target: Target) -> None:
        """Count nothing for a request that the engine was closed to."""
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
        """Return the traffic since the last report; a new window starts."""
        with self._lock:
            windows, self._windows = self._windows, {}
            start, self._start = self._start, now
            counts = self._open
            self._open = {key: count for key, count in counts.items() if count}
        keys = dict.fromkeys([*windows, *counts])
        return [_report(key, windows.get(key) or _Window(), start, now, counts.get(key, 0)) for key in keys]

    def _add_total(self, deployment: str, target: Target, outcome: Outcome, seconds: float) -> None:
        count, total = self._totals.get((deployment, target.version, outcome), (0, 0.0))
        self._totals[deployment, target.version, outcome] = (count + 1, total + seconds)


def caller_fingerprint(key: str) -> str:
    """Return a fingerprint that identifies the holder of a key in reports, without its name."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:16]


def _report(
    key: tuple[str, str, str], window: _Window, start: datetime, end: datetime, still_open: int
) -> EngineReport:
    counts = window.counts
    latencies = sorted(counts.latencies)
    p50, p99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
    callers = [each.of_caller(caller) for caller, each in window.callers.items()]
    callers.sort(key=lambda each: (-each.errors, -each.requests, each.caller))
    return EngineReport(
        *key,
        start,
        end,
        counts.requests,
        counts.errors,
        counts.cut,
        p50,
        p99,
        still_open,
        window.caller_errors,
        tuple(callers[:_MAX_CALLERS]),
    )


def quantile(ordered: list[float], share: float) -> float:
    """Return the nearest-rank quantile of ordered values; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def merged(
    older: Iterable[EngineReport], newer: Iterable[EngineReport], max_reports: int
) -> list[EngineReport]:
    """Return reports not yet delivered, the newest `most` of them."""
    return [*older, *newer][-max_reports:]
