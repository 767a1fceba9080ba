"""How much each key was used: counted in memory, added to the database every few seconds."""

import logging
import threading
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from ratoon.chassis.database import Database
from ratoon_gateway.adapters.tables import USAGE
from ratoon_gateway.domain.keys import Used

_LOG = logging.getLogger(__name__)
_FLUSH_S = 5.0


class UsageCounters:
    """Adds up what keys used; a thread stores it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[str, Used] = {}
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="key-usage", daemon=True)

    def add(self, key: str, used: Used) -> None:
        """Count it; safe on any thread."""
        with self._lock:
            self._pending[key] = self._pending.get(key, Used()).plus(used)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def stop(self) -> None:
        """Store what is left."""
        self._stopping.set()
        self._thread.join(timeout=5)
        self.flush()

    def flush(self) -> None:
        """Store what was counted since the last time; on an error it stays counted."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with self._database.write() as connection:
                for name, used in pending.items():
                    _add(connection, name, used)
        except Exception:
            _LOG.exception("the usage of API keys could not be stored; trying again")
            for name, used in pending.items():
                self.add(name, used)

    def of(self, names: list[str]) -> dict[str, Used]:
        """What these keys used, so far as it is stored, plus what is not yet."""
        with self._database.read() as connection:
            rows = connection.execute(select(USAGE).where(USAGE.c.name.in_(names))).all()
        stored = {
            row.name: Used(row.requests, row.prompt_tokens, row.completion_tokens, _time(row.last_use))
            for row in rows
        }
        with self._lock:
            return {name: stored.get(name, Used()).plus(self._pending.get(name, Used())) for name in names}

    def _loop(self) -> None:
        while not self._stopping.wait(_FLUSH_S):
            self.flush()


def _add(connection: Connection, name: str, used: Used) -> None:
    changed = connection.execute(
        update(USAGE)
        .where(USAGE.c.name == name)
        .values(
            requests=USAGE.c.requests + used.requests,
            prompt_tokens=USAGE.c.prompt_tokens + used.prompt_tokens,
            completion_tokens=USAGE.c.completion_tokens + used.completion_tokens,
            last_use=used.last_use.isoformat() if used.last_use else None,
        )
    )
    if not changed.rowcount:
        last = used.last_use.isoformat() if used.last_use else None
        row = {"name": name, "prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}
        connection.execute(insert(USAGE).values(**row, requests=used.requests, last_use=last))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
