"""Puts the registry together: the only file that knows concrete adapters."""

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.registry.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.security.identity import make_signing_key
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon_registry import mapping
from ratoon_registry.adapters import tables
from ratoon_registry.adapters.certificates import StoredCertificates
from ratoon_registry.adapters.seals import Sealer
from ratoon_registry.adapters.verification import verification_jobs
from ratoon_registry.adapters.weights import StoredWeights
from ratoon_registry.application.procedures import version_procedure
from ratoon_registry.entrypoints.grpc import RegistryServicer
from ratoon_registry.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """The registry, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    environment = JobEnvironment(
        artifacts=settings.artifacts_url,
        warm=str(settings.model_loading_folder),
        lanes=settings.lanes,
        time_limit_s=settings.job_time_limit_s,
        memory_share=settings.job_memory_share,
    )
    artifacts, sealer = ArtifactStore(settings.artifacts_url), Sealer(make_signing_key(settings.keys))
    verification = verification_jobs(
        base.jobs(), artifacts, sealer, environment, settings.golden_count, base.job_devices()
    )
    certificates = StoredCertificates(artifacts, sealer)
    operations = base.operations(store, [version_procedure(verification)])
    ports = (store, operations, verification, StoredWeights(artifacts), certificates, base.changes(store))
    servicer = RegistryServicer(*ports, base.threads, base.clock)
    rpc = Rpc("ratoon.registry.v1.RegistryService", add_RegistryServiceServicer_to_server, servicer)
    return base.app([rpc], [operations])
