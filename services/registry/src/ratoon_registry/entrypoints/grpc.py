"""The registry's gRPC API."""

from collections.abc import AsyncIterator
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes, watch
from ratoon_registry import mapping
from ratoon_registry.application import handlers
from ratoon_registry.application.ports import Verification
from ratoon_registry.domain.versions import ModelVersion

Context = Any


class RegistryServicer(RegistryServiceServicer):
    """Answers `ratoon.registry.v1.RegistryService`."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        verification: Verification,
        changes: Changes,
        threads: Threads,
        clock: Clock,
    ) -> None:
        self._store, self._operations, self._changes = store, operations, changes
        self._verification = verification
        self._threads, self._clock = threads, clock

    async def CreateModel(self, request: pb.CreateModelRequest, context: Context) -> model_pb2.Model:
        """Begin a line of versions."""
        command = mapping.create_model(request)
        return mapping.model(await self._threads(handlers.create_model, command, self._store, self._clock))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> model_pb2.Model:
        """One model."""
        return mapping.model(await self._threads(handlers.get_model, request.name, self._store))

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """The models of a project."""
        page = await self._threads(
            handlers.list_models,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListModelsResponse(models=map(mapping.model, page.items), next_page_token=page.next_token)

    async def CreateModelVersion(
        self, request: pb.CreateModelVersionRequest, context: Context
    ) -> model_version_pb2.ModelVersion:
        """Register an artifact."""
        command = mapping.create_version(request)
        ports = (self._store, self._operations, self._verification, self._clock)
        return mapping.version(await self._threads(handlers.create_version, command, *ports))

    async def GetModelVersion(
        self, request: pb.GetModelVersionRequest, context: Context
    ) -> model_version_pb2.ModelVersion:
        """One version."""
        return mapping.version(await self._threads(handlers.get_version, request.name, self._store))

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Context
    ) -> pb.ListModelVersionsResponse:
        """The versions of a model."""
        page = await self._threads(
            handlers.list_versions,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        versions = map(mapping.version, page.items)
        return pb.ListModelVersionsResponse(model_versions=versions, next_page_token=page.next_token)

    async def WatchModelVersion(
        self, request: pb.WatchModelVersionRequest, context: Context
    ) -> AsyncIterator[model_version_pb2.ModelVersion]:
        """A version's state, then each newer one, until it has ended."""
        states = watch(
            self._store,
            self._changes,
            self._threads,
            ModelVersion,
            request.name,
            request.revision,
            lambda v: v.state.ended,
        )
        async for value in states:
            yield mapping.version(value)

    async def CancelModelVersion(
        self, request: pb.CancelModelVersionRequest, context: Context
    ) -> model_version_pb2.ModelVersion:
        """Call a verification off."""
        return mapping.version(await self._threads(handlers.cancel_version, request.name, self._operations))

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        """Delete it, unless it is in use."""
        await self._threads(handlers.delete_model, request.name, request.allow_missing, self._store)
        return pb.DeleteModelResponse()

    async def DeleteModelVersion(
        self, request: pb.DeleteModelVersionRequest, context: Context
    ) -> pb.DeleteModelVersionResponse:
        """Delete it, unless it is in use."""
        await self._threads(handlers.delete_version, request.name, request.allow_missing, self._store)
        return pb.DeleteModelVersionResponse()

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> model_pb2.Alias:
        """Move an alias."""
        who = caller()
        command = mapping.set_alias(request, who.name, who.role is Role.SERVICE and who.name == "serving")
        return mapping.alias(await self._threads(handlers.set_alias, command, self._store, self._clock))

    async def GetAlias(self, request: pb.GetAliasRequest, context: Context) -> model_pb2.Alias:
        """One alias."""
        return mapping.alias(await self._threads(handlers.get_alias, request.name, self._store))

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        """The aliases of a model."""
        page = await self._threads(
            handlers.list_aliases,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListAliasesResponse(aliases=map(mapping.alias, page.items), next_page_token=page.next_token)

    async def ListAliasChanges(
        self, request: pb.ListAliasChangesRequest, context: Context
    ) -> pb.ListAliasChangesResponse:
        """Every move of every alias of a model."""
        page = await self._threads(
            handlers.list_alias_changes,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        changes = map(mapping.alias_change, page.items)
        return pb.ListAliasChangesResponse(alias_changes=changes, next_page_token=page.next_token)
