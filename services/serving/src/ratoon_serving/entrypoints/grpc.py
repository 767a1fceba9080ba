"""Serving's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2, serving_plan_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceServicer
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes, watch
from ratoon_serving import mapping
from ratoon_serving.application import handlers
from ratoon_serving.application.ports import EngineHost, Models, TrafficBook
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import Bounds

Context = Any


@dataclass(frozen=True)
class Ports:
    """Ports of the handlers."""

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
        store = ports.store
        self._deployments = StandardMethods(
            store, threads, Deployment, handlers.DEPLOYMENT, mapping.deployment
        )
        self._engines = StandardMethods(store, threads, Engine, handlers.ENGINE, mapping.engine)
        self._rollouts = StandardMethods(
            store, threads, Rollout, handlers.ROLLOUT, mapping.rollout, lambda rollout: rollout.ended
        )

    async def CreateDeployment(
        self, request: pb.CreateDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Create a deployment of a model."""
        p, command = self._ports, mapping.create_deployment(request)
        created = await self._threads(
            handlers.create_deployment, command, p.store, p.operations, p.host, p.clock
        )
        return mapping.deployment(created)

    async def GetDeployment(
        self, request: pb.GetDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Return a deployment."""
        return await self._deployments.get(request)

    async def ListDeployments(
        self, request: pb.ListDeploymentsRequest, context: Context
    ) -> pb.ListDeploymentsResponse:
        """List the deployments of a project."""
        page = await self._deployments.list(request)
        return pb.ListDeploymentsResponse(deployments=page.items, next_page_token=page.next_token)

    async def ScaleDeployment(
        self, request: pb.ScaleDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Set the minimum and maximum number of replicas of its engine."""
        p, bounds = self._ports, Bounds(request.min_replicas, request.max_replicas)
        arguments = (request.name, bounds, p.store, p.operations, p.host)
        return mapping.deployment(await self._threads(handlers.scale_deployment, *arguments))

    async def PlanDeployment(
        self, request: pb.PlanDeploymentRequest, context: Context
    ) -> serving_plan_pb2.ServingPlan:
        """Return how many engines and gateways a rate takes."""
        p = self._ports
        arguments = (request.name, mapping.demand(request), p.store, p.book, p.host, p.clock)
        return mapping.serving_plan(await self._threads(handlers.plan_deployment, *arguments))

    async def WakeDeployment(
        self, request: pb.WakeDeploymentRequest, context: Context
    ) -> deployment_pb2.Deployment:
        """Wake a deployment that was scaled to zero."""
        p = self._ports
        arguments = (request.name, p.store, p.operations, p.clock)
        return mapping.deployment(await self._threads(handlers.wake_deployment, *arguments))

    async def DeleteDeployment(
        self, request: pb.DeleteDeploymentRequest, context: Context
    ) -> pb.DeleteDeploymentResponse:
        """Delete a deployment with its engines and rollouts."""
        p, command = self._ports, mapping.delete_deployment(request)
        await self._threads(handlers.delete_deployment, command, p.store, p.operations, p.host)
        return pb.DeleteDeploymentResponse()

    async def GetEngine(self, request: pb.GetEngineRequest, context: Context) -> deployment_pb2.Engine:
        """Return an engine."""
        return await self._engines.get(request)

    async def ListEngines(self, request: pb.ListEnginesRequest, context: Context) -> pb.ListEnginesResponse:
        """List the engines of a deployment."""
        page = await self._engines.list(request)
        return pb.ListEnginesResponse(engines=page.items, next_page_token=page.next_token)

    async def CreateRollout(self, request: pb.CreateRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Start a rollout to a version."""
        p, command = self._ports, mapping.create_rollout(request)
        ports = (p.store, p.operations, p.models, p.host, p.clock)
        created = await self._threads(handlers.create_rollout, command, *ports)
        return mapping.rollout(created)

    async def GetRollout(self, request: pb.GetRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Return a rollout."""
        return await self._rollouts.get(request)

    async def ListRollouts(
        self, request: pb.ListRolloutsRequest, context: Context
    ) -> pb.ListRolloutsResponse:
        """List the rollouts of a deployment."""
        page = await self._rollouts.list(request)
        return pb.ListRolloutsResponse(rollouts=page.items, next_page_token=page.next_token)

    async def WatchRollout(
        self, request: pb.WatchRolloutRequest, context: Context
    ) -> AsyncIterator[rollout_pb2.Rollout]:
        """Stream the state of a rollout, then each newer one, until its end."""
        async for state in self._rollouts.watch(request, self._changes):
            yield state

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
        """Roll back to the version that served before."""
        p, arguments = self._ports, (request.name, request.reason)
        return mapping.rollout(await self._threads(handlers.abort_rollout, *arguments, p.store, p.operations))

    async def UndoRollout(self, request: pb.UndoRolloutRequest, context: Context) -> rollout_pb2.Rollout:
        """Roll back, also after the end of the rollout."""
        p, arguments = self._ports, (request.name, request.reason, request.request_id)
        ports = (p.store, p.operations, p.models, p.host, p.clock)
        undone = await self._threads(handlers.undo_rollout, *arguments, *ports)
        return mapping.rollout(undone)

    async def InjectFault(self, request: pb.InjectFaultRequest, context: Context) -> deployment_pb2.Engine:
        """Let a share of the answers of a version fail, as a drill."""
        p, command = self._ports, mapping.inject_fault(request)
        return mapping.engine(await self._threads(handlers.inject_fault, command, p.store, p.host))

    async def GetRouteTable(self, request: pb.GetRouteTableRequest, context: Context) -> route_pb2.RouteTable:
        """Return the route table."""
        return mapping.route_table(await self._threads(self._ports.store.get, RouteTable, TABLE))

    async def WatchRouteTable(
        self, request: pb.WatchRouteTableRequest, context: Context
    ) -> AsyncIterator[route_pb2.RouteTable]:
        """Stream the route table, then each newer one, until the gateway disconnects."""
        store = self._ports.store
        async for value in watch(
            store, self._changes, self._threads, RouteTable, TABLE, request.version, lambda _: False
        ):
            yield mapping.route_table(value)

    async def ReportTraffic(
        self, request: pb.ReportTrafficRequest, context: Context
    ) -> pb.ReportTrafficResponse:
        """Store the traffic that a gateway reports."""
        ports = (self._ports.book, self._ports.clock)
        await self._threads(
            handlers.report_traffic, request.gateway, mapping.traffic_reports(request), *ports
        )
        return pb.ReportTrafficResponse()

    async def ReportQuality(
        self, request: pb.ReportQualityRequest, context: Context
    ) -> pb.ReportQualityResponse:
        """Store the votes of users that flywheel reports."""
        await self._threads(handlers.report_quality, mapping.vote_reports(request.reports), self._ports.book)
        return pb.ReportQualityResponse()

    async def ReportShadowComparison(
        self, request: pb.ReportShadowComparisonRequest, context: Context
    ) -> pb.ReportShadowComparisonResponse:
        """Store the comparison of both versions of a rollout that flywheel reports."""
        p, command = self._ports, mapping.report_shadow_comparison(request)
        await self._threads(handlers.report_shadow_comparison, command, p.store, p.operations)
        return pb.ReportShadowComparisonResponse()
