"""Serving's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.chassis.clock import Clock
from ratoon.chassis.operations import Operations
from ratoon.chassis.server import Threads
from ratoon.chassis.store import Store
from ratoon.chassis.watch import Changes, watch
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceServicer
from ratoon_serving import mapping
from ratoon_serving.application import handlers
from ratoon_serving.application.ports import EngineHost, Models, TrafficBook
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import Bounds

Context = Any


@dataclass(frozen=True)
class Ports:
    """What the handlers are given."""

    store: Store
    operations: Operations
    host: EngineHost
    models: Models
    book: TrafficBook
    clock: Clock


class ServingServicer(ServingServiceServicer):
    """Answers `ratoon.serving.v1.ServingService`."""

    def __init__(self, ports: Ports, changes: Changes, threads: Threads) -> None:
        self._ports, self._changes, self._threads = ports, changes, threads

    async def CreateDeployment(
        self, request: pb.CreateDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Make a place where a model is served."""
        p, command = self._ports, mapping.create_deployment(request)
        made = await self._threads(
            handlers.create_deployment, command, p.store, p.operations, p.host, p.clock
        )
        return mapping.deployment(made)

    async def GetDeployment(
        self, request: pb.GetDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """One deployment."""
        return mapping.deployment(
            await self._threads(handlers.get_deployment, request.name, self._ports.store)
        )

    async def ListDeployments(
        self, request: pb.ListDeploymentsRequest, context: Context
    ) -> pb.ListDeploymentsResponse:
        """The deployments of a project."""
        asked = (request.parent, request.page_size, request.page_token)
        page = await self._threads(handlers.list_deployments, *asked, self._ports.store)
        found = map(mapping.deployment, page.items)
        return pb.ListDeploymentsResponse(deployments=found, next_page_token=page.next_token)

    async def ScaleDeployment(
        self, request: pb.ScaleDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Say how few and how many replicas its engine may have."""
        p, bounds = self._ports, Bounds(request.min_replicas, request.max_replicas)
        asked = (request.name, bounds, p.store, p.operations, p.host)
        return mapping.deployment(await self._threads(handlers.scale_deployment, *asked))

    async def WakeDeployment(
        self, request: pb.WakeDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Somebody asks for it."""
        p = self._ports
        asked = (request.name, p.store, p.operations, p.clock)
        return mapping.deployment(await self._threads(handlers.wake_deployment, *asked))

    async def GetEngine(self, request: pb.GetEngineRequest, context: Context) -> deployment_pb2.Engine:
        """One engine."""
        return mapping.engine(await self._threads(handlers.get_engine, request.name, self._ports.store))

    async def ListEngines(self, request: pb.ListEnginesRequest, context: Context) -> pb.ListEnginesResponse:
        """The engines of a deployment."""
        asked = (request.parent, request.page_size, request.page_token)
        page = await self._threads(handlers.list_engines, *asked, self._ports.store)
        return pb.ListEnginesResponse(
            engines=map(mapping.engine, page.items), next_page_token=page.next_token
        )

    async def CreateRollout(self, request: pb.CreateRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Begin the way to a version."""
        p, command = self._ports, mapping.create_rollout(request)
        ports = (p.store, p.operations, p.models, p.host, p.clock)
        made = await self._threads(handlers.create_rollout, command, *ports)
        return mapping.rollout(made)

    async def GetRollout(self, request: pb.GetRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """One rollout."""
        return mapping.rollout(await self._threads(handlers.get_rollout, request.name, self._ports.store))

    async def ListRollouts(
        self, request: pb.ListRolloutsRequest, context: Context
    ) -> pb.ListRolloutsResponse:
        """The rollouts of a deployment."""
        asked = (request.parent, request.page_size, request.page_token)
        page = await self._threads(handlers.list_rollouts, *asked, self._ports.store)
        return pb.ListRolloutsResponse(
            rollouts=map(mapping.rollout, page.items), next_page_token=page.next_token
        )

    async def WatchRollout(
        self, request: pb.WatchRolloutRequest, context: Context
    ) -> AsyncIterator[rollout_pb2.Rollout]:
        """A rollout's state, then each newer one, until it has ended."""
        store = self._ports.store
        async for value in watch(
            store, self._changes, self._threads, Rollout, request.name, request.revision, lambda r: r.ended
        ):
            yield mapping.rollout(value)

    async def PauseRollout(self, request: pb.PauseRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Pause a rollout at its current step."""
        p = self._ports
        arguments = (request.name, request.reason, p.store, p.operations, p.clock)
        return mapping.rollout(await self._threads(handlers.pause_rollout, *arguments))

    async def ResumeRollout(self, request: pb.ResumeRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Resume a paused rollout."""
        p = self._ports
        arguments = (request.name, request.reason, p.store, p.operations, p.clock)
        return mapping.rollout(await self._threads(handlers.resume_rollout, *arguments))

    async def AbortRollout(self, request: pb.AbortRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Go back to the version that served before."""
        p, asked = self._ports, (request.name, request.reason)
        return mapping.rollout(await self._threads(handlers.abort_rollout, *asked, p.store, p.operations))

    async def UndoRollout(self, request: pb.UndoRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Go back, also after the end."""
        p, asked = self._ports, (request.name, request.reason, request.request_id)
        ports = (p.store, p.operations, p.models, p.host, p.clock)
        undone = await self._threads(handlers.undo_rollout, *asked, *ports)
        return mapping.rollout(undone)

    async def InjectFault(self, request: pb.InjectFaultRequest, context: Context) -> deployment_pb2.Engine:
        """A drill: let a share of a version's answers fail."""
        p, command = self._ports, mapping.inject_fault(request)
        return mapping.engine(await self._threads(handlers.inject_fault, command, p.store, p.host))

    async def GetRouteTable(self, request: pb.GetRouteTableRequest, context: Context) -> route_pb2.RouteTable:
        """What serves."""
        return mapping.route_table(await self._threads(handlers.route_table, self._ports.store))

    async def WatchRouteTable(
        self, request: pb.WatchRouteTableRequest, context: Context
    ) -> AsyncIterator[route_pb2.RouteTable]:
        """The table, then each new one, for as long as the gateway listens."""
        store = self._ports.store
        async for value in watch(
            store, self._changes, self._threads, RouteTable, TABLE, request.version, lambda _: False
        ):
            yield mapping.route_table(value)

    async def ReportTraffic(
        self, request: pb.ReportTrafficRequest, context: Context
    ) -> pb.ReportTrafficResponse:
        """A gateway tells what it saw."""
        ports = (self._ports.book, self._ports.clock)
        await self._threads(handlers.report_traffic, request.gateway, mapping.traffic_seen(request), *ports)
        return pb.ReportTrafficResponse()

    async def ReportQuality(
        self, request: pb.ReportQualityRequest, context: Context
    ) -> pb.ReportQualityResponse:
        """Flywheel tells what users thought."""
        await self._threads(handlers.report_quality, mapping.votes_seen(request.reports), self._ports.book)
        return pb.ReportQualityResponse()
