"""Database of one service: transactions over SQLAlchemy, SQLite by default, PostgreSQL by URL. It knows no table.

Both keep the same promise: one writer at a time, so what a transaction has read still holds when it writes. SQLite
does it by `BEGIN IMMEDIATE` (WAL, `synchronous=FULL`), which also never meets "database is locked" half-way;
PostgreSQL by an advisory lock of the database, which all replicas of the service share.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import QueuePool, StaticPool

_BUSY_TIMEOUT_S = 30.0
_ABANDONED_S = 300.0
"""Seconds that PostgreSQL waits for a silent client that holds a transaction; its machine may be gone."""
_WRITES = "ratoon_writes"
_AUTOCOMMIT = "ratoon_autocommit"
_WRITER = 7_287_431
"""Advisory lock of the writer to a service's PostgreSQL database."""


class Database:
    """Read and write transactions on one URL; subscribers are notified of each commit."""

    def __init__(self, url: str) -> None:
        """Open lazily: nothing connects before the first transaction. `sqlite://` alone is a database in memory."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._memory = url in ("sqlite://", "sqlite:///:memory:")
        self._engine = _engine(url, self._memory)
        self._writes = self._engine.execution_options(**{_WRITES: True})
        self._reads = self._engine if self.is_sqlite else _snapshots(self._engine)
        self._autocommit = self._engine.execution_options(
            **({_AUTOCOMMIT: True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"})
        )
        self._writer = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: committed on a clean exit, rolled back on an exception."""
        with self._writer, self._writes.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER})
            yield connection
        for callback in self._callbacks:
            callback()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent picture, never blocked by the writer."""
        with self._writer if self._memory else nullcontext(), self._reads.connect() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def read_once(self) -> Iterator[Connection]:
        """Connection for a read of one statement, without a transaction around it; two statements share no snapshot."""
        with self._writer if self._memory else nullcontext(), self._autocommit.connect() as connection:
            yield connection

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call this after every commit of `write`, on the thread that committed; it must not block."""
        self._callbacks.append(callback)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _engine(url: str, memory: bool) -> Engine:
    return _sqlite(url, memory) if url.startswith("sqlite") else _postgresql(url)


def _sqlite(url: str, memory: bool) -> Engine:
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
        options = connection.get_execution_options()
        if not options.get(_AUTOCOMMIT, False):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")

    return engine


def _postgresql(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)
    limits = {
        "lock_timeout": int(_BUSY_TIMEOUT_S * 1000),
        "idle_in_transaction_session_timeout": int(_ABANDONED_S * 1000),
    }

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        for name, milliseconds in limits.items():
            connection.execute(f"SET SESSION {name} = {milliseconds}")
        connection.commit()

    return engine


def _snapshots(engine: Engine) -> Engine:
    """The same connections for transactions that see one moment and change nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
