"""One consumer of a group of the embedded log: reads all partitions while it holds the group's lease."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ratoon.events.embedded.lease import GroupLease
from ratoon.events.embedded.schema import LogFile
from ratoon.events.embedded.wake import Bell
from ratoon.events.headers import headers_of
from ratoon.events.ports import Clock, Delivery, Fenced, Partition, Record

_RECORDS = (
    "SELECT offset, time, key, value, headers FROM records"
    " WHERE partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
)


class EmbeddedSubscription:
    """A `Subscription` of the embedded log."""

    def __init__(
        self, file: LogFile, bells: Path, group: str, topics: Collection[str], clock: Clock, lease_s: float
    ) -> None:
        self._file, self._bells, self._group, self._topics = file, bells, group, sorted(topics)
        self._clock = clock
        self._lease = GroupLease(file, group, clock, lease_s)
        self._connection: sqlite3.Connection | None = None
        self._bell: Bell | None = None
        self._held_fence = -1
        self._ids: dict[Partition, int] = {}
        self._positions: dict[Partition, int] = {}
        self._round = 0
        self._is_ending = False

    def poll(
        self, timeout_s: float, max_records: int = 500, held: Collection[Partition] = ()
    ) -> Sequence[Delivery]:
        """The next records; empty while another consumer of the group is active."""
        connection, bell = self._open()
        until = self._clock.monotonic() + timeout_s
        while True:
            records = self._read(connection, max_records, held) if self._active(connection) else []
            left = until - self._clock.monotonic()
            if records or left <= 0 or self._is_ending:
                return records
            bell.wait(left)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Remember the next offsets of the group, behind the fence."""
        connection, _ = self._open()
        rows = [(self._group, self._ids[partition], offset) for partition, offset in offsets.items()]
        try:
            with self._file.write(connection):
                self._lease.check(connection)
                connection.executemany(
                    "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
                    rows,
                )
        except Fenced:
            self._positions = {}
            self._held_fence = -1
            raise

    def seek(self, partition: Partition, offset: int) -> None:
        """Read this partition from here on."""
        if partition in self._positions:
            self._positions[partition] = offset

    def lag(self) -> int:
        """Return how many records remain to be read; 0 while another consumer of the group is active."""
        connection, _ = self._open()
        with self._file.errors():
            ends = self._ends(connection)
        return sum(end - self._positions[each] for each, _, end in ends if each in self._positions)

    def end_polls(self) -> None:
        """Let the poll in progress and later ones return at once; safe on any thread."""
        self._is_ending = True
        if (bell := self._bell) is not None:
            bell.ring()

    def close(self) -> None:
        """Leave the group."""
        if self._connection is None or self._bell is None:
            return
        try:
            self._lease.release(self._connection)
        finally:
            self._bell.close()
            self._connection.close()
            self._connection = self._bell = None

    def _open(self) -> tuple[sqlite3.Connection, Bell]:
        if self._connection is None or self._bell is None:
            self._connection = self._file.connect("NORMAL")
            with self._file.errors():
                self._bell = Bell(self._bells, self._topics)
        return self._connection, self._bell

    def _active(self, connection: sqlite3.Connection) -> bool:
        """Return whether the group is ours; a group newly ours is read from its committed offsets."""
        if not self._lease.hold(connection):
            return False
        if self._lease.fence != self._held_fence:
            self._ids, self._positions = {}, {}
            self._held_fence = self._lease.fence
        return True

    def _read(
        self, connection: sqlite3.Connection, max_records: int, held: Collection[Partition]
    ) -> list[Delivery]:
        with self._file.errors():
            behind = [each for each in self._behind(connection) if each not in held]
            self._round += 1
            records: list[Delivery] = []
            for index in range(len(behind)):
                partition = behind[(index + self._round) % len(behind)]
                records += deliveries(
                    connection,
                    partition,
                    self._ids[partition],
                    self._positions[partition],
                    max_records - len(records),
                )
        for delivery in records:
            self._positions[delivery.partition] = delivery.offset + 1
        return records

    def _behind(self, connection: sqlite3.Connection) -> list[Partition]:
        """Partitions with records that this consumer has not read yet."""
        behind = []
        for partition, ident, end in self._ends(connection):
            if partition not in self._positions:
                self._ids[partition] = ident
                self._positions[partition] = self._committed(connection, ident)
            if self._positions[partition] < end:
                behind.append(partition)
        return behind

    def _ends(self, connection: sqlite3.Connection) -> list[tuple[Partition, int, int]]:
        """The partitions, their numbers in the file, and where they end."""
        marks = ", ".join("?" * len(self._topics))
        query = f"SELECT topic, number, id, next_offset FROM partitions WHERE topic IN ({marks})"
        rows = connection.execute(query, self._topics)
        return [(Partition(topic, number), ident, end) for topic, number, ident, end in rows]

    def _committed(self, connection: sqlite3.Connection, ident: int) -> int:
        query = "SELECT offset FROM offsets WHERE consumer_group = ? AND partition = ?"
        row = connection.execute(query, (self._group, ident)).fetchone()
        return int(row[0]) if row else 0


def deliveries(
    connection: sqlite3.Connection, partition: Partition, ident: int, offset: int, limit: int
) -> Iterator[Delivery]:
    """Up to `limit` records of a partition from an offset on."""
    for at, time, key, value, headers in connection.execute(_RECORDS, (ident, offset, limit)):
        record = Record(partition.topic, key, value, headers_of(headers))
        yield Delivery(partition, at, datetime.fromtimestamp(time, UTC), record)
