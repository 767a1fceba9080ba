"""Both event logs as tests need them, and a small service whose state, outbox, inbox and effects can be checked.

Each log can be opened as often as processes would, taken away for a while, and made to lose an acknowledgement.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, func, insert, select, update

from ratoon.events.cloudevents import Event
from ratoon.events.consumer import Consumer, RetryPolicy
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.inbox import inbox_tables
from ratoon.events.ports import EventLog, LogUnavailable, Topic
from ratoon.process.backoff import Backoff
from ratoon.process.clock import SystemClock
from ratoon.storage import outbox
from ratoon.storage.database import Database

if TYPE_CHECKING:
    from ratoon.testkit.kafka import Broker

CLOCK = SystemClock()
LEASE_S = 2.0
POISON = b"poison"


class LogUnderTest(Protocol):
    """One of the two logs."""

    def spec(self) -> dict[str, str]:
        """Return what another process needs to open it: `open_log(spec)`."""
        ...

    def open(self) -> EventLog:
        """The log as one more process would open it."""
        ...

    def away(self) -> contextlib.AbstractContextManager[None]:
        """Nothing can be appended or committed meanwhile."""
        ...

    def lose_acknowledgement(self, log: EventLog) -> None:
        """The next append succeeds, but this log does not learn of it."""
        ...

    def restart(self) -> None:
        """End what serves the log as a crash would, and start it again."""
        ...


class EmbeddedUnderTest:
    """The embedded log in a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def spec(self) -> dict[str, str]:
        """Its directory."""
        return {"folder": str(self._folder)}

    def open(self) -> EventLog:
        """One more log object on the directory."""
        return open_log(self.spec())

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Another process holds the file's write lock."""
        self.open().create_topics([])
        holder = sqlite3.connect(self._folder / "events.sqlite", isolation_level=None, timeout=30.0)
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            holder.close()

    def lose_acknowledgement(self, log: EventLog) -> None:
        """The next commit succeeds and is then reported as failed."""
        file: Any = log._file  # type: ignore[attr-defined]
        write = file.write

        @contextlib.contextmanager
        def losing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
            with write(connection):
                yield connection
            file.write = write
            raise LogUnavailable("The acknowledgement was lost.")

        file.write = losing

    def restart(self) -> None:
        """Nothing serves it."""


class KafkaUnderTest:
    """A real Kafka, reached over a wire that can be cut."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker

    def spec(self) -> dict[str, str]:
        """Its address."""
        return {"bootstrap": self._broker.wired}

    def open(self) -> EventLog:
        """One more client."""
        return open_log(self.spec())

    def away(self) -> contextlib.AbstractContextManager[None]:
        """The wire is cut."""
        return self._broker.wire.away()

    def lose_acknowledgement(self, log: EventLog) -> None:
        """The wire is cut when the broker has taken the batch."""
        self._broker.wire.lose_acknowledgement()

    def restart(self) -> None:
        """The broker is killed and started again."""
        self._broker.kill()
        self._broker.start()


def open_log(spec: dict[str, str]) -> EventLog:
    """A log from what `LogUnderTest.spec` says."""
    if "folder" in spec:
        return EmbeddedLog(
            Path(spec["folder"]), CLOCK, lease_s=LEASE_S, busy_timeout_s=0.3, expire_every_s=0.1
        )
    from ratoon.events.kafka import KafkaLog, KafkaSettings  # a process with the embedded log does without

    return KafkaLog(KafkaSettings(bootstrap=spec["bootstrap"], timeout_s=5.0, session_s=LEASE_S))


@dataclass(frozen=True)
class Effect:
    """Effect that the service's handler wrote for one event."""

    event_id: str
    subject: str
    revision: int


class SampleService:
    """A service that changes things, publishes the changes, consumes them and writes an effect for each."""

    def __init__(self, database: Database, log: EventLog, topic: str) -> None:
        self.database, self.log, self.topic = database, log, topic
        metadata = MetaData()
        outbox.outbox_tables(metadata)
        inbox_tables(metadata)
        self._things = Table(
            "things", metadata, Column("name", String, primary_key=True), Column("revision", Integer)
        )
        self._effects = Table(
            "effects",
            metadata,
            Column("id", Integer, primary_key=True),
            *(Column("event_id", String), Column("subject", String), Column("revision", Integer)),
        )
        with self.database.write() as connection:
            metadata.create_all(connection)

    def relay(self) -> outbox.Relay:
        """Return a relay of the service's outbox."""
        return outbox.Relay("service", self.database, self.log, CLOCK, [Topic(self.topic, partitions=2)])

    def consumer(
        self, handler: Callable[[Event, Connection], None] | None = None, batch: int = 3
    ) -> Consumer:
        """Return a consumer of the service's own topic, as the group named after it."""
        return Consumer(
            self.topic,
            [self.topic],
            handler or self.apply,
            log=self.log,
            database=self.database,
            publish=outbox.append,
            clock=CLOCK,
            retry=RetryPolicy(attempts=2, backoff=Backoff(0.05, 30.0)),
            batch=batch,
            idle_s=0.1,
        )

    def change(self, name: str, data: bytes = b"changed") -> Event:
        """Change a thing and publish that, in one transaction."""
        with self.database.write() as connection:
            return self.change_in(connection, name, data)

    def change_in(self, connection: Connection, name: str, data: bytes = b"changed") -> Event:
        """Change a thing and publish that, in this transaction."""
        query = select(self._things.c.revision).where(self._things.c.name == name)
        revision = (connection.execute(query).scalar() or 0) + 1
        if revision == 1:
            connection.execute(insert(self._things), {"name": name, "revision": revision})
        else:
            bump = update(self._things).where(self._things.c.name == name).values(revision=revision)
            connection.execute(bump)
        event = self.event(name, revision, data)
        outbox.append(connection, event.record())
        return event

    def event(self, name: str, revision: int, data: bytes = b"changed") -> Event:
        """Return an event of the service's topic."""
        return Event(self.topic, "ratoon.test.v1.Changed", "thing", name, CLOCK.now(), data, revision)

    def apply(self, event: Event, connection: Connection) -> None:
        """Write the event's effect, unless it is poison."""
        effect = {"event_id": event.id, "subject": event.subject, "revision": event.revision}
        connection.execute(insert(self._effects), effect)
        if event.data == POISON:
            raise ValueError("this event cannot be handled: a person's text")

    def effects(self) -> list[Effect]:
        """All effects in the order they were written."""
        with self.database.read() as connection:
            rows = connection.execute(select(self._effects).order_by(self._effects.c.id))
            return [Effect(row.event_id, row.subject, row.revision) for row in rows]

    def changes(self) -> int:
        """Return how many changes were committed."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.sum(self._things.c.revision))).scalar() or 0)

    def waiting(self) -> int:
        """Return how many records the log does not have yet."""
        with self.database.read() as connection:
            return outbox.waiting(connection)

    @contextlib.contextmanager
    def running(self) -> Iterator[Consumer]:
        """Run the service with its relay and one consumer."""
        relay, consumer = self.relay(), self.consumer()
        relay.start()
        consumer.start()
        try:
            yield consumer
        finally:
            consumer.stop()
            relay.stop()
