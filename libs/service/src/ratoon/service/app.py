"""Composition of a service: what it is built on, from its settings. It knows no domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData, Table

from ratoon.events.consumer import Consumer, Handler
from ratoon.events.ports import EventLog
from ratoon.operations import job_trace
from ratoon.operations.jobs import Jobs, LocalJobs
from ratoon.operations.operation_watch import OperationWatch
from ratoon.operations.operations import Operations, Procedure
from ratoon.operations.remote_jobs import RemoteJobs
from ratoon.process.clock import Clock, SystemClock
from ratoon.runtime.client import open_channel
from ratoon.runtime.lifecycle import App, Background, Rpc
from ratoon.runtime.metric_names import MetricRegistry
from ratoon.runtime.requests import digests_in
from ratoon.runtime.server import LARGE_BYTES, CallInterceptor, Threads
from ratoon.runtime.settings import ServiceSettings
from ratoon.runtime.telemetry import OperationMetrics, RpcMetrics, Traces
from ratoon.security.identity import Principal, Signer, Verifier, load_key, load_public_keys
from ratoon.security.tls import certificates_of
from ratoon.service import events as event_wiring
from ratoon.service.compute import JobDevices
from ratoon.service.metrics import (
    ServiceMetrics,
    consumer_samples,
    operation_samples,
    outbox_samples,
    store_samples,
)
from ratoon.service.references import reference_rpc
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.ownership import Owners, StoredOwners, check_request
from ratoon.storage.paging import PageTokens
from ratoon.storage.revisions import check_current
from ratoon.storage.store import Encode, Store
from ratoon.storage.watch import Changes


@dataclass(frozen=True)
class Platform:
    """Shared objects that a process gives to each of its services."""

    clock: Clock
    metrics: CollectorRegistry
    rpc_metrics: RpcMetrics
    operation_metrics: OperationMetrics
    service_metrics: ServiceMetrics
    traces: Traces

    @staticmethod
    def of_process(otlp: str = "", trace_ratio: float = 1.0) -> "Platform":
        """Return the platform of this process; its spans are sent to `otlp`, unless that is empty."""
        registry, service_metrics = MetricRegistry(), ServiceMetrics()
        registry.register(service_metrics)
        return Platform(
            SystemClock(),
            registry,
            RpcMetrics(registry),
            OperationMetrics(registry),
            service_metrics,
            Traces(otlp, trace_ratio),
        )


class ServiceRuntime:
    """Runtime of one service, built from its settings: database, store, identity, event log, threads."""

    def __init__(self, settings: ServiceSettings, platform: Platform, metadata: MetaData) -> None:
        self.settings, self.platform = settings, platform
        self.clock = platform.clock
        self.tracer = platform.traces.tracer(settings.service)
        key = load_key(settings.keys / f"{settings.service}.key")
        self.signer = Signer(settings.service, key, platform.clock)
        self.certificates = certificates_of(settings.tls)
        self.verifier = Verifier(load_public_keys(settings.keys / "public.json"))
        self.database = Database(settings.database_url)
        check_current(settings.service, self.database)
        self.threads = Threads(settings.service)
        self.log: EventLog = event_wiring.open_log(settings, platform.clock)
        self.artifacts = ArtifactStore(settings.artifacts_url)
        self._stored_owners: list[Background] = []
        self._references: list[Rpc] = []
        self._channels: list[grpc.Channel] = []
        self._metadata = metadata
        self._tokens = PageTokens(self.signer.sign(b"page tokens"))

    def store(self, tables: dict[type, Table], encode: Encode) -> Store:
        """Return the store of the service's resources."""
        owners = Owners(self.artifacts)
        store = Store(self.database, tables, encode, outbox.append, self._tokens, self.clock, owners.grant)
        self.platform.service_metrics.add(self.settings.service, store_samples(store))
        self._stored_owners = [StoredOwners(self.settings.service, store, self.artifacts)]
        self._references = [reference_rpc(store, self.threads)]
        return store

    def operations(self, store: Store, procedures: Iterable[Procedure[Any]]) -> Operations:
        """Return the operations of the service."""
        watch = OperationWatch(self.settings.service, self.tracer, self.platform.operation_metrics)
        return Operations(store, self._metadata.tables["operations"], procedures, self.clock, watch=watch)

    def jobs(self) -> Jobs:
        """Return the service's jobs, on job workers or here; they continue the trace that starts them."""
        if self.settings.jobs:
            addresses = [address.strip() for address in self.settings.jobs.split(",")]
            return RemoteJobs({each: self._channel(each) for each in addresses})
        trace = partial(job_trace.environment, self.settings.service, self.platform.traces.otlp)
        return LocalJobs(self.settings.folder / "jobs", trace=trace)

    def job_devices(self) -> JobDevices:
        """Return the devices of the service's jobs, known if they run here."""
        return JobDevices(is_local=not self.settings.jobs)

    def changes(self, store: Store) -> Changes:
        """Return the source of changes for the service's watchers."""
        return Changes(store)

    def peer(self, service: str) -> grpc.Channel:
        """Return a channel to another service, signed by this one."""
        return self._channel(self.settings.peer(service))

    def traced_handler(self, handler: Handler) -> Handler:
        """Return the service's event handler, for its consumer; it continues the trace of the event."""
        return event_wiring.traced_handler(self.settings.service, self.tracer, handler)

    def app(self, rpcs: Sequence[Rpc], background: Sequence[Background] = ()) -> App:
        """Return the app, with a relay if it has topics; `background` are operations and consumers, in start order."""
        platform = self.platform
        topics = event_wiring.topics_of(self.settings.service)
        relay = [event_wiring.relay(self.settings, self.database, self.log, self.clock)] if topics else []
        for part in (*relay, *background):
            self._watch(part)
        return App(
            self.settings,
            (*rpcs, *self._references),
            CallInterceptor(self.verifier, self.tracer, platform.rpc_metrics, self._check_artifacts),
            self.threads,
            self.database,
            (*self._stored_owners, *relay, *background),
            channels=self._channels,
        )

    def _channel(self, address: str) -> grpc.Channel:
        channel = open_channel(address, self.signer, self.certificates)
        self._channels.append(channel)
        return channel

    async def _check_artifacts(self, principal: Principal, request: Message) -> None:
        """Refuse a request that refers to an artifact of another project."""
        if request.ByteSize() > LARGE_BYTES or digests_in(request):
            await self.threads(check_request, self.artifacts, principal, request)

    def _watch(self, part: Background) -> None:
        """Add the metrics of a part to those of the process."""
        add = partial(self.platform.service_metrics.add, self.settings.service)
        match part:
            case Operations():
                add(operation_samples(part, self.clock))
            case outbox.Relay():
                add(outbox_samples(part, self.database))
            case Consumer():
                add(consumer_samples(part))
