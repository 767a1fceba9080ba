"""Composition root of serving: the only file that knows concrete adapters."""

from collections.abc import Sequence

from ratoon.runtime.lifecycle import App, Background, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.serving.v1.serving_service_pb2_grpc import add_ServingServiceServicer_to_server
from ratoon.storage.artifacts import ArtifactStore
from ratoon_serving import mapping
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost, LocalEngines
from ratoon_serving.adapters.metrics import engine_metrics
from ratoon_serving.adapters.models import RegistryModels
from ratoon_serving.adapters.traffic import TableTrafficBook
from ratoon_serving.application.executor import Executor
from ratoon_serving.application.ports import EngineHost, EngineTimeouts, Models
from ratoon_serving.application.procedures import DeploymentProcedure, RolloutProcedure
from ratoon_serving.application.startup_reconciliation import StartupReconciliation
from ratoon_serving.domain.scaling import POLICY, Policy
from ratoon_serving.entrypoints.grpc import Ports, ServingServicer
from ratoon_serving.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Return serving, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    artifacts = ArtifactStore(settings.artifacts_url)
    host, watches = engine_host(settings, artifacts)
    models = RegistryModels(base.peer("registry"), artifacts, settings.max_model_len)
    rules = Policy(idle_s=settings.idle_s, requests_per_s=settings.replica_requests_per_s)
    return assemble(base, host, models, watches, rules)


def assemble(
    base: ServiceRuntime,
    host: EngineHost,
    models: Models,
    watches: Sequence[Background] = (),
    rules: Policy = POLICY,
) -> App:
    """Return the service around its two outward ports: the host of engines, with its watches, and the registry."""
    store = base.store(tables.RESOURCES, mapping.event)
    executor, book = Executor(store, host, models), TableTrafficBook(store.database)
    rollouts = RolloutProcedure(store, models, executor, book, base.clock)
    operations = base.operations(
        store, [rollouts, DeploymentProcedure(store, executor, book, base.clock, rules)]
    )
    base.platform.service_metrics.add(base.settings.service, engine_metrics(store))
    ports = Ports(store, operations, host, models, book, base.clock)
    servicer = ServingServicer(ports, base.changes(store), base.threads)
    rpc = Rpc("ratoon.serving.v1.ServingService", add_ServingServiceServicer_to_server, servicer)
    return base.app([rpc], [*watches, StartupReconciliation(store, host, base.clock), operations])


def engine_host(settings: Settings, artifacts: ArtifactStore) -> tuple[EngineHost, Sequence[Background]]:
    """Return the host of engines, and its background tasks."""
    client = EngineClient(settings.engine_hang_s)
    if settings.engines == "local":
        return LocalEngineHost(local_engines(settings), artifacts, client), ()
    # Imported here: the Kubernetes client takes a second and 60 MB to import, and most machines do not need it.
    from ratoon.kubernetes.cluster_api import connect
    from ratoon_serving.adapters.engine_deployments import PodEngines
    from ratoon_serving.adapters.kubernetes_engine import KubernetesEngineHost

    config = PodEngines(
        settings.deployment,
        settings.engine_templates,
        settings.engine_pool,
        EngineTimeouts(settings.engine_start_s, settings.placement_timeout_s),
    )
    cluster = connect("ratoon-serving", settings.kubeconfig, settings.namespace)
    host = KubernetesEngineHost(cluster, config, artifacts, client)
    return host, host.watches


def local_engines(settings: Settings) -> LocalEngines:
    """Return the common configuration of the engines of this machine."""
    return LocalEngines(
        state=settings.folder,
        run=settings.sockets,
        public_key=settings.public_key,
        threads=settings.threads,
        kv_cache_mib=settings.kv_cache_mib,
        max_model_len=settings.max_model_len,
        otlp=settings.otlp.rstrip("/"),
        shared_adapters=settings.shared_adapters,
    )
