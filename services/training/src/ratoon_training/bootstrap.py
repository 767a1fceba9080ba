"""Puts training together: the only file that knows concrete adapters."""

from ratoon.chassis.app import App, Foundation, Platform, Rpc
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.jobs import LocalJobs
from ratoon.training.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server
from ratoon_training import mapping
from ratoon_training.adapters import tables
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers
from ratoon_training.adapters.machine import ThisMachine
from ratoon_training.application.procedures import RunProcedure
from ratoon_training.entrypoints.grpc import Ports, TrainingServicer
from ratoon_training.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Training, ready to run."""
    base = Foundation(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    options = DriverOptions(
        work=settings.folder / "work",
        warm=settings.warm_folder,
        artifacts_url=settings.artifacts_url,
        idle_s=settings.idle_s,
        checkpoint_every_s=settings.checkpoint_every_s,
        memory_limit_bytes=settings.memory_limit_bytes,
    )
    drivers = JobDrivers(LocalJobs(settings.folder / "jobs"), options)
    machine = ThisMachine(settings.memory_bytes, settings.machine_families)
    operations = base.operations(store, [RunProcedure(drivers, machine)])
    bases = StoredModels(ArtifactStore(settings.artifacts_url))
    ports = Ports(store, operations, base.clock, machine, bases)
    servicer = TrainingServicer(ports, base.changes(store), base.threads)
    rpc = Rpc("ratoon.training.v1.TrainingService", add_TrainingServiceServicer_to_server, servicer)
    return base.app([rpc], [operations])
