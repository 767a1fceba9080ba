"""Ends pods that were made for runs which have ended: what a crash between a run's end and its cleaning up leaves."""

import logging

from ratoon.chassis.errors import RatoonError
from ratoon.chassis.store import Store
from ratoon.process.loop import BackgroundLoop
from ratoon_training.application.ports import Workers
from ratoon_training.domain.runs import TrainingRun

_LOG = logging.getLogger(__name__)
_EVERY_S = 30.0


class Sweep:
    """Looks from time to time, on a thread of its own. The database says which runs have ended."""

    def __init__(self, store: Store, workers: Workers, every_s: float = _EVERY_S) -> None:
        self._store, self._workers, self._every_s = store, workers, every_s
        self._loop = BackgroundLoop("sweep", self._step)

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._loop.stop(0.0)

    def sweep(self) -> None:
        """Look once; while the cluster is silent, the next time does it."""
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
        self.sweep()
        return self._every_s
