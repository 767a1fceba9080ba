"""The part of ingestion's gRPC API that concerns streams."""

from dataclasses import dataclass
from typing import Any

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import stream_pb2
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.storage.store import Store
from ratoon_ingestion import stream_messages
from ratoon_ingestion.application import streams
from ratoon_ingestion.application.stream_ports import SegmentStore, StreamRecords

Context = Any


@dataclass(frozen=True)
class StreamPorts:
    """Ports of the handlers of streams."""

    store: Store
    operations: Operations
    threads: Threads
    clock: Clock
    records: StreamRecords
    blobs: SegmentStore
    limits: streams.StreamLimits


class StreamMethods:
    """Answers the methods of `ratoon.ingestion.v1.IngestionService` that concern streams."""

    def __init__(self, ports: StreamPorts) -> None:
        self._stream = ports

    async def CreateStream(self, request: pb.CreateStreamRequest, context: Context) -> stream_pb2.Stream:
        """Create a stream."""
        command, ports = stream_messages.create_stream(request), self._stream
        created = await ports.threads(
            streams.create_stream, command, ports.store, ports.operations, ports.clock
        )
        return await self._stream_of(created.name)

    async def GetStream(self, request: pb.GetStreamRequest, context: Context) -> stream_pb2.Stream:
        """One stream."""
        return await self._stream_of(request.name)

    async def ListStreams(self, request: pb.ListStreamsRequest, context: Context) -> pb.ListStreamsResponse:
        """The streams of a project."""
        ports = self._stream
        statuses, token = await ports.threads(
            streams.list_streams,
            request.parent,
            request.page_size,
            request.page_token,
            request.order_by,
            ports.store,
            ports.records,
        )
        return pb.ListStreamsResponse(
            streams=map(stream_messages.stream_message, statuses), next_page_token=token
        )

    async def UpdateStream(self, request: pb.UpdateStreamRequest, context: Context) -> stream_pb2.Stream:
        """Change a stream."""
        command, ports = stream_messages.update_stream(request), self._stream
        changed = await ports.threads(
            streams.update_stream, command, ports.store, ports.operations, ports.clock
        )
        return await self._stream_of(changed.name)

    async def AppendRecords(
        self, request: pb.AppendRecordsRequest, context: Context
    ) -> pb.AppendRecordsResponse:
        """Append records durably."""
        ports = self._stream
        new, duplicates = await ports.threads(
            streams.append_records,
            stream_messages.append_records(request),
            ports.store,
            ports.records,
            ports.operations,
            ports.clock,
            ports.limits,
        )
        return pb.AppendRecordsResponse(appended_count=new, duplicate_count=duplicates)

    async def SealStream(self, request: pb.SealStreamRequest, context: Context) -> stream_pb2.Stream:
        """Seal the open segment."""
        ports = self._stream
        status = await ports.threads(
            streams.seal_stream, request.name, ports.store, ports.records, ports.blobs, ports.clock
        )
        return stream_messages.stream_message(status)

    async def DeleteStream(
        self, request: pb.DeleteStreamRequest, context: Context
    ) -> pb.DeleteStreamResponse:
        """Delete a stream."""
        ports = self._stream
        await ports.threads(
            streams.delete_stream,
            request.name,
            request.allow_missing,
            ports.store,
            ports.records,
            ports.operations,
        )
        return pb.DeleteStreamResponse()

    async def _stream_of(self, name: str) -> stream_pb2.Stream:
        ports = self._stream
        status = await ports.threads(streams.stream_status, name, ports.store, ports.records)
        return stream_messages.stream_message(status)
