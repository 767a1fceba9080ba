"""Puts training together: the only file that knows concrete adapters."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from ratoon.operations.job_procedure import JobRunner
from ratoon.operations.ray.cluster import joins_existing
from ratoon.runtime.lifecycle import App, Background, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.chat_endpoints import normalized_url
from ratoon.service.compute import has_nvidia_gpu
from ratoon.service.references import PeerReferences
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.paging import PageTokens
from ratoon.tasks.compute import Accelerator
from ratoon.training.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server
from ratoon_training import mapping
from ratoon_training.adapters import tables
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.adapters.certificates import RegistryCertificates
from ratoon_training.adapters.compression_jobs import compression_jobs
from ratoon_training.adapters.curves import StoredCurves
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers, estimate_jobs
from ratoon_training.adapters.gaussian_process import GaussianProcessModel
from ratoon_training.adapters.machine import ClusterPods, ThisMachine
from ratoon_training.adapters.model_export_jobs import model_export_jobs
from ratoon_training.adapters.optimism import StoredOptimism
from ratoon_training.adapters.run_results import StoredResults
from ratoon_training.adapters.shared_workers import SharedWorkers
from ratoon_training.adapters.tpe import TpeModel
from ratoon_training.adapters.trial_specs import MessageSpecs
from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.application.compressions import Compressions, compression_procedure
from ratoon_training.application.model_exports import ModelExports, model_export_procedure
from ratoon_training.application.pod_gc import PodGarbageCollector
from ratoon_training.application.ports import Drivers, Machine, SettingsModel, Workers
from ratoon_training.application.procedures import RunProcedure
from ratoon_training.application.sweeps import SweepProcedure, TrialRuns
from ratoon_training.domain.estimates import DataSample
from ratoon_training.domain.predictions import NO_PRICES, Prices
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Sampler
from ratoon_training.entrypoints.compressions import CompressionPorts
from ratoon_training.entrypoints.grpc import Ports, TrainingServicer
from ratoon_training.entrypoints.model_exports import ModelExportPorts
from ratoon_training.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Training, ready to run."""
    runtime = ServiceRuntime(settings, platform, tables.METADATA)
    options = DriverOptions(
        work=settings.folder / "work",
        warm=settings.warm_folder,
        artifacts_url=settings.artifacts_url,
        idle_s=settings.idle_s,
        checkpoint_every_s=settings.checkpoint_every_s,
        memory_limit_bytes=settings.memory_limit_bytes,
        endpoints={normalized_url(url): variable for url, variable in settings.endpoints.items()},
    )
    jobs = runtime.jobs()
    workers, watches = run_workers(settings)
    return assemble(
        runtime,
        JobDrivers(jobs, options),
        machine(settings),
        workers,
        watches,
        options.endpoints,
        estimates=estimate_jobs(jobs, options),
        compressions=compression_jobs(jobs, settings.artifacts_url),
        model_exports=model_export_jobs(jobs, settings.artifacts_url, settings.llama_cpp_folder),
        hourly_costs=settings.costs,
        prices=settings.price_list,
    )


def assemble(
    runtime: ServiceRuntime,
    drivers: Drivers,
    machine: Machine,
    workers: Workers,
    watches: Sequence[Background] = (),
    endpoints: Collection[str] = (),
    *,
    estimates: JobRunner[TrainingRun, DataSample],
    compressions: Compressions,
    model_exports: ModelExports,
    hourly_costs: Mapping[Accelerator, float] = MappingProxyType({}),
    prices: Prices = NO_PRICES,
) -> App:
    """Return the service with these adapters and the background tasks that they need."""
    store = runtime.store(tables.RESOURCES, mapping.event)
    references = PeerReferences([runtime.peer("registry"), runtime.peer("flywheel")])
    artifacts = ArtifactStore(runtime.settings.artifacts_url)
    bases = StoredModels(artifacts)
    trial_runs = TrialRuns(store, runtime.clock, bases, artifacts, MessageSpecs(), endpoints, hourly_costs)
    results, optimism = StoredResults(artifacts), StoredOptimism(artifacts)
    models: dict[Sampler, SettingsModel] = {
        Sampler.TPE: TpeModel(),
        Sampler.GAUSSIAN_PROCESS: GaussianProcessModel(),
    }
    sweeps = SweepProcedure(trial_runs, models, results, optimism, lambda: operations)

    def wake(name: str) -> None:
        with store.write() as tx:
            operations.wake(tx, name)

    operations = runtime.operations(
        store,
        [
            RunProcedure(
                drivers,
                machine,
                workers,
                store,
                prices,
                shares_memory=isinstance(machine, ThisMachine),
                wake=wake,
            ),
            sweeps,
            compression_procedure(compressions),
            model_export_procedure(model_exports, RegistryCertificates(runtime.peer("registry"))),
        ],
    )
    ports = Ports(
        store=store,
        operations=operations,
        clock=runtime.clock,
        machine=machine,
        bases=bases,
        parts=artifacts,
        references=references,
        trial_runs=trial_runs,
        drivers=drivers,
        estimates=estimates,
        curves=StoredCurves(artifacts),
        tokens=PageTokens(runtime.signer.sign(b"metric pages")),
        hourly_costs=hourly_costs,
        endpoints=endpoints,
    )
    changes = runtime.changes(store)
    compression_ports = CompressionPorts(
        store, operations, runtime.clock, bases, artifacts, changes, runtime.threads
    )
    export_ports = ModelExportPorts(store, operations, runtime.clock, bases, changes, runtime.threads)
    servicer = TrainingServicer(ports, changes, runtime.threads, compression_ports, export_ports)
    rpc = Rpc("ratoon.training.v1.TrainingService", add_TrainingServiceServicer_to_server, servicer)
    collectors = [PodGarbageCollector(store, workers)] if watches else []
    return runtime.app([rpc], [*watches, *collectors, operations])


def machine(settings: Settings) -> Machine:
    """Return the capacity for new runs."""
    if settings.workers is None:
        has_gpu = joins_existing() or has_nvidia_gpu()
        return ThisMachine(settings.memory_bytes, settings.machine_families, has_gpu=has_gpu)
    return ClusterPods(WorkerFolder(settings.workers), settings.memory_bytes, settings.machine_families)


def run_workers(settings: Settings) -> tuple[Workers, Sequence[Background]]:
    """Return the source of a run's workers, and the background tasks that it needs."""
    folder = WorkerFolder(settings.workers) if settings.workers is not None else None
    if folder is None or not folder.has_templates:
        return SharedWorkers(), ()
    # Only here: the client of Kubernetes takes a second and 60 MB to import, for those who have none.
    from ratoon.kubernetes.cluster_api import connect
    from ratoon_training.adapters.kubernetes_workers import KubernetesWorkers

    cluster = connect("ratoon-training", settings.kubeconfig, settings.namespace)
    workers = KubernetesWorkers(cluster, folder, settings.deployment)
    return workers, workers.watches
