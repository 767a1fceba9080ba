"""API keys in memory, found by selector, as fresh as the last commit of this process or the last sweep."""

import logging
import threading

from sqlalchemy import func, select

from ratoon.chassis.store import Store
from ratoon_gateway.adapters.tables import RESOURCES
from ratoon_gateway.domain.keys import ApiKey

_LOG = logging.getLogger(__name__)
_SWEEP_S = 5.0


class KeyRing:
    """All keys of the installation; a thread reads them anew when any has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = RESOURCES[ApiKey]
        self._keys: dict[str, ApiKey] = {}
        self._seen: tuple[int, int] = (-1, -1)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="key-ring", daemon=True)
        self._refreshing = threading.Lock()

    def find(self, selector: str) -> ApiKey | None:
        """The key with this selector."""
        return self._keys.get(selector)

    def start(self) -> None:
        """Read the keys, and keep reading them."""
        self.refresh()
        self._store.database.on_commit(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=5)

    def refresh(self) -> None:
        """Read the keys now, if any has changed."""
        with self._refreshing, self._store.read() as tx:
            columns = func.count(), func.coalesce(func.sum(self._table.c.revision), 0)
            count, revisions = tx.connection.execute(select(*columns)).one()
            if (count, revisions) == self._seen:
                return
            parents = tx.connection.execute(select(self._table.c.parent).distinct()).scalars().all()
            keys = [key for parent in parents for key in tx.all(ApiKey, parent)]
            self._keys = {key.selector: key for key in keys}
            self._seen = (count, revisions)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_SWEEP_S)
            self._wake.clear()
            try:
                self.refresh()
            except Exception:
                _LOG.exception("API keys could not be read; the ones known stay")
                self._stopping.wait(1.0)
