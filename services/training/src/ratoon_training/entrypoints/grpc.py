"""Training's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon.training.v1 import training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceServicer
from ratoon_training import mapping
from ratoon_training.application import handlers
from ratoon_training.application.ports import BaseModels, Machine, Parts, References
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
    references: References


class TrainingServicer(TrainingServiceServicer):
    """Answers `ratoon.training.v1.TrainingService`."""

    def __init__(self, ports: Ports, changes: Changes, threads: Threads) -> None:
        self._ports, self._changes, self._threads = ports, changes, threads
        self._runs = StandardMethods(
            ports.store, threads, TrainingRun, handlers.RUN, mapping.run, lambda run: run.state.ended
        )

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
        return await self._runs.get(request)

    async def ListTrainingRuns(
        self, request: pb.ListTrainingRunsRequest, context: Context
    ) -> pb.ListTrainingRunsResponse:
        """The runs of a project."""
        page = await self._runs.list(request)
        return pb.ListTrainingRunsResponse(training_runs=page.items, next_page_token=page.next_token)

    async def WatchTrainingRun(
        self, request: pb.WatchTrainingRunRequest, context: Context
    ) -> AsyncIterator[training_run_pb2.TrainingRun]:
        """A run's state and progress, then each newer one, until it has ended."""
        async for state in self._runs.watch(request, self._changes):
            yield state

    async def CancelTrainingRun(
        self, request: pb.CancelTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Cancel a run."""
        self._runs.check_name(request)
        return await self._runs.cancel(request, self._ports.operations)

    async def DeleteTrainingRun(
        self, request: pb.DeleteTrainingRunRequest, context: Context
    ) -> pb.DeleteTrainingRunResponse:
        """Delete a run that has ended and is not in use."""
        ports = self._ports
        await self._threads(
            handlers.delete_run, request.name, request.allow_missing, ports.store, ports.references
        )
        return pb.DeleteTrainingRunResponse()

    async def PlanTraining(
        self, request: pb.PlanTrainingRequest, context: Context
    ) -> training_run_pb2.ResourcePlan:
        """Return the plan of a run."""
        spec = mapping.run_spec(request.training_run)
        ports = self._ports
        planned = await self._threads(handlers.plan_run, request.parent, spec, ports.machine, ports.bases)
        return mapping.plan(planned)
