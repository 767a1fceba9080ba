"""Ends pods that were made for runs which have ended: what a crash between a run's end and its cleaning up leaves."""

import logging
import threading

from ratoon.chassis.errors import RatoonError
from ratoon.chassis.store import Store
from ratoon_training.application.ports import Workers
from ratoon_training.domain.runs import TrainingRun

_LOG = logging.getLogger(__name__)
_EVERY_S = 30.0


class Sweep:
    """Looks from time to time, on a thread of its own. The database says which runs have ended."""

    def __init__(self, store: Store, workers: Workers, every_s: float = _EVERY_S) -> None:
        self._store, self._workers, self._every_s = store, workers, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

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

    def _loop(self) -> None:
        while True:
            self.sweep()
            if self._stopping.wait(self._every_s):
                return
