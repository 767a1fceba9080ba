"""The registry's gRPC API."""

from collections.abc import AsyncIterator
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.registry.v1 import model_pb2, model_summary_pb2, model_version_pb2, parity_certificate_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_registry import mapping
from ratoon_registry.application import handlers
from ratoon_registry.application.ports import Certificates, Verification, Weights
from ratoon_registry.domain.models import Alias, AliasChange, Model
from ratoon_registry.domain.versions import ModelVersion

Context = Any


class RegistryServicer(RegistryServiceServicer):
    """Answers `ratoon.registry.v1.RegistryService`."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        verification: Verification,
        weights: Weights,
        certificates: Certificates,
        changes: Changes,
        threads: Threads,
        clock: Clock,
    ) -> None:
        self._store, self._operations, self._changes = store, operations, changes
        self._verification, self._weights, self._certificates = verification, weights, certificates
        self._threads, self._clock = threads, clock
        self._models = StandardMethods(store, threads, Model, handlers.MODEL, mapping.model)
        self._versions = StandardMethods(
            store, threads, ModelVersion, handlers.VERSION, mapping.version, lambda v: v.state.ended
        )
        self._aliases = StandardMethods(store, threads, Alias, handlers.ALIAS, mapping.alias)
        self._alias_changes = StandardMethods(
            store, threads, AliasChange, handlers.ALIAS_CHANGE, mapping.alias_change
        )

    async def CreateModel(self, request: pb.CreateModelRequest, context: Context) -> model_pb2.Model:
        """Begin a line of versions."""
        command = mapping.create_model(request)
        return mapping.model(await self._threads(handlers.create_model, command, self._store, self._clock))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> model_pb2.Model:
        """One model."""
        return await self._models.get(request)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """The models of a project."""
        page = await self._models.list(request)
        return pb.ListModelsResponse(models=page.items, next_page_token=page.next_token)

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
        return await self._versions.get(request)

    async def DescribeModelVersion(
        self, request: pb.DescribeModelVersionRequest, context: Context
    ) -> model_summary_pb2.ModelSummary:
        """The tensors of a version."""
        summary = await self._threads(handlers.describe_version, request.name, self._store, self._weights)
        return mapping.summary(request.name, summary)

    async def GetParityCertificate(
        self, request: pb.GetParityCertificateRequest, context: Context
    ) -> parity_certificate_pb2.ParityCertificate:
        """The parity certificate of a version."""
        ports = (self._store, self._certificates)
        return mapping.certificate(*await self._threads(handlers.parity_certificate, request.name, *ports))

    async def RecordParityLink(
        self, request: pb.RecordParityLinkRequest, context: Context
    ) -> parity_certificate_pb2.ParityCertificate:
        """Add a link to the parity certificate of a version."""
        link = mapping.parity_link(request, self._clock.now())
        ports = (self._store, self._certificates)
        return mapping.certificate(
            *await self._threads(handlers.record_parity_link, request.name, link, *ports)
        )

    async def FindTokenNeighbours(
        self, request: pb.FindTokenNeighboursRequest, context: Context
    ) -> model_summary_pb2.TokenNeighbours:
        """The tokens with the nearest embeddings."""
        token, nearest = await self._threads(
            handlers.token_neighbours, request.name, request.token, request.count, self._store, self._weights
        )
        return mapping.neighbours(request.name, token, nearest)

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Context
    ) -> pb.ListModelVersionsResponse:
        """The versions of a model."""
        page = await self._versions.list(request)
        return pb.ListModelVersionsResponse(model_versions=page.items, next_page_token=page.next_token)

    async def WatchModelVersion(
        self, request: pb.WatchModelVersionRequest, context: Context
    ) -> AsyncIterator[model_version_pb2.ModelVersion]:
        """A version's state, then each newer one, until it has ended."""
        async for state in self._versions.watch(request, self._changes):
            yield state

    async def CancelModelVersion(
        self, request: pb.CancelModelVersionRequest, context: Context
    ) -> model_version_pb2.ModelVersion:
        """Call a verification off."""
        return await self._versions.cancel(request, self._operations)

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        """Delete it, unless it is in use."""
        await self._models.delete(request, handlers.delete_model)
        return pb.DeleteModelResponse()

    async def DeleteModelVersion(
        self, request: pb.DeleteModelVersionRequest, context: Context
    ) -> pb.DeleteModelVersionResponse:
        """Delete it, unless it is in use."""
        await self._versions.delete(request, handlers.delete_version)
        return pb.DeleteModelVersionResponse()

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> model_pb2.Alias:
        """Move an alias."""
        who = caller()
        command = mapping.set_alias(request, who.name, who.role is Role.SERVICE and who.name == "serving")
        return mapping.alias(await self._threads(handlers.set_alias, command, self._store, self._clock))

    async def GetAlias(self, request: pb.GetAliasRequest, context: Context) -> model_pb2.Alias:
        """One alias."""
        return await self._aliases.get(request)

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        """The aliases of a model."""
        page = await self._aliases.list(request)
        return pb.ListAliasesResponse(aliases=page.items, next_page_token=page.next_token)

    async def ListAliasChanges(
        self, request: pb.ListAliasChangesRequest, context: Context
    ) -> pb.ListAliasChangesResponse:
        """Every move of every alias of a model."""
        page = await self._alias_changes.list(request)
        return pb.ListAliasChangesResponse(alias_changes=page.items, next_page_token=page.next_token)
