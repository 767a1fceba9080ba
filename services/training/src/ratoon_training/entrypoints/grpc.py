"""Training's gRPC API."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.job_procedure import JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.names import uuid7
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon.tasks.compute import Accelerator
from ratoon.training.v1 import sweep_pb2, training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceServicer
from ratoon_training import mapping
from ratoon_training.application import handlers, run_changes, sweeps
from ratoon_training.application.commands import CreateRun
from ratoon_training.application.ports import BaseModels, Curves, Drivers, Machine, Parts, References
from ratoon_training.application.sweeps import TrialRuns
from ratoon_training.domain.estimates import DataSample, PlannedRun, Problem, without_data
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Sweep
from ratoon_training.entrypoints.compressions import CompressionMethods, CompressionPorts
from ratoon_training.entrypoints.model_exports import ModelExportMethods, ModelExportPorts

Context = Any

_ESTIMATE_S = 25.0
"""Time limit of the reading of a sample, less than callers wait."""
_ESTIMATE_POLL_S = 0.1


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
    trial_runs: TrialRuns
    drivers: Drivers
    estimates: JobRunner[TrainingRun, DataSample]
    curves: Curves
    tokens: PageTokens
    hourly_costs: Mapping[Accelerator, float]
    """Price of an hour of one worker, by accelerator."""
    endpoints: Collection[str] = ()
    """Listed endpoints of teachers."""


class TrainingServicer(CompressionMethods, ModelExportMethods, TrainingServiceServicer):
    """Answers `ratoon.training.v1.TrainingService`."""

    def __init__(
        self,
        ports: Ports,
        changes: Changes,
        threads: Threads,
        compressions: CompressionPorts,
        model_exports: ModelExportPorts,
    ) -> None:
        CompressionMethods.__init__(self, compressions)
        ModelExportMethods.__init__(self, model_exports)
        self._ports, self._changes, self._threads = ports, changes, threads
        self._runs = StandardMethods(
            ports.store, threads, TrainingRun, handlers.RUN, mapping.run, lambda run: run.state.ended
        )
        self._sweeps = StandardMethods(
            ports.store, threads, Sweep, sweeps.SWEEP, mapping.sweep, lambda sweep: sweep.state.ended
        )

    async def CreateTrainingRun(
        self, request: pb.CreateTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Queue a run, or plan it."""
        return await self._created(mapping.create_run(request), request.validate_only)

    async def CloneTrainingRun(
        self, request: pb.CloneTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Queue a run like another one, or plan it."""
        self._runs.check_name(request)
        source = await self._threads(self._ports.store.get, TrainingRun, request.name)
        return await self._created(mapping.clone_run(request, source), request.validate_only)

    async def _created(self, command: CreateRun, plans: bool) -> training_run_pb2.TrainingRun:
        if plans:
            return mapping.planned_run(await self._planned(command))
        ports = self._ports
        created = await self._threads(
            handlers.create_run,
            command,
            ports.store,
            ports.operations,
            ports.clock,
            ports.bases,
            ports.parts,
            ports.endpoints,
        )
        return mapping.run(created)

    async def _planned(self, command: CreateRun) -> PlannedRun:
        """Plan a run by a sample of its data, which a job reads."""
        ports = self._ports
        run = await self._threads(
            handlers.new_run, command, ports.clock, ports.bases, ports.parts, ports.endpoints
        )
        sample = await self._sampled(run)
        price = ports.hourly_costs.get(Accelerator(run.resources.accelerator), 0.0)
        return await self._threads(run_changes.planned_run, run, sample, ports.store, ports.machine, price)

    async def _sampled(self, run: TrainingRun) -> DataSample:
        job_id, jobs = f"estimate-{uuid7()}", self._ports.estimates
        observation = JobObservation[DataSample](Phase.RUNNING)
        try:
            await self._threads(jobs.start, job_id, run)
            async with asyncio.timeout(_ESTIMATE_S):
                while observation.phase in (Phase.RUNNING, Phase.ABSENT):
                    await asyncio.sleep(_ESTIMATE_POLL_S)
                    observation = await self._threads(jobs.observe, job_id)
        except TimeoutError:
            problem = Problem("ESTIMATE_TIMED_OUT", "Reading a sample of the data took too long.")
            return DataSample(problems=(problem,))
        finally:
            if observation.phase is Phase.RUNNING:
                await self._threads(jobs.stop, job_id)
            await self._threads(jobs.forget, job_id)
        if observation.result is not None:
            return observation.result
        failure = observation.failure
        return without_data(DataSample(), failure.reason or "WORKER_FAILED", failure.message)

    async def StopTrainingRun(
        self, request: pb.StopTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """End a run early with its best weights."""
        ports = self._ports
        return mapping.run(
            await self._threads(run_changes.stop_run, request.name, ports.store, ports.operations)
        )

    async def ResumeTrainingRun(
        self, request: pb.ResumeTrainingRunRequest, context: Context
    ) -> training_run_pb2.TrainingRun:
        """Let a run that failed or was cancelled go on."""
        ports = self._ports
        return mapping.run(
            await self._threads(run_changes.resume_run, request.name, ports.store, ports.operations)
        )

    async def ListTrainingRunMetrics(
        self, request: pb.ListTrainingRunMetricsRequest, context: Context
    ) -> pb.ListTrainingRunMetricsResponse:
        """The measurements of a run."""
        ports = self._ports
        page, token = await self._threads(
            run_changes.list_metrics,
            request.parent,
            request.page_size,
            request.page_token,
            request.max_points,
            ports.store,
            ports.curves,
            ports.tokens,
        )
        return mapping.metrics_page(request.parent, page, token)

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
            handlers.delete_run,
            request.name,
            request.allow_missing,
            ports.store,
            ports.references,
            ports.drivers,
        )
        return pb.DeleteTrainingRunResponse()

    async def PlanTraining(
        self, request: pb.PlanTrainingRequest, context: Context
    ) -> training_run_pb2.ResourcePlan:
        """Return the plan of a run."""
        spec = mapping.run_spec(request.training_run)
        ports = self._ports
        planned = await self._threads(
            handlers.plan_run, request.parent, spec, ports.machine, ports.bases, ports.store
        )
        return mapping.plan(planned)

    async def CreateSweep(self, request: pb.CreateSweepRequest, context: Context) -> sweep_pb2.Sweep:
        """Queue a sweep."""
        ports = self._ports
        created = await self._threads(
            sweeps.create_sweep,
            mapping.create_sweep(request),
            ports.store,
            ports.operations,
            ports.trial_runs,
        )
        return mapping.sweep(created)

    async def GetSweep(self, request: pb.GetSweepRequest, context: Context) -> sweep_pb2.Sweep:
        """One sweep."""
        return await self._sweeps.get(request)

    async def ListSweeps(self, request: pb.ListSweepsRequest, context: Context) -> pb.ListSweepsResponse:
        """The sweeps of a project."""
        page = await self._sweeps.list(request)
        return pb.ListSweepsResponse(sweeps=page.items, next_page_token=page.next_token)

    async def WatchSweep(
        self, request: pb.WatchSweepRequest, context: Context
    ) -> AsyncIterator[sweep_pb2.Sweep]:
        """A sweep's state and trials, then each newer one, until it has ended."""
        async for state in self._sweeps.watch(request, self._changes):
            yield state

    async def CancelSweep(self, request: pb.CancelSweepRequest, context: Context) -> sweep_pb2.Sweep:
        """Cancel a sweep with its trials in progress."""
        self._sweeps.check_name(request)
        return await self._sweeps.cancel(request, self._ports.operations)

    async def ResumeSweep(self, request: pb.ResumeSweepRequest, context: Context) -> sweep_pb2.Sweep:
        """Continue a sweep that has ended."""
        ports = self._ports
        resumed = await self._threads(
            sweeps.resume_sweep, request.name, mapping.resumed_budget(request), ports.store, ports.operations
        )
        return mapping.sweep(resumed)

    async def DeleteSweep(self, request: pb.DeleteSweepRequest, context: Context) -> pb.DeleteSweepResponse:
        """Delete a sweep that has ended."""
        await self._sweeps.delete(request, sweeps.delete_sweep)
        return pb.DeleteSweepResponse()
