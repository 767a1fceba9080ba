"""Rows of a database that SQLAlchemy knows, in the order of a cursor column and a key column.

The position is the last pair of both, so that rows with equal cursor values are neither lost nor read twice. With an
overlap, rows a little below the position are read again, and those that are known by their pair are left out. Rows that
appear below the position and are not read, because they were committed late or got their cursor value late, are counted
against the number of rows that stood there. Rows that are gone can be withdrawn (`live_items`). The transaction is
read-only where the database can; it is never committed.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    TextClause,
    and_,
    column,
    create_engine,
    event,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, Reading, ReadingFailed, cursor_of
from ratoon_ingestion.worker.connections.live_items import WITHDRAW, LiveItems
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.readers.values import NoCell, cell_text
from ratoon_ingestion.worker.readers.withdrawn import MARK

_PAGE = 1000
_MAX_KNOWN = 1_000_000
"""Rows within the overlap that are remembered."""
_MESSAGE_CHARS = 300
_POSITION_CHARS = 60
_AWAY = ("OperationalError", "InterfaceError", "DisconnectionError")


@dataclass
class _Position:
    """Last cursor value and key, and the marks of the rows within the overlap with their cursor values."""

    cursor: Any = None
    key: Any = None
    known: dict[str, Any] | None = None
    below: int | None = None
    """Number of rows that later readings do not meet; None: of a release that did not count them."""
    overlap: float = 0.0
    """Overlap with which they were counted."""

    @staticmethod
    def read(stored: JSON) -> "_Position":
        if not stored:
            return _Position(known={})
        known = {mark: _value(value) for mark, value in stored.get("known", {}).items()}
        return _Position(_value(stored["cursor"]), _value(stored["key"]), known, *stored.get("below", ()))

    def stored(self) -> JSON:
        if self.cursor is None:
            return {}
        known = {mark: _json(value) for mark, value in (self.known or {}).items()}
        pair = {"cursor": _json(self.cursor), "key": _json(self.key), "known": known}
        return pair if self.below is None else {**pair, "below": [self.below, self.overlap]}


def read_rows(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read at most `max_items` rows and `max_bytes` that follow the position, into one blob of JSON Lines."""
    reading, cursor = Reading(), cursor_of(store, spec.cursor)
    live = LiveItems(spec, store, cursor, reading)
    position = _Position.read(
        {name: value for name, value in cursor.items() if name not in ("live", "withdrawn")}
    )
    path = folder / "rows.jsonl"
    try:
        with _connected(spec, credentials) as connection, path.open("w", encoding="utf-8") as sink:
            query = _Query(spec, connection)
            query.check_columns()
            query.count_unreachable(reading)
            query.count_late(position, reading)
            _copy(query, position, reading, live, sink.write, spec, report)
            query.remove_absent(live, reading)
            position.below, position.overlap = query.count_below(position), spec.overlap
        if reading.taken:
            digest = store.put_file(path)
            reading.blobs.append(pb.ReadingResult.Blob(digest=digest, records=reading.taken))
    finally:
        path.unlink(missing_ok=True)
    shown = (
        "" if position.cursor is None else f"{spec.cursor_column} {str(position.cursor)[:_POSITION_CHARS]}"
    )
    return reading.result(store, {**position.stored(), **live.stored()}, shown)


class _Query:
    """The query of a connection as a table, whose rows come in the order of cursor and key."""

    def __init__(self, spec: pb.ReadingSpec, connection: Connection) -> None:
        self._spec, self._connection = spec, connection
        self._withdraws = spec.vanished == WITHDRAW
        self.cursor: ColumnElement[Any] = column(spec.cursor_column)
        self.key: ColumnElement[Any] = column(spec.key_column)

    def check_columns(self) -> None:
        """Refuse a result without the cursor or the key, or with two columns of one name."""
        names = list(self._connection.execute(self._select(literal_column("*")).limit(0)).keys())
        for name in (self._spec.cursor_column, self._spec.key_column):
            if name not in names:
                raise ReadingFailed(
                    "BAD_QUERY", f"The query gives no column {name}, only {', '.join(names)}."
                )
        if len(set(names)) < len(names):
            raise ReadingFailed("BAD_QUERY", "The query gives two columns of one name; rename one with AS.")

    def count_unreachable(self, reading: Reading) -> None:
        """Count the rows that are never read, since they have no cursor value or no key."""
        missing = or_(self.cursor.is_(None), self.key.is_(None))
        query = self._select(func.count()).where(missing)
        if count := int(self._connection.execute(query).scalar_one()):
            names = f"{self._spec.cursor_column} or {self._spec.key_column}"
            reading.skip("CURSOR_MISSING", f"{count:,} rows have no {names}: they are never read.", count)

    def count_late(self, position: _Position, reading: Reading) -> None:
        """Count the rows that appeared where no later reading looks."""
        if position.below is None or position.overlap != self._spec.overlap:
            return
        late = self.count_below(position) - position.below
        if late < 0 and not self._withdraws:
            reading.vanished = -late
            reading.note(f"{-late:,} rows that were read before are gone; their records stay.")
        if late > 0:
            reading.skip(
                "BEHIND_POSITION",
                f"{late:,} rows appeared up to {self._spec.cursor_column} {str(position.cursor)[:_POSITION_CHARS]}, "
                "the position: they are not read. Set a larger overlap, or give them a newer value.",
                late,
            )

    def remove_absent(self, live: LiveItems, reading: Reading) -> None:
        """Withdraw the rows whose key is gone. All keys are read."""
        if not live.is_on:
            return
        query = self._select(self.key).where(self.key.is_not(None))
        with self._connection.execution_options(yield_per=_PAGE).execute(query) as result:
            gone = live.remove_absent(_key_name(row[0]) for row in result)
        if gone:
            reading.vanished = gone
            reading.note(f"{gone:,} rows that were read before are gone; they are withdrawn.")

    def count_below(self, position: _Position) -> int:
        """Return the number of rows that readings from a position on do not meet."""
        if position.cursor is None:
            return 0
        if self._spec.overlap:
            return self._count(self.cursor < overlap_begin(position.cursor, self._spec.overlap))
        same = and_(self.cursor == position.cursor, self.key <= position.key)
        return self._count(or_(self.cursor < position.cursor, same))

    def _count(self, which: ColumnElement[bool]) -> int:
        return int(self._connection.execute(self._select(func.count()).where(which)).scalar_one())

    def rows(self, position: _Position, limit: int) -> Generator[Mapping[str, Any], None, None]:
        """Yield rows that follow the position, from the begin of the overlap on."""
        query = self._select(literal_column("*")).order_by(self.cursor, self.key).limit(limit)
        query = query.where(self.cursor.is_not(None), self.key.is_not(None))
        if (after := self._after(position)) is not None:
            query = query.where(after)
        with self._connection.execution_options(yield_per=_PAGE).execute(query) as result:
            for row in result.mappings():
                yield cast(Mapping[str, Any], row)

    def _after(self, position: _Position) -> ColumnElement[bool] | None:
        if position.cursor is None:
            return None
        if self._spec.overlap:
            begin: ColumnElement[bool] = self.cursor >= overlap_begin(position.cursor, self._spec.overlap)
            return begin
        same = and_(self.cursor == position.cursor, self.key > position.key)
        return or_(self.cursor > position.cursor, same)

    def _select(self, what: Any) -> Select[Any]:
        return select(what).select_from(self._table())

    def _table(self) -> TextClause:
        """Return the query as a table; a comment at its end does not hide the bracket, colons are no parameters."""
        escaped = self._spec.query.replace(":", "\\:")
        return text(f"({escaped}\n) AS ratoon_rows")


def _copy(
    query: _Query,
    position: _Position,
    reading: Reading,
    live: LiveItems,
    write: Callable[[str], object],
    spec: pb.ReadingSpec,
    report: Progress,
) -> None:
    """Write the rows that are not known, and move the position with them."""
    known: dict[str, Any] = dict(position.known or {})
    rows = query.rows(position, spec.max_items + len(known) + 1)
    with closing(rows):
        for row in rows:
            reading.listed += 1
            cursor, key = row[spec.cursor_column], row[spec.key_column]
            mark = _mark(cursor, key)
            if mark in known:
                continue
            cells = {name: _cell(value) for name, value in row.items()}
            if live.is_on:
                cells[MARK] = mark
            line = json.dumps(cells, ensure_ascii=False) + "\n"
            size = len(line.encode("utf-8", "replace"))
            if reading.taken == spec.max_items or (
                reading.taken and reading.size_bytes + size > spec.max_bytes
            ):
                reading.more = True
                break
            if size > spec.max_bytes:
                reading.skip("TOO_LARGE", f"A row has {size:,} bytes, more than max_bytes.")
            else:
                write(line)
                live.put(_key_name(key), 0, mark)
                reading.taken += 1
                reading.size_bytes += size
            if position.cursor is None or not cursor < position.cursor:
                position.cursor, position.key = cursor, key
            if spec.overlap:
                known[mark] = cursor
            if reading.taken % _PAGE == 0:
                report(min(1.0, reading.taken / spec.max_items), "Reading", done=reading.taken, unit="rows")
    position.known = _within(known, position.cursor, spec.overlap)


def _within(known: dict[str, Any], cursor: Any, overlap: float) -> dict[str, Any]:
    """Return the marks of rows that the next reading meets again."""
    if not overlap or cursor is None:
        return {}
    begin = overlap_begin(cursor, overlap)
    within = {mark: value for mark, value in known.items() if not value < begin}
    if len(within) > _MAX_KNOWN:
        raise ReadingFailed(
            "OVERLAP_TOO_LARGE", f"The overlap holds more than {_MAX_KNOWN:,} rows. Make it smaller."
        )
    return within


def overlap_begin(cursor: Any, overlap: float) -> Any:
    """Return the cursor value from which rows are read again; ReadingFailed if it is no number and no time."""
    if isinstance(cursor, datetime):
        return cursor - timedelta(seconds=overlap)
    if isinstance(cursor, date):
        return cursor - timedelta(days=-(-overlap // 86_400))
    if isinstance(cursor, Decimal):
        return cursor - Decimal(str(overlap))
    if isinstance(cursor, int | float):
        return cursor - overlap
    raise ReadingFailed(
        "OVERLAP_NOT_SUPPORTED",
        f"overlap needs a cursor column of numbers or times, not {type(cursor).__name__}. Set it to 0.",
    )


@contextmanager
def _connected(spec: pb.ReadingSpec, credentials: JSON) -> Iterator[Connection]:
    """Connect for one transaction, which is read-only where the database can and is always rolled back."""
    try:
        engine = _engine(make_url(spec.url), credentials)
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection
            connection.rollback()
    except (NoSuchModuleError, ImportError) as error:
        raise ReadingFailed(
            "DRIVER_MISSING", f"The driver of {spec.url} is not installed where data are read: {error}."
        ) from None
    except DBAPIError as error:
        away = type(error).__name__ in _AWAY and not isinstance(error.orig, sqlite3.Error)
        why = str(error.orig).strip().partition("\n")[0][:_MESSAGE_CHARS]
        raise ReadingFailed(
            "DATABASE_AWAY" if away else "DATABASE_REFUSED", f"{spec.url} refused the query: {why}."
        ) from None
    except SQLAlchemyError as error:
        raise ReadingFailed(
            "DATABASE_REFUSED", f"{spec.url} cannot be read ({type(error).__name__})."
        ) from None


def _engine(url: URL, credentials: JSON) -> Engine:
    url = url.set(**{name: credentials[name] for name in ("username", "password") if name in credentials})
    if url.get_backend_name() == "sqlite":
        path = f"file:{quote(url.database or '')}?mode=ro"
        return create_engine("sqlite://", creator=lambda: sqlite3.connect(path, uri=True), poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool)
    if url.get_backend_name() in ("mysql", "mariadb"):
        event.listen(engine, "connect", _read_only)
    return engine


def _read_only(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _cell(value: object) -> object:
    """Return a value as JSON; the reader of JSON Lines then gives the text that any table gives for it."""
    if value is None or isinstance(value, bool | int | str | list | dict):
        return value
    try:
        return cell_text(bytes(value) if isinstance(value, memoryview | bytearray) else value)
    except NoCell:
        return None


def _key_name(key: Any) -> str:
    return hashlib.sha256(json.dumps(_json(key)).encode()).hexdigest()[:24]


def _mark(cursor: Any, key: Any) -> str:
    return hashlib.sha256(json.dumps([_json(cursor), _json(key)]).encode()).hexdigest()[:24]


def _json(value: Any) -> Any:
    """Return a cursor value or a key as JSON that keeps its type."""
    match value:
        case bool() | int() | float() | str():
            return value
        case datetime():
            return {"time": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case bytes():
            return {"bytes": value.hex()}
    return {"text": str(value)}


def _value(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    ((kind, value),) = stored.items()
    readers: dict[str, Callable[[str], Any]] = {
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
        "bytes": bytes.fromhex,
        "text": str,
    }
    return readers[kind](value)
