"""A small collection of the database in memory, as fresh as the last commit of this process or the last sweep."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Table, func, select

from ratoon.chassis.store import Resource, Store

T = TypeVar("T", bound=Resource)
_LOG = logging.getLogger(__name__)
_SWEEP_S = 0.5
"""A change that another gateway makes holds here within a second."""


class Mirror(Generic[T]):
    """All resources of one kind; a thread reads them anew when any has changed, and hands them to `take`."""

    def __init__(
        self, store: Store, kind: type[T], table: Table, take: Callable[[Sequence[T]], None]
    ) -> None:
        self._store, self._kind, self._table, self._take = store, kind, table, take
        self._seen: tuple[object, ...] = ()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"mirror-{table.name}", daemon=True)
        self._refreshing = threading.Lock()

    def start(self) -> None:
        """Read them, and keep reading them."""
        self.refresh()
        self._store.database.on_commit(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=5)

    def refresh(self) -> None:
        """Read them now, if any has changed."""
        with self._refreshing, self._store.read() as tx:
            columns = (
                func.count(),
                func.coalesce(func.sum(self._table.c.revision), 0),
                func.max(self._table.c.create_time),
            )
            seen = tuple(tx.connection.execute(select(*columns)).one())
            if seen == self._seen:
                return
            parents = tx.connection.execute(select(self._table.c.parent).distinct()).scalars().all()
            self._take([each for parent in parents for each in tx.all(self._kind, parent)])
            self._seen = seen

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_SWEEP_S)
            self._wake.clear()
            try:
                self.refresh()
            except Exception:
                _LOG.exception("%s could not be read; the known values stay in use", self._table.name)
                self._stopping.wait(1.0)
