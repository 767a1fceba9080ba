"""One room's database: transactions over SQLAlchemy, SQLite by default, PostgreSQL by URL. It knows no table.

On SQLite one writer at a time holds the write connection (`BEGIN IMMEDIATE`, WAL, `synchronous=FULL`), so that a
transaction that reads first and writes later never meets "database is locked".
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

_BUSY_TIMEOUT_S = 30.0
_WRITES = "ratoon_writes"


class Database:
    """Read and write transactions on one URL; whoever asks is told of each commit."""

    def __init__(self, url: str) -> None:
        """Open lazily: nothing connects before the first transaction. `sqlite://` alone is a database in memory."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._memory = url in ("sqlite://", "sqlite:///:memory:")
        self._engine = _engine(url, self._memory)
        self._writes = self._engine.execution_options(**{_WRITES: True})
        self._writer = threading.Lock() if self.is_sqlite else None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: committed on a clean exit, rolled back on an exception."""
        with self._exclusive(), self._writes.begin() as connection:
            yield connection
        for callback in self._callbacks:
            callback()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent picture, never blocked by the writer."""
        with self._exclusive() if self._memory else nullcontext(), self._engine.connect() as connection:
            yield connection
            connection.rollback()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call this after every commit of `write`, on the thread that committed; it must not block."""
        self._callbacks.append(callback)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        with self._writer:
            yield


def _engine(url: str, memory: bool) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(
        url,
        poolclass=StaticPool if memory else QueuePool,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN is replaced by ours
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
