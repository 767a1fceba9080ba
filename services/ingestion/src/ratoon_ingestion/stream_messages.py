"""Streams to `ratoon.ingestion.v1.Stream` and back."""

from google.protobuf.message import Message

from ratoon.ingestion.v1 import ingestion_events_pb2, stream_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.streams import (
    AppendRecords,
    CreateStream,
    NewRecord,
    StreamStatus,
    UpdateStream,
)
from ratoon_ingestion.domain.streams import Stream, StreamSealed
from ratoon_ingestion.source_messages import columns_message, columns_of

_FIELDS = {"license": "licence"}
"""Names of fields in the domain, where they differ."""


def stream_message(status: StreamStatus) -> stream_pb2.Stream:
    """Return a stream as callers see it."""
    stream = status.stream
    return stream_pb2.Stream(
        name=stream.name,
        revision=stream.revision,
        create_time=timestamp(stream.create_time),
        update_time=timestamp(stream.update_time),
        display_name=stream.display_name,
        license=stream.licence,
        columns=columns_message(stream.columns),
        segment_records=stream.segment_records,
        segment_seconds=stream.segment_seconds,
        open_record_count=status.open_record_count,
        sealed_record_count=stream.sealed_record_count,
        source_count=stream.source_count,
        latest_source=stream.latest_source,
        etag=stream.etag,
    )


def create_stream(request: pb.CreateStreamRequest) -> CreateStream:
    """Return the command of a CreateStream request."""
    stream = request.stream
    return CreateStream(
        parent=request.parent,
        stream_id=request.stream_id,
        display_name=stream.display_name,
        licence=stream.license,
        columns=columns_of(stream.columns),
        segment_records=stream.segment_records,
        segment_seconds=stream.segment_seconds,
        request_id=request.request_id,
    )


def update_stream(request: pb.UpdateStreamRequest) -> UpdateStream:
    """Return the command of an UpdateStream request."""
    message = request.stream
    values: dict[str, object] = {
        "display_name": message.display_name,
        "license": message.license,
        "segment_records": message.segment_records or Stream.segment_records,
        "segment_seconds": message.segment_seconds or Stream.segment_seconds,
    }
    changes = {_FIELDS.get(path, path): values.get(path) for path in request.update_mask.paths}
    return UpdateStream(message.name, changes, message.etag)


def stream_event(happened: object, name: str, revision: int) -> Message:
    """Return an event of a stream in its envelope."""
    match happened:
        case StreamSealed(source, count):
            sealed = ingestion_events_pb2.StreamSealed(source=source, record_count=count)
            return ingestion_events_pb2.StreamEvent(name=name, revision=revision, sealed=sealed)
    raise TypeError(f"{happened!r} is not an event of a stream")


def append_records(request: pb.AppendRecordsRequest) -> AppendRecords:
    """Return the command of an AppendRecords request."""
    records = (NewRecord(each.id, each.text, each.label, each.record_json) for each in request.records)
    return AppendRecords(request.name, tuple(records))
