"""Appended records in the service's database."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from ratoon.storage.store import Transaction
from ratoon_ingestion.adapters.tables import METADATA
from ratoon_ingestion.domain.streams import Appended, Segment

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_MICROSECONDS = 1_000_000

RECORDS = Table(
    "stream_records",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("stream", String(512), nullable=False),
    Column("record", String(256), nullable=False),
    Column("segment", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=True),
    UniqueConstraint("stream", "record"),
    Index("ix_stream_records_segment", "stream", "segment", "size"),
    Index("ix_stream_records_time", "stream", "time"),
    sqlite_autoincrement=True,
)
"""Appended records; `time` in microseconds since 1970. `size` is 0 and `body` NULL once a source holds the record."""

USAGE = Table(
    "append_usage",
    METADATA,
    Column("project", String(80), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)
"""Bytes that a project has appended, by day (UTC)."""


class SqlStreamRecords:
    """Records of streams in tables of this service."""

    def known(self, tx: Transaction, stream: str, record_ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of those records that the stream has, by ID."""
        query = select(RECORDS.c.record, RECORDS.c.digest).where(
            RECORDS.c.stream == stream, RECORDS.c.record.in_(record_ids)
        )
        return {row.record: row.digest for row in tx.connection.execute(query)}

    def add(
        self, tx: Transaction, stream: str, segment: int, records: Sequence[Appended], now: datetime
    ) -> None:
        """Add records to a segment."""
        shared = {"stream": stream, "segment": segment, "time": _microseconds(now)}
        rows = [
            {
                **shared,
                "record": each.record_id,
                "size": each.size,
                "digest": each.digest,
                "body": each.row,
            }
            for each in records
        ]
        if rows:
            tx.connection.execute(insert(RECORDS), rows)

    def segment(self, tx: Transaction, stream: str, segment: int) -> Segment:
        """Return the records of a segment that no source holds."""
        c = RECORDS.c
        query = select(func.count(), func.sum(c.size), func.min(c.number)).where(
            c.stream == stream, c.segment == segment, c.size > 0
        )
        count, size, first = tx.connection.execute(query).one()
        if not count:
            return Segment()
        time = tx.connection.execute(select(c.time).where(c.number == first)).scalar_one()
        return Segment(count, int(size), datetime.fromtimestamp(time / _MICROSECONDS, UTC))

    def sealed_segments(self, tx: Transaction, stream: str, below: int) -> Sequence[int]:
        """Return the numbers of the segments below a number that no source holds."""
        c = RECORDS.c
        query = select(c.segment).where(c.stream == stream, c.segment < below, c.size > 0)
        return list(tx.connection.execute(query.distinct().order_by(c.segment)).scalars())

    def rows(self, tx: Transaction, stream: str, segment: int) -> Sequence[str]:
        """Return the rows of a segment in their order; none if a source holds them."""
        c = RECORDS.c
        query = select(c.body).where(c.stream == stream, c.segment == segment, c.size > 0)
        return [str(body) for body in tx.connection.execute(query.order_by(c.number)).scalars()]

    def release(self, tx: Transaction, stream: str, segment: int) -> None:
        """Delete the rows of a segment that a source holds; the IDs stay."""
        c = RECORDS.c
        released = update(RECORDS).where(c.stream == stream, c.segment == segment)
        tx.connection.execute(released.values(body=None, size=0))

    def forget(self, tx: Transaction, stream: str, before: datetime | None = None) -> None:
        """Delete the IDs of released records that were appended before a time, or all records of a stream."""
        c = RECORDS.c
        forgotten = delete(RECORDS).where(c.stream == stream)
        if before is not None:
            forgotten = forgotten.where(c.time < _microseconds(before), c.size == 0)
        tx.connection.execute(forgotten)

    def use(self, tx: Transaction, project: str, now: datetime, size: int) -> int:
        """Add to the bytes that a project has appended on this day; return their sum."""
        c, day = USAGE.c, now.date().isoformat()
        today = (c.project == project) & (c.day == day)
        used = tx.connection.execute(select(c.bytes).where(today)).scalar()
        if used is None:
            tx.connection.execute(delete(USAGE).where(c.project == project))
            tx.connection.execute(insert(USAGE), {"project": project, "day": day, "bytes": size})
            return size
        tx.connection.execute(update(USAGE).where(today).values(bytes=c.bytes + size))
        return int(used) + size


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * _MICROSECONDS)
