"""Usage of each key: counted in memory, added to the database every few seconds."""

import logging
import threading
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select, update

from ratoon.process.backoff import Backoff
from ratoon.process.clock import Clock
from ratoon.process.loop import BackgroundLoop
from ratoon.storage.database import Database
from ratoon_gateway.adapters.tables import DAYS, USAGE
from ratoon_gateway.domain.keys import Used

_LOG = logging.getLogger(__name__)
_FLUSH_S = 5.0
_NOTHING = Used()


class UsageCounters:
    """Adds up what keys used; a thread stores it, and reads what all gateways together stored for today."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._pending: dict[tuple[str, date], Used] = {}
        self._today: tuple[date, dict[str, int]] = (date.min, {})
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        """Held while counts move from memory to the database: a reader finds them in one place, and once."""
        self._loop = BackgroundLoop(
            "key-usage",
            self._step,
            first_delay_s=_FLUSH_S,
            backoff=Backoff(_FLUSH_S, _FLUSH_S),
            on_failure=_log_failure,
        )

    def add(self, key: str, used: Used) -> None:
        """Count it; safe on any thread."""
        day = (used.last_use or self._clock.now()).astimezone(UTC).date()
        with self._lock:
            self._pending[key, day] = self._pending.get((key, day), _NOTHING).plus(used)

    def start(self) -> None:
        """Begin to store."""
        self._read_today()
        self._loop.start()

    def stop(self) -> None:
        """Store what is left."""
        self._loop.stop(5.0)
        self.flush()

    def flush(self) -> None:
        """Store what was counted since the last time; on an error it is kept."""
        with self._moving:
            self._store()

    def _store(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with self._database.write() as connection:
                for (name, day), used in pending.items():
                    _add(connection, name, day, used)
        except Exception:
            _LOG.exception("the usage of API keys could not be stored; trying again")
            with self._lock:
                for place, used in pending.items():
                    self._pending[place] = self._pending.get(place, _NOTHING).plus(used)

    def forget(self, key: str) -> None:
        """Remove the usage of a key."""
        with self._moving:
            with self._lock:
                self._pending = {place: used for place, used in self._pending.items() if place[0] != key}
            with self._database.write() as connection:
                for table in (USAGE, DAYS):
                    connection.execute(delete(table).where(table.c.name == key))

    def of(self, names: list[str]) -> dict[str, Used]:
        """Return the usage of these keys, stored and not yet stored."""
        with self._moving, self._database.read() as connection:
            rows = connection.execute(select(USAGE).where(USAGE.c.name.in_(names))).all()
            pending = self._not_stored()
        used = dict.fromkeys(names, _NOTHING) | {row.name: _used(row, _time(row.last_use)) for row in rows}
        for (name, _), more in pending.items():
            if name in used:
                used[name] = used[name].plus(more)
        return used

    def by_day(self, name: str, since: date) -> dict[date, Used]:
        """Return the usage of a key on each day since `since`, oldest first."""
        conditions = (DAYS.c.name == name) & (DAYS.c.day >= since.isoformat())
        with self._moving, self._database.read() as connection:
            rows = connection.execute(select(DAYS).where(conditions).order_by(DAYS.c.day)).all()
            pending = self._not_stored()
        days = {date.fromisoformat(row.day): _used(row) for row in rows}
        for (key, day), more in pending.items():
            if key == name and day >= since:
                days[day] = days.get(day, _NOTHING).plus(more)
        return dict(sorted(days.items()))

    def tokens_today(self, name: str) -> int:
        """The tokens that this key used today, as far as the books of all gateways know; at once."""
        day, tokens = self._today
        return tokens.get(name, 0) if day == self._clock.now().astimezone(UTC).date() else 0

    def _not_stored(self) -> dict[tuple[str, date], Used]:
        with self._lock:
            return dict(self._pending)

    def _read_today(self) -> None:
        today = self._clock.now().astimezone(UTC).date()
        with self._database.read() as connection:
            rows = connection.execute(select(DAYS).where(DAYS.c.day == today.isoformat())).all()
        self._today = today, {row.name: row.prompt_tokens + row.completion_tokens for row in rows}

    def _step(self) -> float:
        self.flush()
        self._read_today()
        return _FLUSH_S


def _log_failure(_error: Exception) -> None:
    _LOG.exception("the usage of API keys today could not be read; trying again")


def _add(connection: Connection, name: str, day: date, used: Used) -> None:
    last = used.last_use.isoformat() if used.last_use else None
    _count(connection, USAGE, {"name": name}, used, {"last_use": last})
    _count(connection, DAYS, {"name": name, "day": day.isoformat()}, used, {})


def _count(
    connection: Connection, table: Table, key: dict[str, str], used: Used, more: dict[str, Any]
) -> None:
    """Add to the row with this key, or create it."""
    counts = {
        "requests": used.requests,
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
    }
    conditions: list[ColumnElement[bool]] = [table.c[column] == value for column, value in key.items()]
    added = {column: table.c[column] + count for column, count in counts.items()}
    changed = connection.execute(update(table).where(*conditions).values(**added, **more))
    if not changed.rowcount:
        connection.execute(insert(table).values(**key, **counts, **more))


def _used(row: Row[Any], last_use: datetime | None = None) -> Used:
    return Used(row.requests, row.prompt_tokens, row.completion_tokens, last_use)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
