"""Handlers and procedure of streams: append, seal, delete. Each sealed segment becomes a source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ratoon.operations.job_machine import Action
from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description, InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of, project_of, uuid7
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import PROJECT, check_no_erasure
from ratoon_ingestion.application.stream_ports import SegmentStore, StreamRecords
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.errors import (
    AppendQuotaExceeded,
    BadAppend,
    RecordIdReused,
    StaleEtag,
    StreamNotSealed,
)
from ratoon_ingestion.domain.sources import Columns, Format, Source
from ratoon_ingestion.domain.streams import (
    MAX_RECORDS,
    MAX_SEGMENT_BYTES,
    Appended,
    Segment,
    Stream,
    StreamSealed,
    appended,
    changed,
    joined,
    parsed,
    seconds_to_seal,
    with_new_segment,
    with_source,
)

STREAM = f"{PROJECT}/streams/*"
_ID_CHARS = 52
"""Characters of a stream's ID: the IDs of its sources are longer."""
_IDLE_S = 3_600.0
_RETRY_S = 5.0


@dataclass(frozen=True)
class CreateStream:
    """Create a stream in `parent` (projects/{project}); 0 selects the default of a bound."""

    parent: str
    stream_id: str
    display_name: str = ""
    licence: str = ""
    columns: Columns = field(default_factory=Columns)
    segment_records: int = 0
    segment_seconds: int = 0
    request_id: str = ""


@dataclass(frozen=True)
class UpdateStream:
    """Change these fields of a stream that was read with this etag."""

    name: str
    changes: Mapping[str, object]
    etag: str = ""


@dataclass(frozen=True)
class NewRecord:
    """A record of a request: a plain text with a label, or a JSON object."""

    record_id: str
    text: str = ""
    label: str = ""
    json: str = ""


@dataclass(frozen=True)
class AppendRecords:
    """Append these records to the stream `name`."""

    name: str
    records: tuple[NewRecord, ...]


@dataclass(frozen=True)
class StreamLimits:
    """Bytes that a project may append on one day (0: any number), and days for which released IDs are kept."""

    daily_bytes: int = 0
    id_days: int = 30


@dataclass(frozen=True)
class StreamStatus:
    """A stream and the number of its records that no source holds yet."""

    stream: Stream
    open_record_count: int


def create_stream(command: CreateStream, store: Store, operations: Operations, clock: Clock) -> Stream:
    """Create a stream."""
    matched(command.parent, PROJECT, "parent")
    stream_id = checked_id(command.stream_id, "stream_id")
    if len(stream_id) > _ID_CHARS:
        raise InvalidArgument(
            f"stream_id has {len(stream_id)} characters; at most {_ID_CHARS} are allowed.",
            reason="BAD_ID",
            field="stream_id",
        )
    now, defaults = clock.now(), Stream
    stream = Stream(
        name=f"{command.parent}/streams/{stream_id}",
        create_time=now,
        update_time=now,
        display_name=command.display_name,
        licence=command.licence,
        columns=command.columns,
        segment_records=command.segment_records or defaults.segment_records,
        segment_seconds=command.segment_seconds or defaults.segment_seconds,
    )
    with store.write() as tx:
        stream, new = tx.create(stream, command.request_id)
        if new:
            operations.begin(tx, stream)
    return stream


def update_stream(command: UpdateStream, store: Store, operations: Operations, clock: Clock) -> Stream:
    """Change a stream and wake it: its open segment may be due by the new bounds."""
    matched(command.name, STREAM)
    with store.write() as tx:
        before = tx.get(Stream, command.name)
        if command.etag and command.etag != before.etag:
            raise StaleEtag(f"{before.name} was changed after you read it: read it again and retry.")
        after = changed(before, command.changes, clock.now())
        if after == before:
            return before
        operations.wake(tx, command.name)
        return tx.save(after)


def append_records(
    command: AppendRecords,
    store: Store,
    records: StreamRecords,
    operations: Operations,
    clock: Clock,
    limits: StreamLimits,
) -> tuple[int, int]:
    """Append all records or none; return how many are new, and how many the stream had. They are durable on return."""
    matched(command.name, STREAM)
    _check_number(command.records)
    now = clock.now()
    with store.write() as tx:
        check_no_erasure(tx, command.name)
        stream = tx.get(Stream, command.name)
        received = _received(stream.columns, command.records, now)
        new = _new(received, records.known(tx, stream.name, [each.record_id for each in received]))
        _check_quota(tx, records, stream, new, now, limits)
        before = records.segment(tx, stream.name, stream.segment)
        records.add(tx, stream.name, stream.segment, new, now)
        if _is_to_wake(stream, before, new):
            operations.wake(tx, stream.name)
    return len(new), len(received) - len(new)


def seal_stream(
    name: str, store: Store, records: StreamRecords, blobs: SegmentStore, clock: Clock
) -> StreamStatus:
    """Seal the open segment, and return the stream once its source exists."""
    matched(name, STREAM)
    with store.write() as tx:
        stream = tx.get(Stream, name)
        if records.segment(tx, name, stream.segment).count:
            stream = tx.save(with_new_segment(stream))
    write_segments(stream, store, records, blobs, clock)
    return stream_status(name, store, records)


def stream_status(name: str, store: Store, records: StreamRecords) -> StreamStatus:
    """Return a stream with its open records."""
    matched(name, STREAM)
    with store.read() as tx:
        return _status(tx, records, tx.get(Stream, name))


def list_streams(
    parent: str, size: int, token: str, order_by: str, store: Store, records: StreamRecords
) -> tuple[list[StreamStatus], str]:
    """Return a page of the streams of a project, and the token of the next page."""
    matched(parent, PROJECT, "parent")
    with store.read() as tx:
        page = tx.page(Stream, parent, size, token, order_by)
        return [_status(tx, records, stream) for stream in page.items], page.next_token


def delete_stream(
    name: str, allow_missing: bool, store: Store, records: StreamRecords, operations: Operations
) -> None:
    """Delete a stream whose records are all in sources."""
    matched(name, STREAM)
    with store.write() as tx:
        check_no_erasure(tx, name)
        stream = tx.find(Stream, name) if allow_missing else tx.get(Stream, name)
        if stream is None:
            return
        if count := _status(tx, records, stream).open_record_count:
            raise StreamNotSealed(
                f"{name} has {count:,} records that no source holds: seal it first, then delete it."
            )
        records.forget(tx, name)
        operations.end(tx, name)
        tx.retire(stream)


def write_segments(
    stream: Stream, store: Store, records: StreamRecords, blobs: SegmentStore, clock: Clock
) -> None:
    """Let each sealed segment become a source, exactly once: source and deletion of the rows commit together."""
    with store.read() as tx:
        segments = records.sealed_segments(tx, stream.name, stream.segment)
    for segment in segments:
        with store.read() as tx:
            rows = records.rows(tx, stream.name, segment)
        if rows:
            source = _source(stream, segment, blobs.put_bytes(joined(rows)), clock.now())
            _write(stream.name, segment, source, store, records)


def unsealed_streams(tx: Transaction, project: str, records: StreamRecords) -> tuple[str, ...]:
    """Return the streams of a project with records that no source holds."""
    streams = tx.all(Stream, project)
    return tuple(each.name for each in streams if _status(tx, records, each).open_record_count)


@dataclass(frozen=True)
class SegmentObservation:
    """The open segment, whether a sealed one is still to be written, and whether an erasure waits for the stream."""

    segment: Segment
    is_sealed: bool
    is_awaited: bool


class SealProcedure:
    """Seal segments that are due: they are full, old enough, or an erasure waits for them."""

    kind = Stream

    def __init__(
        self, store: Store, records: StreamRecords, blobs: SegmentStore, clock: Clock, limits: StreamLimits
    ) -> None:
        self._store, self._records, self._blobs = store, records, blobs
        self._clock, self._limits = clock, limits

    def observe(self, stream: Stream, claim: Claim) -> SegmentObservation:
        """Return the state of the segments."""
        with self._store.read() as tx:
            return SegmentObservation(
                self._records.segment(tx, stream.name, stream.segment),
                bool(self._records.sealed_segments(tx, stream.name, stream.segment)),
                any(not each.state.ended for each in tx.all(Erasure, parent_of(stream.name))),
            )

    def step(self, stream: Stream, observation: SegmentObservation, now: datetime) -> Step[Stream]:
        """Decide whether to seal."""
        if observation.is_sealed:
            return Step(stream, (Action.APPLY,))
        wait_s = seconds_to_seal(stream, observation.segment, now)
        if wait_s == 0 or (observation.is_awaited and observation.segment.count):
            return Step(with_new_segment(stream), (Action.APPLY,))
        return Step(stream, wake_after=min(wait_s, _IDLE_S))

    def act(self, stream: Stream, action: Action, claim: Claim) -> None:
        """Write the sealed segments, and forget old IDs."""
        write_segments(stream, self._store, self._records, self._blobs, self._clock)
        before = self._clock.now() - timedelta(days=self._limits.id_days)
        with self._store.write() as tx:
            self._records.forget(tx, stream.name, before)

    def failed(self, stream: Stream, error: Description, now: datetime) -> Step[Stream]:
        """Try again later: no record may be lost."""
        return Step(stream, wake_after=_RETRY_S)


def _check_number(records: Sequence[NewRecord]) -> None:
    if not 0 < len(records) <= MAX_RECORDS:
        raise InvalidArgument(
            f"The request has {len(records):,} records; it must have 1 to {MAX_RECORDS:,}.",
            reason="BAD_RECORD",
            field="records",
        )


def _received(columns: Columns, records: Sequence[NewRecord], now: datetime) -> list[Appended]:
    received = []
    for number, record in enumerate(records):
        try:
            received.append(_appended(columns, record, now))
        except BadAppend as error:
            raise InvalidArgument(
                f"Record {number + 1} of {len(records)} cannot be appended: {error} No record was stored.",
                reason="BAD_RECORD",
                field=f"records[{number}]",
            ) from None
    return received


def _appended(columns: Columns, record: NewRecord, now: datetime) -> Appended:
    if bool(record.text) == bool(record.json):
        raise BadAppend("set exactly one of text and record_json.")
    if record.json and record.label:
        raise BadAppend("put the label into the object of record_json.")
    if record.json:
        return appended(columns, parsed(record.json), record.record_id, now)
    content = {columns.text: record.text, **({columns.label: record.label} if record.label else {})}
    return appended(columns, content, record.record_id, now)


def _new(received: Sequence[Appended], known: dict[str, str]) -> list[Appended]:
    """Return the records that are not known yet, each once."""
    new = []
    for record in received:
        digest = known.setdefault(record.record_id, "")
        if digest and digest != record.digest:
            raise RecordIdReused(
                f"The stream has another record with the id {record.record_id!r}. No record was stored: choose "
                "another id, or repeat the record as it was."
            )
        if not digest:
            known[record.record_id] = record.digest
            new.append(record)
    return new


def _check_quota(
    tx: Transaction,
    records: StreamRecords,
    stream: Stream,
    new: Sequence[Appended],
    now: datetime,
    limits: StreamLimits,
) -> None:
    used = records.use(tx, project_of(stream.name), now, sum(each.size for each in new))
    if limits.daily_bytes and used > limits.daily_bytes:
        raise AppendQuotaExceeded(
            f"projects/{project_of(stream.name)} may append {limits.daily_bytes:,} bytes on one day. Retry after "
            "midnight UTC, or let the operator raise RATOON_INGESTION_APPEND_DAILY_BYTES."
        )


def _is_to_wake(stream: Stream, before: Segment, new: Sequence[Appended]) -> bool:
    """Return whether the segment begins, or is due."""
    size = before.size + sum(each.size for each in new)
    count = before.count + len(new)
    return bool(new) and (not before.count or count >= stream.segment_records or size >= MAX_SEGMENT_BYTES)


def _status(tx: Transaction, records: StreamRecords, stream: Stream) -> StreamStatus:
    segments = (*records.sealed_segments(tx, stream.name, stream.segment), stream.segment)
    return StreamStatus(stream, sum(records.segment(tx, stream.name, each).count for each in segments))


def _write(name: str, segment: int, source: Source, store: Store, records: StreamRecords) -> None:
    with store.write() as tx:
        if not (count := records.segment(tx, name, segment).count):  # written concurrently
            return
        if tx.find(Source, source.name) is not None:
            source = replace(source, name=f"{parent_of(source.name)}/sources/{uuid7()}")
        source, _ = tx.create(source)
        records.release(tx, name, segment)
        stream = tx.save(with_source(tx.get(Stream, name), source.name, count))
        tx.publish(StreamSealed(source.name, count), stream)


def _source(stream: Stream, segment: int, digest: str, now: datetime) -> Source:
    return Source(
        name=f"{parent_of(stream.name)}/sources/{stream.name.rpartition('/')[2]}-{segment:06d}",
        create_time=now,
        update_time=now,
        format=Format.JSONL,
        digest=digest,
        display_name=stream.display_name,
        licence=stream.licence,
        columns=stream.columns,
        encoding="utf-8",
    )
