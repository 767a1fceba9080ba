"""Summaries of queues, which read all answers of a queue: those of a long queue are reused for some time."""

import threading

from ratoon.process.clock import Clock
from ratoon.storage.store import Store
from ratoon_labeling.application.ports import TaskQueue
from ratoon_labeling.application.queues import summarize_queue
from ratoon_labeling.domain.summaries import QueueSummary

_LONG_S, _REUSE = 0.2, 20
"""A summary that took longer is reused for this many times what it took: each annotator's page asks once a minute."""
_MAX_QUEUES = 1_000


class QueueSummaries:
    """Summaries by queue."""

    def __init__(self, store: Store, queues: TaskQueue, clock: Clock) -> None:
        self._store, self._queues, self._clock = store, queues, clock
        self._reading = threading.Lock()
        self._known: dict[str, tuple[float, QueueSummary | None]] = {}

    def of(self, name: str) -> QueueSummary:
        """Return the summary of a queue; NotFound if there is none. While one is read, callers get the last one."""
        reused_until, summary = self._known.get(name, (0.0, None))
        if summary is not None and self._clock.monotonic() < reused_until:
            return summary
        if not self._reading.acquire(blocking=summary is None) and summary is not None:
            return summary
        try:
            return self._read(name)
        finally:
            self._reading.release()

    def _read(self, name: str) -> QueueSummary:
        begun = self._clock.monotonic()
        reused_until, known = self._known.get(name, (0.0, None))
        if known is not None and begun < reused_until:
            return known
        summary = summarize_queue(name, self._store, self._queues)
        took = self._clock.monotonic() - begun
        self._known.pop(name, None)
        if took > _LONG_S and len(self._known) < _MAX_QUEUES:
            self._known[name] = (begun + took + _REUSE * took, summary)
        return summary
