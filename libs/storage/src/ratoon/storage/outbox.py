"""The transactional outbox: events commit with the service's state, one relay at a time publishes them to the log.

The relay asks for rows that are still there, never for "id > last": numbers do not follow the order of
commits. A row goes when the log has it, so a crash in between publishes it twice, with the same event id.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from ratoon.events.headers import headers_of, headers_text
from ratoon.events.holder import holder, is_gone
from ratoon.events.ports import (
    EventLog,
    EventLogError,
    LogUnavailable,
    Record,
    RecordRefused,
    Topic,
    checked,
    with_dead_letters,
)
from ratoon.process.backoff import Backoff
from ratoon.process.clock import Clock
from ratoon.process.loop import BackgroundLoop
from ratoon.storage.database import Database

BATCH = 500
POLL_INTERVAL_S = 1.0
LEASE_S = 10.0
_LOG = logging.getLogger(__name__)
_BACKOFF = Backoff(2.0, 30.0)
"""Delays before a refused event is sent again; a refused topic always waits for the first of them."""
_LOOK_AHEAD = 20
"""Maximum number of batches that are searched for events that do not wait behind a refused one."""

_Row = Row[tuple[int, str, bytes, bytes, str]]


def outbox_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Return the tables `outbox` and `outbox_lease`, the same in every service."""
    number = BigInteger().with_variant(Integer, "sqlite")
    outbox = Table(
        "outbox",
        metadata,
        Column("id", number, primary_key=True, autoincrement=True),
        Column("topic", String(200), nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    lease = Table(
        "outbox_lease",
        metadata,
        Column("name", String(20), primary_key=True),
        Column("holder", String(200), nullable=False),
        Column("expires", Float, nullable=False),
    )
    return outbox, lease


_OUTBOX, _LEASE = outbox_tables(MetaData())


def append(connection: Connection, record: Record) -> None:
    """Publish a record when, and only when, this transaction commits; RecordRefused when it is too large."""
    headers = headers_text(checked(record))
    row = {"topic": record.topic, "key": record.key, "value": record.value, "headers": headers}
    connection.execute(insert(_OUTBOX), row)


def waiting(connection: Connection) -> int:
    """Return the number of records that the log does not have yet."""
    return connection.execute(select(func.count()).select_from(_OUTBOX)).scalar_one()


@dataclass(frozen=True)
class Waiting:
    """An event that the log does not have yet."""

    topic: str
    event_id: str
    bytes: int
    time: datetime | None
    """Time of the event."""


def oldest(connection: Connection) -> Waiting | None:
    """The event that waits longest for the log; None when none waits."""
    row = connection.execute(select(_OUTBOX).order_by(_OUTBOX.c.id).limit(1)).first()
    if row is None:
        return None
    headers = dict(headers_of(row.headers))
    try:
        time = datetime.fromisoformat(headers.get("ce_time", b"").decode())
    except ValueError:
        time = None
    return Waiting(row.topic, headers.get("ce_id", b"").decode("utf-8", "replace"), _size(row), time)


def _size(row: _Row) -> int:
    return len(row.key) + len(row.value) + len(row.headers)


@dataclass
class _Refusal:
    """An event that the log refused: until when it waits, and what waits behind it."""

    lane: tuple[str, bytes]
    until: float
    failures: int


@dataclass
class Published:
    """Counts of a relay since its process started."""

    records: int = 0
    batches: int = 0
    failures: int = 0
    refused: int = 0
    """Events that the log refuses now; they wait and are tried again."""


class Relay:
    """Relay of one service's outbox to the log, on its own thread; one relay of a service works at a time."""

    def __init__(
        self, name: str, database: Database, log: EventLog, clock: Clock, topics: Collection[Topic]
    ) -> None:
        """`name` is the service's, `topics` are those that it owns: created here, each with its dead letters."""
        self._database, self._log, self._topics = database, log, list(topics)
        self._clock = clock
        self._lease = _Lease(database, clock)
        self._topics_exist = not topics
        self._blocked: dict[str, float] = {}
        self._refused: dict[int, _Refusal] = {}
        self._loop = BackgroundLoop(f"{name}-relay", self._step)
        self.published = Published()
        database.on_commit(self._loop.wake)

    def start(self) -> None:
        """Begin; nothing of the log is needed for that."""
        self._loop.start()

    def stop(self) -> None:
        """Publish the batch in hand and let another relay go on."""
        self._loop.stop()
        self._lease.release()

    def age(self, waiting: Waiting | None) -> float:
        """Seconds since an event happened; 0 for none, or where it does not say."""
        if waiting is None or waiting.time is None:
            return 0.0
        return max(0.0, (self._clock.now() - waiting.time).total_seconds())

    def _step(self) -> float:
        if not self._topics_exist:
            self._log.create_topics(with_dead_letters(self._topics))
            self._topics_exist = True
        with self._database.read() as connection:
            rows = self._pending(connection)
        if not rows or not self._lease.hold():
            return POLL_INTERVAL_S
        done = self._publish(rows)
        if done:
            with self._database.write() as connection:
                connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(done)))
        return 0.0 if len(rows) == BATCH else POLL_INTERVAL_S

    def _pending(self, connection: Connection) -> Sequence[_Row]:
        """The next events. Later events of a refused one's key wait with it: their order is kept."""
        now = self._clock.monotonic()
        self._blocked = {topic: until for topic, until in self._blocked.items() if until > now}
        waiting = {refusal.lane for refusal in self._refused.values() if refusal.until > now}
        after = 0
        for _ in range(_LOOK_AHEAD):
            query = select(_OUTBOX).where(_OUTBOX.c.id > after).order_by(_OUTBOX.c.id).limit(BATCH)
            if self._blocked:
                query = query.where(_OUTBOX.c.topic.not_in(self._blocked))
            rows = connection.execute(query).all()
            free = [row for row in rows if (row.topic, row.key) not in waiting]
            if free or len(rows) < BATCH:
                return free
            after = rows[-1].id
        return []

    def _publish(self, rows: Sequence[_Row]) -> list[int]:
        """Append by topic, so that one that fails does not stop others; the ids of what the log has now."""
        topics: dict[str, list[_Row]] = defaultdict(list)
        for row in rows:
            topics[row.topic].append(row)
        done: list[int] = []
        for topic, ours in topics.items():
            try:
                done += self._append(ours)
            except LogUnavailable:
                self.published.failures += 1
                if done:
                    break
                raise
            except EventLogError as error:
                self.published.failures += 1
                self._blocked[topic] = self._clock.monotonic() + _BACKOFF.initial_s
                _LOG.warning("events of %s wait: %s", topic, error)
        for each in done:
            self._refused.pop(each, None)
        self.published.refused = len(self._refused)
        self.published.records += len(done)
        self.published.batches += 1
        return done

    def _append(self, rows: Sequence[_Row]) -> list[int]:
        """Append events of one topic; one that the log refuses does not stop the others."""
        try:
            self._log.append([_record(row) for row in rows])
        except RecordRefused as error:
            if len(rows) == 1:
                self._refuse(rows[0], error)
                return []
            return self._append_singly(rows)
        return [row.id for row in rows]

    def _append_singly(self, rows: Sequence[_Row]) -> list[int]:
        done: list[int] = []
        lanes: set[tuple[str, bytes]] = set()
        for row in rows:
            lane = (row.topic, row.key)
            if lane in lanes:
                continue
            try:
                self._log.append([_record(row)])
            except RecordRefused as error:
                self._refuse(row, error)
                lanes.add(lane)
            except LogUnavailable:
                self.published.failures += 1
                break
            else:
                done.append(row.id)
        return done

    def _refuse(self, row: _Row, error: RecordRefused) -> None:
        """Let an event wait, longer each time; the log names it once."""
        self.published.failures += 1
        known = self._refused.get(row.id)
        failures = known.failures + 1 if known else 1
        until = self._clock.monotonic() + _BACKOFF.delay_s(failures)
        self._refused[row.id] = _Refusal((row.topic, row.key), until, failures)
        if known is None:
            event_id = dict(headers_of(row.headers)).get("ce_id", b"").decode("utf-8", "replace")
            _LOG.error(
                "event %s of %s (%d bytes) waits in the outbox and is tried again: %s",
                *(event_id, row.topic, _size(row), error),
            )


def _record(row: _Row) -> Record:
    return Record(row.topic, row.key, row.value, headers_of(row.headers))


class _Lease:
    """The right to publish from one outbox: PostgreSQL's time, or the boot clock on one machine."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._me = holder()
        self._until = 0.0

    def hold(self) -> bool:
        """Return whether we have it; taken or renewed when the old one is half over."""
        if self._clock.monotonic() < self._until - LEASE_S / 2:
            return True
        now = self._clock.monotonic()
        with self._database.write() as connection:
            held = self._take(connection)
        self._until = now + LEASE_S if held else 0.0
        return held

    def release(self) -> None:
        """Give it up."""
        if self._until:
            with self._database.write() as connection:
                connection.execute(delete(_LEASE).where(_LEASE.c.holder == self._me))
            self._until = 0.0

    def _take(self, connection: Connection) -> bool:
        now = self._now(connection)
        row = connection.execute(select(_LEASE).with_for_update()).first()
        if row is None:
            ours = {"name": "relay", "holder": self._me, "expires": now + LEASE_S}
            connection.execute(insert(_LEASE), ours)
            return True
        # An end further away than a whole lease was written before the machine restarted its clock.
        runs = now < row.expires <= now + LEASE_S
        if row.holder != self._me and runs and not is_gone(row.holder):
            return False
        connection.execute(update(_LEASE).values(holder=self._me, expires=now + LEASE_S))
        return True

    def _now(self, connection: Connection) -> float:
        if self._database.is_sqlite:
            return self._clock.monotonic()
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
