"""Puts training together: the only file that knows concrete adapters."""

from collections.abc import Sequence

from ratoon.runtime.lifecycle import App, Background, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.references import PeerReferences
from ratoon.storage.artifacts import ArtifactStore
from ratoon.training.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server
from ratoon_training import mapping
from ratoon_training.adapters import tables
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers
from ratoon_training.adapters.machine import ClusterPods, ThisMachine
from ratoon_training.adapters.shared_workers import SharedWorkers
from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.application.pod_gc import PodGarbageCollector
from ratoon_training.application.ports import Drivers, Machine, Workers
from ratoon_training.application.procedures import RunProcedure
from ratoon_training.entrypoints.grpc import Ports, TrainingServicer
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
    )
    drivers = JobDrivers(runtime.jobs(), options)
    workers, watches = run_workers(settings)
    return assemble(runtime, drivers, machine(settings), workers, watches)


def assemble(
    runtime: ServiceRuntime,
    drivers: Drivers,
    machine: Machine,
    workers: Workers,
    watches: Sequence[Background] = (),
) -> App:
    """Return the service with these adapters and the background tasks that they need."""
    store = runtime.store(tables.RESOURCES, mapping.event)
    references = PeerReferences([runtime.peer("registry"), runtime.peer("flywheel")])
    operations = runtime.operations(store, [RunProcedure(drivers, machine, workers)])
    artifacts = ArtifactStore(runtime.settings.artifacts_url)
    bases = StoredModels(artifacts)
    ports = Ports(store, operations, runtime.clock, machine, bases, artifacts, references)
    servicer = TrainingServicer(ports, runtime.changes(store), runtime.threads)
    rpc = Rpc("ratoon.training.v1.TrainingService", add_TrainingServiceServicer_to_server, servicer)
    collectors = [PodGarbageCollector(store, workers)] if watches else []
    return runtime.app([rpc], [*watches, *collectors, operations])


def machine(settings: Settings) -> Machine:
    """Return the capacity for new runs."""
    if settings.workers is None:
        return ThisMachine(settings.memory_bytes, settings.machine_families)
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
