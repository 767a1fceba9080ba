"""The embedded log itself: topics, appending, scanning and retention in one SQLite file.

An append is one transaction that is on disk when it returns. It carries a producer's number and sequence, so
that an append whose success could not be seen is tried again without a second copy.
"""

import sqlite3
import threading
import uuid
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ratoon.events.embedded.schema import LogFile
from ratoon.events.embedded.subscription import EmbeddedSubscription, deliveries
from ratoon.events.embedded.wake import wake
from ratoon.events.headers import headers_text
from ratoon.events.ports import (
    DAY_S,
    Clock,
    Delivery,
    LogUnavailable,
    Partition,
    Record,
    Topic,
    UnknownTopic,
    checked,
)

_EXPIRE_EVERY_S = 60.0
_SCAN = 500
_EXPIRE_ROWS = 2_000


class EmbeddedLog:
    """An `EventLog` in a directory of this machine, shared by any number of processes."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        lease_s: float = 10.0,
        busy_timeout_s: float = 10.0,
        expire_every_s: float = _EXPIRE_EVERY_S,
    ) -> None:
        """Opens nothing yet. A group's silent consumer is followed after `lease_s`, a killed one at once."""
        self._file = LogFile(folder / "events.sqlite", busy_timeout_s)
        self._bells = folder / "wake"
        self._clock, self._lease_s = clock, lease_s
        self._expire_every_s, self._expired = expire_every_s, 0.0
        self._producer, self._sequence = uuid.uuid4().hex, 0
        self._appending = threading.Lock()
        self._appender: sqlite3.Connection | None = None

    def create_topics(self, topics: Collection[Topic]) -> None:
        """Create those that do not exist."""
        with self._appending:
            connection = self._open()
            query = "SELECT name FROM topics"
            with self._file.errors():
                known = {name for (name,) in connection.execute(query)}
            missing = [topic for topic in topics if topic.name not in known]
            if missing:
                with self._file.write(connection):
                    for topic in missing:
                        _create(connection, topic)

    def append(self, records: Sequence[Record]) -> None:
        """Append in one transaction and wake who waits."""
        if not records:
            return
        batch = [checked(record) for record in records]
        with self._appending:
            self._sequence += 1
            try:
                self._append(batch)
            except LogUnavailable:
                self._append(batch)  # the sequence shows whether the first one was committed after all
            self._expire_sometimes()
        wake(self._bells, {record.topic for record in batch})

    def subscribe(self, group: str, topics: Collection[str]) -> EmbeddedSubscription:
        """Join a group; it becomes active when no other consumer of the group is."""
        return EmbeddedSubscription(self._file, self._bells, group, topics, self._clock, self._lease_s)

    def scan(self, topic: str) -> Iterator[Delivery]:
        """All records that the topic has now."""
        connection = self._file.connect("NORMAL")
        try:
            query = "SELECT number, id, next_offset FROM partitions WHERE topic = ? ORDER BY number"
            for number, ident, end in connection.execute(query, (topic,)).fetchall():
                yield from self._scan(connection, Partition(topic, number), ident, end)
        finally:
            connection.close()

    def bounds(self, topic: str) -> dict[Partition, range]:
        """The offsets that each partition has now."""
        connection = self._file.connect("NORMAL")
        query = (
            "SELECT number, next_offset, (SELECT min(offset) FROM records WHERE partition = id) "
            "FROM partitions WHERE topic = ? ORDER BY number"
        )
        try:
            with self._file.errors():
                rows = connection.execute(query, (topic,)).fetchall()
        finally:
            connection.close()
        if not rows:
            raise UnknownTopic(f"There is no topic {topic}.")
        return {
            Partition(topic, number): range(end if start is None else start, end)
            for number, end, start in rows
        }

    def read(self, partition: Partition, offsets: range) -> Iterator[Delivery]:
        """The records of a partition at these offsets."""
        connection = self._file.connect("NORMAL")
        query = "SELECT id FROM partitions WHERE topic = ? AND number = ?"
        try:
            row = connection.execute(query, partition).fetchone()
            if row is not None:
                yield from self._scan(connection, partition, row[0], offsets.stop, offsets.start)
        finally:
            connection.close()

    def close(self) -> None:
        """Close the file; subscriptions close their own."""
        with self._appending:
            if self._appender is not None:
                self._appender.close()
            self._appender = None

    def _open(self) -> sqlite3.Connection:
        if self._appender is None:
            self._appender = self._file.connect("FULL")
        return self._appender

    def _append(self, records: Sequence[Record]) -> None:
        connection = self._open()
        now = self._clock.now().timestamp()
        with self._file.write(connection):
            if self._was_appended(connection, now):
                return
            topics = defaultdict(list)
            for record in records:
                topics[record.topic].append(record)
            for topic, ours in topics.items():
                _insert(connection, topic, ours, now)

    def _was_appended(self, connection: sqlite3.Connection, now: float) -> bool:
        """Return whether this sequence is in the file; if not, it is from this transaction on."""
        query = "SELECT sequence FROM producers WHERE id = ?"
        row = connection.execute(query, (self._producer,)).fetchone()
        if row and row[0] >= self._sequence:
            return True
        connection.execute("REPLACE INTO producers VALUES (?, ?, ?)", (self._producer, self._sequence, now))
        return False

    def _scan(
        self, connection: sqlite3.Connection, partition: Partition, ident: int, end: int, offset: int = 0
    ) -> Iterator[Delivery]:
        while offset < end:
            with self._file.errors():
                batch = list(deliveries(connection, partition, ident, offset, _SCAN))
            if not batch:
                return
            yield from (delivery for delivery in batch if delivery.offset < end)
            offset = batch[-1].offset + 1

    def _expire_sometimes(self) -> None:
        if self._clock.monotonic() < self._expired + self._expire_every_s:
            return
        self._expired = self._clock.monotonic()
        with suppress(LogUnavailable):  # the records are appended, that is what counts
            self._expire()

    def _expire(self) -> None:
        """Drop what the topics need not keep, and producers that have long ended."""
        connection = self._open()
        now = self._clock.now().timestamp()
        query = "SELECT id, retention_s, retention_bytes FROM partitions JOIN topics ON name = topic"
        for ident, keep_s, keep_bytes in connection.execute(query).fetchall():
            while _drop(self._file, connection, ident, now - keep_s, keep_bytes) == _EXPIRE_ROWS:
                pass
        with self._file.write(connection):
            connection.execute("DELETE FROM producers WHERE time < ?", (now - DAY_S,))


def _create(connection: sqlite3.Connection, topic: Topic) -> None:
    insert = "INSERT INTO topics VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(insert, (topic.name, topic.retention_s, topic.retention_bytes))
    insert = "INSERT INTO partitions (topic, number) VALUES (?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(insert, [(topic.name, number) for number in range(topic.partitions)])


def _insert(connection: sqlite3.Connection, topic: str, records: Sequence[Record], now: float) -> None:
    """Append records of one topic, each to the partition of its key."""
    query = "SELECT id, next_offset, bytes FROM partitions WHERE topic = ? ORDER BY number"
    partitions = [list(row) for row in connection.execute(query, (topic,))]
    if not partitions:
        raise UnknownTopic(f"There is no topic {topic}; the service that owns it creates it when it starts.")
    rows = []
    for record in records:
        partition = partitions[zlib.crc32(record.key) % len(partitions)]
        headers = headers_text(record)
        rows.append((partition[0], partition[1], now, record.key, record.value, headers))
        partition[1] += 1
        partition[2] += len(record.key) + len(record.value) + len(headers)
    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
    update = "UPDATE partitions SET next_offset = ?, bytes = ? WHERE id = ?"
    connection.executemany(update, [(end, size, ident) for ident, end, size in partitions])


def _drop(file: LogFile, connection: sqlite3.Connection, ident: int, before: float, keep_bytes: int) -> int:
    """Drop up to a batch of a partition's oldest records beyond its retention; return their number."""
    with file.write(connection):
        query = "SELECT bytes FROM partitions WHERE id = ?"
        size = connection.execute(query, (ident,)).fetchone()[0]
        query = (
            "SELECT offset, time, length(key) + length(value) + length(headers) FROM records"
            " WHERE partition = ? ORDER BY offset LIMIT ?"
        )
        last, dropped = -1, 0
        for offset, time, length in connection.execute(query, (ident, _EXPIRE_ROWS)).fetchall():
            if time >= before and size <= keep_bytes:
                break
            last, size, dropped = offset, size - length, dropped + 1
        if dropped:
            connection.execute("DELETE FROM records WHERE partition = ? AND offset <= ?", (ident, last))
            connection.execute("UPDATE partitions SET bytes = ? WHERE id = ?", (size, ident))
    return dropped
