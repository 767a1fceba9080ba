"""The part of training's gRPC API that compresses models."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon.training.v1 import compression_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon_training import compression_messages
from ratoon_training.application import compressions
from ratoon_training.application.ports import BaseModels, Parts
from ratoon_training.domain.compressions import Compression

Context = Any


@dataclass(frozen=True)
class CompressionPorts:
    """Ports of the handlers behind these methods."""

    store: Store
    operations: Operations
    clock: Clock
    bases: BaseModels
    parts: Parts
    changes: Changes
    threads: Threads


class CompressionMethods:
    """Answers the methods of `ratoon.training.v1.TrainingService` that concern compressions."""

    def __init__(self, ports: CompressionPorts) -> None:
        self._compression = ports
        self._compressions = StandardMethods(
            ports.store,
            ports.threads,
            Compression,
            compressions.COMPRESSION,
            compression_messages.compression_message,
            lambda compression: compression.state.ended,
        )

    async def CreateCompression(
        self, request: pb.CreateCompressionRequest, context: Context
    ) -> compression_pb2.Compression:
        """Queue a compression."""
        ports = self._compression
        created = await ports.threads(
            compressions.create_compression,
            compression_messages.create_compression(request),
            ports.store,
            ports.operations,
            ports.clock,
            ports.bases,
            ports.parts,
        )
        return compression_messages.compression_message(created)

    async def GetCompression(
        self, request: pb.GetCompressionRequest, context: Context
    ) -> compression_pb2.Compression:
        """One compression."""
        return await self._compressions.get(request)

    async def ListCompressions(
        self, request: pb.ListCompressionsRequest, context: Context
    ) -> pb.ListCompressionsResponse:
        """The compressions of a project."""
        page = await self._compressions.list(request)
        return pb.ListCompressionsResponse(compressions=page.items, next_page_token=page.next_token)

    async def WatchCompression(
        self, request: pb.WatchCompressionRequest, context: Context
    ) -> AsyncIterator[compression_pb2.Compression]:
        """A compression's state, then each newer one, until it has ended."""
        async for state in self._compressions.watch(request, self._compression.changes):
            yield state

    async def CancelCompression(
        self, request: pb.CancelCompressionRequest, context: Context
    ) -> compression_pb2.Compression:
        """Cancel a compression."""
        return await self._compressions.cancel(request, self._compression.operations)

    async def DeleteCompression(
        self, request: pb.DeleteCompressionRequest, context: Context
    ) -> pb.DeleteCompressionResponse:
        """Delete a compression that has ended."""
        await self._compressions.delete(request, compressions.delete_compression)
        return pb.DeleteCompressionResponse()
