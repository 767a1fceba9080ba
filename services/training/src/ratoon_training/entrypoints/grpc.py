"""Training's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes, watch
from ratoon.training.v1 import training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceServicer
from ratoon_training import mapping
from ratoon_training.application import handlers
from ratoon_training.application.ports import BaseModels, Machine, Parts
from ratoon_training.domain.runs import TrainingRun

Context = Any


@dataclass(frozen=True)
class Ports:
    """Ports that the handlers use."""

    store: Store
    operations: Operations
    clock: Clock
    machine: Machine
    bases: BaseModels
    parts: Parts


class TrainingServicer(TrainingServiceServicer):
    """Answers `ratoon.training.v1.TrainingService`."""

    def __init__(self, ports: Ports, changes: Changes, threads: Threads) -> None:
        self._ports, self._changes, self._threads = ports, changes, threads

    async def CreateTrainingRun(
        self, request: pb.CreateTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Queue a run."""
        ports = self._ports
        created = await self._threads(
            handlers.create_run,
            mapping.create_run(request),
            ports.store,
            ports.operations,
            ports.clock,
            ports.bases,
            ports.parts,
        )
        return mapping.run(created)

    async def GetTrainingRun(
        self, request: pb.GetTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """One run."""
        return mapping.run(await self._threads(handlers.get_run, request.name, self._ports.store))

    async def ListTrainingRuns(
        self, request: pb.ListTrainingRunsRequest, context: Context
    ) -> pb.ListTrainingRunsResponse:
        """The runs of a project."""
        page = await self._threads(
            handlers.list_runs,
            request.parent,
            request.page_size,
            request.page_token,
            self._ports.store,
            request.order_by,
        )
        runs = map(mapping.run, page.items)
        return pb.ListTrainingRunsResponse(training_runs=runs, next_page_token=page.next_token)

    async def WatchTrainingRun(
        self, request: pb.WatchTrainingRunRequest, context: Context
    ) -> AsyncIterator[training_run_pb2.TrainingRun]:
        """A run's state and progress, then each newer one, until it has ended."""
        states = watch(
            self._ports.store,
            self._changes,
            self._threads,
            TrainingRun,
            request.name,
            request.revision,
            lambda run: run.state.ended,
        )
        async for value in states:
            yield mapping.run(value)

    async def CancelTrainingRun(
        self, request: pb.CancelTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Cancel a run."""
        return mapping.run(await self._threads(handlers.cancel_run, request.name, self._ports.operations))

    async def DeleteTrainingRun(
        self, request: pb.DeleteTrainingRunRequest, context: Context
    ) -> pb.DeleteTrainingRunResponse:
        """Delete a run that failed or was cancelled."""
        await self._threads(handlers.delete_run, request.name, request.allow_missing, self._ports.store)
        return pb.DeleteTrainingRunResponse()

    async def PlanTraining(
        self, request: pb.PlanTrainingRequest, context: Context
    ) -> training_run_pb2.ResourcePlan:
        """Return the plan of a run."""
        spec = mapping.run_spec(request.training_run)
        ports = self._ports
        planned = await self._threads(handlers.plan_run, request.parent, spec, ports.machine, ports.bases)
        return mapping.plan(planned)
