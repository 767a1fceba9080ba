"""Garbage collection of pods of ended runs, which remain if a crash interrupts the end of a run."""

import logging

from ratoon.process.errors import RatoonError
from ratoon.process.loop import BackgroundLoop
from ratoon.storage.store import Store
from ratoon_training.application.ports import Workers
from ratoon_training.domain.runs import TrainingRun

_LOG = logging.getLogger(__name__)
_EVERY_S = 30.0


class PodGarbageCollector:
    """Collects periodically, on its own thread. The database says which runs have ended."""

    def __init__(self, store: Store, workers: Workers, every_s: float = _EVERY_S) -> None:
        self._store, self._workers, self._every_s = store, workers, every_s
        self._loop = BackgroundLoop("pod-gc", self._step)

    def start(self) -> None:
        """Start to collect."""
        self._loop.start()

    def stop(self) -> None:
        """Stop to collect."""
        self._loop.stop(0.0)

    def collect(self) -> None:
        """Collect once; while the cluster is unavailable, the next collection does it."""
        try:
            for run in self._workers.runs():
                if self._has_ended(run):
                    self._workers.remove(run)
        except RatoonError as error:
            _LOG.warning("pods of ended runs could not be listed: %s", error)

    def _has_ended(self, name: str) -> bool:
        with self._store.read() as tx:
            run = tx.find(TrainingRun, name)
        return run is None or run.state.ended

    def _step(self) -> float:
        self.collect()
        return self._every_s
