"""Ports of streams and crawls."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ratoon.storage.store import Transaction
from ratoon_ingestion.domain.streams import Appended, Segment


class SegmentStore(Protocol):
    """The artifact store, as far as segments need it."""

    def put_bytes(self, data: bytes) -> str:
        """Store these bytes; return their digest."""
        ...


class StreamRecords(Protocol):
    """Records of streams, within the transactions of the service's resources."""

    def known(self, tx: Transaction, stream: str, record_ids: Sequence[str]) -> dict[str, str]:
        """Return the digests of those records that the stream has, by ID."""
        ...

    def add(
        self, tx: Transaction, stream: str, segment: int, records: Sequence[Appended], now: datetime
    ) -> None:
        """Add records to a segment."""
        ...

    def segment(self, tx: Transaction, stream: str, segment: int) -> Segment:
        """Return the records of a segment that no source holds."""
        ...

    def sealed_segments(self, tx: Transaction, stream: str, below: int) -> Sequence[int]:
        """Return the numbers of the segments below a number that no source holds."""
        ...

    def rows(self, tx: Transaction, stream: str, segment: int) -> Sequence[str]:
        """Return the rows of a segment in their order; none if a source holds them."""
        ...

    def release(self, tx: Transaction, stream: str, segment: int) -> None:
        """Delete the rows of a segment that a source holds; the IDs stay."""
        ...

    def forget(self, tx: Transaction, stream: str, before: datetime | None = None) -> None:
        """Delete the IDs of released records that were appended before a time, or all records of a stream."""
        ...

    def use(self, tx: Transaction, project: str, now: datetime, size: int) -> int:
        """Add to the bytes that a project has appended on this day; return their sum."""
        ...
