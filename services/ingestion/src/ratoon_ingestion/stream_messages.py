"""Streams to `ratoon.ingestion.v1.Stream` and back."""

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import stream_pb2
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.streams import AppendRecords, CreateStream, NewRecord, StreamStatus
from ratoon_ingestion.source_messages import columns_message, columns_of


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


def append_records(request: pb.AppendRecordsRequest) -> AppendRecords:
    """Return the command of an AppendRecords request."""
    records = (NewRecord(each.id, each.text, each.label, each.record_json) for each in request.records)
    return AppendRecords(request.name, tuple(records))
