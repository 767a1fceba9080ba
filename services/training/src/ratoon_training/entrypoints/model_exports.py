"""The part of training's gRPC API that concerns exports of models."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon.training.v1 import model_export_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon_training import model_export_messages as messages
from ratoon_training.application import model_exports
from ratoon_training.application.ports import BaseModels
from ratoon_training.domain.model_exports import ModelExport

Context = Any


@dataclass(frozen=True)
class ModelExportPorts:
    """Ports of the handlers of exports."""

    store: Store
    operations: Operations
    clock: Clock
    bases: BaseModels
    changes: Changes
    threads: Threads


class ModelExportMethods:
    """Answers the methods of `ratoon.training.v1.TrainingService` that concern exports of models."""

    def __init__(self, ports: ModelExportPorts) -> None:
        self._export = ports
        self._exports = StandardMethods(
            ports.store,
            ports.threads,
            ModelExport,
            model_exports.MODEL_EXPORT,
            messages.message_of,
            lambda export: export.state.ended,
        )

    async def CreateModelExport(
        self, request: pb.CreateModelExportRequest, context: Context
    ) -> model_export_pb2.ModelExport:
        """Start an export."""
        ports = self._export
        created = await ports.threads(
            model_exports.create_model_export,
            messages.create_model_export(request),
            ports.store,
            ports.operations,
            ports.clock,
            ports.bases,
        )
        return messages.message_of(created)

    async def GetModelExport(
        self, request: pb.GetModelExportRequest, context: Context
    ) -> model_export_pb2.ModelExport:
        """One export."""
        return await self._exports.get(request)

    async def ListModelExports(
        self, request: pb.ListModelExportsRequest, context: Context
    ) -> pb.ListModelExportsResponse:
        """The exports of a project."""
        page = await self._exports.list(request)
        return pb.ListModelExportsResponse(model_exports=page.items, next_page_token=page.next_token)

    async def WatchModelExport(
        self, request: pb.WatchModelExportRequest, context: Context
    ) -> AsyncIterator[model_export_pb2.ModelExport]:
        """An export's state, then each newer one, until it has ended."""
        async for state in self._exports.watch(request, self._export.changes):
            yield state

    async def CancelModelExport(
        self, request: pb.CancelModelExportRequest, context: Context
    ) -> model_export_pb2.ModelExport:
        """Cancel an export."""
        return await self._exports.cancel(request, self._export.operations)

    async def DeleteModelExport(
        self, request: pb.DeleteModelExportRequest, context: Context
    ) -> pb.DeleteModelExportResponse:
        """Delete an export that has ended."""
        await self._exports.delete(request, model_exports.delete_model_export)
        return pb.DeleteModelExportResponse()
