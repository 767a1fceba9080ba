"""Measurements of the demo: seconds and peak memory of each stage, and a timeline."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ratoon.local.processes import Processes

_EVERY_S = 2.0


@dataclass
class StageMetrics:
    """One stage: total seconds, seconds of training steps and answers, and peak memory in bytes."""

    name: str
    seconds: float = 0.0
    peak_bytes: int = 0
    work_seconds: float = 0.0


@dataclass
class TimelineEntry:
    """Timeline event: time (UTC), event, cause."""

    time: str
    what: str
    because: str = ""


@dataclass
class Measured:
    """All measurements of a run."""

    processes: Processes
    stages: list[StageMetrics] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)
    work_seconds: float = 0.0
    """Seconds of training steps and of answers in the current stage."""

    def note(self, what: str, because: str = "", at: str = "") -> None:
        """Add an event to the timeline, with the current time or a given one."""
        self.timeline.append(
            TimelineEntry(at or datetime.now(UTC).isoformat(timespec="milliseconds"), what, because)
        )

    @contextmanager
    def answers(self) -> Iterator[None]:
        """Count the time in this context as time of answers."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.work_seconds += time.monotonic() - began

    @contextmanager
    def stage(self, name: str) -> Iterator[StageMetrics]:
        """Measure the time and memory of this context."""
        metrics, stop = StageMetrics(name), threading.Event()
        sampler = threading.Thread(target=self._sample, args=(metrics, stop), daemon=True)
        sampler.start()
        self.work_seconds = 0.0
        began = time.monotonic()
        try:
            yield metrics
        finally:
            metrics.seconds = time.monotonic() - began
            metrics.work_seconds = self.work_seconds
            stop.set()
            sampler.join()
            self.stages.append(metrics)

    def _sample(self, metrics: StageMetrics, stop: threading.Event) -> None:
        while True:
            running = [*self.processes.running(), *self.processes.workers()]
            metrics.peak_bytes = max(metrics.peak_bytes, sum(each.resident_bytes for each in running))
            if stop.wait(_EVERY_S):
                return
