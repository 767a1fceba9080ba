"""The inbox: which events each consumer group has handled, kept in the service's database with their effects.

It also keeps the last revision seen of each key, so that an older event never follows a newer one. Marks
outlive the log's retention; `replay` lifts one.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    text,
)

from ratoon.events.cloudevents import Event, event_of
from ratoon.events.ports import DAY_S, EventLog, Record

REMEMBER_S = 60 * DAY_S
"""Longer than any topic keeps its records, dead letters included."""

HANDLED, SUPERSEDED, PARKED, REPLAY = "HANDLED", "SUPERSEDED", "PARKED", "REPLAY"

Publish = Callable[[Connection, Record], None]
"""Appends a record to the service's outbox, in the caller's transaction."""


class Transactions(Protocol):
    """The service's database; `ratoon.storage.database.Database` is one."""

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that commits on a clean exit."""
        ...


def inbox_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Return the tables `inbox_events` and `inbox_revisions`, the same in every service; times in ms since 1970."""
    events = Table(
        "inbox_events",
        metadata,
        Column("consumer_group", String(100), primary_key=True),
        Column("event_id", String(255), primary_key=True),
        Column("outcome", String(20), nullable=False),
        Column("time", BigInteger, nullable=False),
        Index("ix_inbox_events_time", "time"),
    )
    revisions = Table(
        "inbox_revisions",
        metadata,
        Column("consumer_group", String(100), primary_key=True),
        Column("topic", String(200), primary_key=True),
        Column("key", LargeBinary(1024), primary_key=True),
        Column("revision", BigInteger, nullable=False),
        Column("time", BigInteger, nullable=False),
        Index("ix_inbox_revisions_time", "time"),
    )
    return events, revisions


_EVENTS, _REVISIONS = inbox_tables(MetaData())

_Key = tuple[str, bytes]


class Marks:
    """Marks of a group for a batch of events: read when a transaction starts, written at its end."""

    def __init__(self, connection: Connection, group: str, now: datetime) -> None:
        self._connection, self._group = connection, group
        self._time = _milliseconds(now)
        self._outcomes: dict[str, str] = {}
        self._revisions: dict[_Key, int] = {}
        self._new_outcomes: dict[str, str] = {}
        self._new_revisions: dict[_Key, int] = {}

    def load(self, ids: Collection[str], keys: Collection[_Key]) -> None:
        """Read what is known of these events and keys."""
        query = select(_EVENTS.c.event_id, _EVENTS.c.outcome).where(
            _EVENTS.c.consumer_group == self._group, _EVENTS.c.event_id.in_(set(ids))
        )
        self._outcomes = {row.event_id: row.outcome for row in self._connection.execute(query)}
        latest = select(_REVISIONS.c.topic, _REVISIONS.c.key, _REVISIONS.c.revision).where(
            _REVISIONS.c.consumer_group == self._group,
            _REVISIONS.c.topic.in_({topic for topic, _ in keys}),
            _REVISIONS.c.key.in_({key for _, key in keys}),
        )
        self._revisions = {(row.topic, row.key): row.revision for row in self._connection.execute(latest)}

    def outcome(self, event_id: str) -> str:
        """Return the outcome of this event, empty without one."""
        return self._new_outcomes.get(event_id) or self._outcomes.get(event_id, "")

    def is_older(self, event: Event) -> bool:
        """Return whether a later revision of its resource has been handled already."""
        key = (event.topic, event.subject.encode())
        last = self._new_revisions.get(key, self._revisions.get(key, 0))
        return 0 < event.revision < last

    def handled(self, event: Event) -> None:
        """The event's effect is in this transaction."""
        self._new_outcomes[event.id] = HANDLED
        if event.revision and not self.is_older(event):
            self._new_revisions[(event.topic, event.subject.encode())] = event.revision

    def set_aside(self, event_id: str, outcome: str) -> None:
        """The event has no effect: SUPERSEDED or PARKED."""
        self._new_outcomes[event_id] = outcome

    def save(self) -> None:
        """Write what has changed; a consumer that handles the same event at the same time fails here."""
        if self._new_outcomes:
            lifted = [event_id for event_id in self._new_outcomes if event_id in self._outcomes]
            _forget(self._connection, self._group, lifted)
            rows = [
                {"consumer_group": self._group, "event_id": event_id, "outcome": outcome, "time": self._time}
                for event_id, outcome in self._new_outcomes.items()
            ]
            self._connection.execute(insert(_EVENTS), rows)
        if self._new_revisions:
            rows = [
                {"group": self._group, "topic": topic, "key": key, "revision": revision, "time": self._time}
                for (topic, key), revision in self._new_revisions.items()
            ]
            self._connection.execute(_RAISE_REVISION, rows)


_RAISE_REVISION = text(
    "INSERT INTO inbox_revisions (consumer_group, topic, key, revision, time)"
    " VALUES (:group, :topic, :key, :revision, :time)"
    " ON CONFLICT (consumer_group, topic, key)"
    " DO UPDATE SET revision = excluded.revision, time = excluded.time"
    " WHERE excluded.revision >= inbox_revisions.revision"
)


def replay(connection: Connection, publish: Publish, group: str, record: Record, now: datetime) -> None:
    """Have one group handle an event again, whatever its revision: lift its mark, publish it once more.

    Other groups see the same event id and pass over it. MalformedEvent for what no group could ever handle.
    """
    event = event_of(record)
    _forget(connection, group, [event.id], (HANDLED, SUPERSEDED, PARKED, REPLAY))
    row = {"consumer_group": group, "event_id": event.id, "outcome": REPLAY, "time": _milliseconds(now)}
    connection.execute(insert(_EVENTS), row)
    publish(connection, record)


def replay_topic(
    database: Transactions, publish: Publish, log: EventLog, group: str, topic: str, now: datetime
) -> int:
    """Have one group handle again all that a topic still keeps; how many events it is."""
    records = {event_of(each.record).id: each.record for each in log.scan(topic)}
    with database.write() as connection:
        for record in records.values():
            replay(connection, publish, group, record, now)
    return len(records)


def prune(connection: Connection, now: datetime, keep_s: float = REMEMBER_S) -> None:
    """Forget what is older than any log keeps."""
    before = _milliseconds(now) - int(keep_s * 1000)
    connection.execute(delete(_EVENTS).where(_EVENTS.c.time < before))
    connection.execute(delete(_REVISIONS).where(_REVISIONS.c.time < before))


def _forget(
    connection: Connection, group: str, ids: Sequence[str], outcomes: Collection[str] = (REPLAY,)
) -> None:
    ours = _EVENTS.c.consumer_group == group
    chosen = _EVENTS.c.event_id.in_(ids) & _EVENTS.c.outcome.in_(outcomes)
    if ids:
        connection.execute(delete(_EVENTS).where(ours & chosen))


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
