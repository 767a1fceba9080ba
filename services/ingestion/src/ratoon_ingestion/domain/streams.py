"""Streams: records that programs append, collected in segments, each of which becomes a source."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from ratoon_ingestion.domain.errors import BadAppend, BadStream
from ratoon_ingestion.domain.sources import Columns

MAX_SEGMENT_BYTES = 64 << 20
"""Bytes of records at which a segment is sealed, whatever their number."""
MAX_RECORDS = 1_000
MAX_RECORD_BYTES = 1 << 20
CHANGEABLE = ("display_name", "licence", "segment_records", "segment_seconds")
"""Fields of a stream that an update may change."""
_ID_CHARS = 256
_MAX_SEGMENT_RECORDS = 100_000
_MAX_SEGMENT_S = 86_400


@dataclass(frozen=True)
class Stream:
    """A stream; `segment` is the number of its open segment, and all segments below it are sealed."""

    name: str
    create_time: datetime
    update_time: datetime
    display_name: str = ""
    licence: str = ""
    columns: Columns = field(default_factory=Columns)
    segment_records: int = 10_000
    segment_seconds: int = 3_600
    segment: int = 1
    sealed_record_count: int = 0
    source_count: int = 0
    latest_source: str = ""
    revision: int = 0

    @property
    def etag(self) -> str:
        """The mark of what can be changed: equal exactly when that is."""
        values = tuple(getattr(self, name) for name in CHANGEABLE)
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    def __post_init__(self) -> None:
        _check_range("segment_records", self.segment_records, _MAX_SEGMENT_RECORDS)
        _check_range("segment_seconds", self.segment_seconds, _MAX_SEGMENT_S)


@dataclass(frozen=True)
class StreamSealed:
    """A segment was sealed and is a source."""

    source: str
    record_count: int


@dataclass(frozen=True)
class Appended:
    """One record as it is stored: the caller's ID, and the row of the source as JSON."""

    record_id: str
    row: str
    digest: str
    """SHA-256 of what the caller sent: two records with one ID are the same record if it is equal."""

    @property
    def size(self) -> int:
        """Bytes that the record takes in a segment."""
        return len(self.row.encode()) + 1


@dataclass(frozen=True)
class Segment:
    """Records of a segment that no source holds yet: their number, their bytes and the time of the first."""

    count: int = 0
    size: int = 0
    first_time: datetime | None = None


def appended(columns: Columns, content: Mapping[str, Any], record_id: str, now: datetime) -> Appended:
    """Return a record with its ID and, if it has none, the time of its arrival; BadAppend if it is not valid."""
    if not 0 < len(record_id) <= _ID_CHARS or not record_id.isprintable():
        raise BadAppend(f"its id must have 1 to {_ID_CHARS} printable characters.")
    row = {**content, columns.id: record_id}
    row.setdefault(columns.time, now.isoformat())
    try:
        digest = hashlib.sha256(_dumped(content, sort_keys=True).encode()).hexdigest()
        record = Appended(record_id, _dumped(row), digest)
    except (ValueError, RecursionError):  # half of a character, a number beyond JSON, nested too deeply
        raise BadAppend("it holds what JSON in UTF-8 cannot hold.") from None
    if record.size > MAX_RECORD_BYTES:
        raise BadAppend(f"it has {record.size:,} bytes; at most {MAX_RECORD_BYTES:,} are allowed.")
    return record


def parsed(text: str) -> Mapping[str, Any]:
    """Return the object of a JSON text; BadAppend if it is none."""
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise BadAppend(f"it is not valid JSON: {str(error)[:100]}.") from None
    if not isinstance(value, dict) or not value:
        raise BadAppend("it is not a JSON object with fields.")
    return value


def seconds_to_seal(stream: Stream, segment: Segment, now: datetime) -> float:
    """Return the seconds after which the open segment is due; 0: now; infinite: it has no records."""
    if segment.first_time is None:
        return math.inf
    if segment.count >= stream.segment_records or segment.size >= MAX_SEGMENT_BYTES:
        return 0.0
    age = (now - segment.first_time).total_seconds()
    return max(0.0, stream.segment_seconds - age)


def with_new_segment(stream: Stream) -> Stream:
    """Return the stream with an empty open segment; the one before it is sealed and takes no more records."""
    return replace(stream, segment=stream.segment + 1)


def changed(stream: Stream, changes: Mapping[str, object], now: datetime) -> Stream:
    """Return the stream with other settings; the same one if nothing changes. BadStream for fields that are fixed."""
    if fixed := sorted(changes.keys() - set(CHANGEABLE)):
        raise BadStream(f"update_mask names {fixed[0]!r}, which cannot be changed.")
    after = replace(stream, **cast(dict[str, Any], dict(changes)))
    return stream if after == stream else replace(after, update_time=now)


def with_source(stream: Stream, source: str, record_count: int) -> Stream:
    """Return the stream after a sealed segment became a source."""
    return replace(
        stream,
        latest_source=source,
        source_count=stream.source_count + 1,
        sealed_record_count=stream.sealed_record_count + record_count,
    )


def joined(rows: Sequence[str]) -> bytes:
    """Return the rows of a segment as JSON Lines."""
    return "".join(f"{row}\n" for row in rows).encode()


def _check_range(name: str, value: int, highest: int) -> None:
    if not 1 <= value <= highest:
        raise BadStream(f"{name} is {value}; it must be from 1 to {highest:,}.")


def _dumped(value: object, *, sort_keys: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, separators=(",", ":"))
    text.encode()
    return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(values := dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return values
