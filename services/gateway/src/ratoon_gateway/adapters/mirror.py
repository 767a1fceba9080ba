"""A small collection of the database in memory, as fresh as the last commit of this process or the last sweep."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Table, func, select

from ratoon.process.backoff import Backoff
from ratoon.process.loop import BackgroundLoop
from ratoon.storage.store import Resource, Store

T = TypeVar("T", bound=Resource)
_LOG = logging.getLogger(__name__)
_POLL_S = 0.5
"""A change that another gateway makes holds here within a second."""
_RETRY_S = 1.0


class Mirror(Generic[T]):
    """All resources of one kind; a thread reads them again when any has changed, and passes them to `take`."""

    def __init__(
        self, store: Store, kind: type[T], table: Table, take: Callable[[Sequence[T]], None]
    ) -> None:
        self._store, self._kind, self._table, self._take = store, kind, table, take
        self._last_state: tuple[object, ...] = ()
        self._loop = BackgroundLoop(
            f"mirror-{table.name}",
            self._step,
            first_delay_s=_POLL_S,
            backoff=Backoff(_RETRY_S, _RETRY_S),
            on_failure=self._failed,
        )
        self._refreshing = threading.Lock()

    def start(self) -> None:
        """Read them, and keep reading them."""
        self.refresh()
        self._store.database.on_commit(self._loop.wake)
        self._loop.start()

    def stop(self) -> None:
        """Stop reading."""
        self._loop.stop(5.0)

    def refresh(self) -> None:
        """Read them now, if any has changed."""
        with self._refreshing, self._store.read() as tx:
            columns = (
                func.count(),
                func.coalesce(func.sum(self._table.c.revision), 0),
                func.max(self._table.c.create_time),
            )
            state = tuple(tx.connection.execute(select(*columns)).one())
            if state == self._last_state:
                return
            parents = tx.connection.execute(select(self._table.c.parent).distinct()).scalars().all()
            self._take([each for parent in parents for each in tx.all(self._kind, parent)])
            self._last_state = state

    def _step(self) -> float:
        self.refresh()
        return _POLL_S

    def _failed(self, _error: Exception) -> None:
        _LOG.exception("%s could not be read; the known values stay in use", self._table.name)
