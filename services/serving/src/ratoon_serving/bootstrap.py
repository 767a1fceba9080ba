"""Puts serving together: the only file that knows concrete adapters."""

from ratoon.chassis.app import App, Foundation, Platform, Rpc
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.serving.v1.serving_service_pb2_grpc import add_ServingServiceServicer_to_server
from ratoon_serving import mapping
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost, LocalEngines
from ratoon_serving.adapters.models import RegistryModels
from ratoon_serving.adapters.traffic import MemoryTrafficBook
from ratoon_serving.application.executor import Executor
from ratoon_serving.application.opening import Opening
from ratoon_serving.application.ports import EngineHost, Models
from ratoon_serving.application.procedures import DeploymentProcedure, RolloutProcedure
from ratoon_serving.entrypoints.grpc import Ports, ServingServicer
from ratoon_serving.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Serving, ready to run."""
    base = Foundation(settings, platform, tables.METADATA)
    artifacts = ArtifactStore(settings.artifacts_url)
    host = LocalEngineHost(local_engines(settings), artifacts, EngineClient())
    return assemble(base, host, RegistryModels(base.peer("registry"), artifacts))


def assemble(base: Foundation, host: EngineHost, models: Models) -> App:
    """The room around its two outward ports: where engines run, and the registry."""
    store = base.store(tables.RESOURCES, mapping.event)
    executor, book = Executor(store, host, models), MemoryTrafficBook()
    rollouts = RolloutProcedure(store, models, executor, book, base.clock)
    operations = base.operations(store, [rollouts, DeploymentProcedure(store, executor)])
    ports = Ports(store, operations, host, models, book, base.clock)
    servicer = ServingServicer(ports, base.changes(store), base.threads)
    rpc = Rpc("ratoon.serving.v1.ServingService", add_ServingServiceServicer_to_server, servicer)
    return base.app([rpc], [Opening(store, host, base.clock), operations])


def local_engines(settings: Settings) -> LocalEngines:
    """What this machine's engines have in common."""
    return LocalEngines(
        state=settings.folder,
        run=settings.sockets,
        public_key=settings.public_key,
        threads=settings.threads,
        kv_cache_mib=settings.kv_cache_mib,
        max_model_len=settings.max_model_len,
    )
