"""Composition of a service, and the life of a process of services: start, ready, drain, end. It knows no domain."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData, Table

from ratoon.chassis import events as event_wiring
from ratoon.chassis import job_trace, outbox
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.client import open_channel
from ratoon.chassis.clock import Clock, SystemClock
from ratoon.chassis.database import Database
from ratoon.chassis.identity import Principal, Signer, Verifier, load_key, load_public_keys
from ratoon.chassis.jobs import Jobs, LocalJobs
from ratoon.chassis.metric_names import MetricRegistry
from ratoon.chassis.metrics import (
    ServiceMetrics,
    consumer_samples,
    operation_samples,
    outbox_samples,
    store_samples,
)
from ratoon.chassis.operation_watch import OperationWatch
from ratoon.chassis.operations import Operations, Procedure
from ratoon.chassis.ownership import Owners, StoredOwners, check_request
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.probes import Probes, Wellness
from ratoon.chassis.remote_jobs import RemoteJobs
from ratoon.chassis.requests import digests_in
from ratoon.chassis.revisions import check_current
from ratoon.chassis.server import LARGE_BYTES, CallInterceptor, Threads
from ratoon.chassis.settings import ProcessSettings, ServiceSettings
from ratoon.chassis.store import Encode, Store
from ratoon.chassis.telemetry import OperationMetrics, RpcMetrics, Traces
from ratoon.chassis.tls import Certificates, certificates_of, is_socket
from ratoon.chassis.watch import Changes
from ratoon.events.consumer import Consumer, Handler
from ratoon.events.ports import EventLog

_LOG = logging.getLogger(__name__)
_GRACE_S = 10.0
_SERVER_OPTIONS = [
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # callers monitor silent streams
]


class Background(Protocol):
    """Something that works on threads of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """Finish what is in hand and return."""
        ...


class Listener(Protocol):
    """Server on the event loop in addition to the service's own gRPC server."""

    async def start(self) -> None:
        """Bind and begin."""
        ...

    async def stop(self) -> None:
        """Take nothing new, let what is open end (to a bound), and return."""
        ...


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


@dataclass(frozen=True)
class Rpc:
    """One gRPC service of an app: its full name, its generated `add_…_to_server`, and its servicer."""

    service: str
    add: Callable[[Any, Any], None]
    servicer: object


@dataclass(frozen=True)
class App:
    """A service, ready to run."""

    settings: ProcessSettings
    rpcs: Sequence[Rpc]
    interceptor: CallInterceptor
    threads: Threads
    database: Database | None
    background: Sequence[Background] = field(default_factory=tuple)
    """In the order they start; they stop in the reverse order."""
    listeners: Sequence[Listener] = field(default_factory=tuple)
    """They start last and stop first."""
    channels: Sequence[grpc.Channel] = field(default_factory=tuple)
    """Channels to other services, closed once nothing here calls any more."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Event loop that this service prefers for its process."""


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
        self._channels: list[grpc.Channel] = []
        self._metadata = metadata
        self._tokens = PageTokens(self.signer.sign(b"page tokens"))

    def store(self, tables: dict[type, Table], encode: Encode) -> Store:
        """Return the store of the service's resources."""
        owners = Owners(self.artifacts)
        store = Store(self.database, tables, encode, outbox.append, self._tokens, self.clock, owners.grant)
        self.platform.service_metrics.add(self.settings.service, store_samples(store))
        self._stored_owners = [StoredOwners(self.settings.service, store, self.artifacts)]
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
            rpcs,
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


def run(
    process: str, apps: Sequence[App], metrics: str = "", registry: CollectorRegistry | None = None
) -> None:
    """Serve the services in this process until SIGTERM or SIGINT, then drain them."""
    wellness = Wellness()
    probes = Probes(metrics, registry or CollectorRegistry(), wellness) if metrics else None
    if probes is not None:
        probes.start()
    factory = next((app.loop_factory for app in apps if app.loop_factory), None)
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_until_signalled(process, apps, wellness))
    finally:
        if probes is not None:
            probes.stop()


async def live(process: str, apps: Sequence[App], stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Start the services, report ready, serve until `stop` is set, drain them."""
    served = [await _start(app) for app in apps]
    _LOG.info(
        "%s is ready: %s", process, ", ".join(f"{a.settings.service} on {a.settings.listen}" for a in apps)
    )
    gc.collect()
    gc.freeze()  # permanent objects are left out of collections: a full collection would block the loop
    ready()
    await stop.wait()
    gc.unfreeze()
    _LOG.info("%s drains", process)
    await asyncio.gather(*(_drain(app, *parts) for app, parts in zip(apps, served, strict=True)))
    _LOG.info("%s has ended", process)


async def _until_signalled(process: str, apps: Sequence[App], wellness: Wellness) -> None:
    stop = asyncio.Event()

    def ready() -> None:
        wellness.ready = True

    def end() -> None:
        wellness.ready = False
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    beating = asyncio.create_task(wellness.beat_for_ever())
    try:
        await live(process, apps, stop, ready)
    finally:
        beating.cancel()


async def _start(app: App) -> tuple[aio.Server, health.aio.HealthServicer]:
    """Bind, start the background work, then report that the service serves."""
    server = aio.server(interceptors=[app.interceptor], options=_SERVER_OPTIONS)
    wellness = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(wellness, server)
    for rpc in app.rpcs:
        rpc.add(rpc.servicer, server)
    names = [rpc.service for rpc in app.rpcs]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    _make_way(app.settings.listen)
    listen_on(server, app.settings.listen, certificates_of(app.settings.tls))
    await server.start()
    for part in app.background:
        part.start()
    try:
        for listener in app.listeners:
            await listener.start()
    except BaseException:
        await server.stop(None)
        raise
    for name in ["", *names]:
        await wellness.set(name, health_pb2.HealthCheckResponse.SERVING)
    return server, wellness


async def _drain(app: App, server: aio.Server, wellness: health.aio.HealthServicer) -> None:
    """Readiness off, then listeners, consumers, operations and relay, then the server, then the database."""
    await wellness.enter_graceful_shutdown()
    for listener in reversed(app.listeners):
        await listener.stop()
    for part in reversed(app.background):
        await asyncio.to_thread(part.stop)
    await server.stop(_GRACE_S)
    app.threads.close()
    for channel in app.channels:
        channel.close()
    if app.database is not None:
        app.database.close()


def listen_on(server: aio.Server, address: str, certificates: Certificates | None) -> None:
    """Let the server listen on an address: by mutual TLS where there are certificates and it is no Unix socket."""
    if certificates is None or is_socket(address):
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, certificates.serving())


def _make_way(address: str) -> None:
    """The directory of a Unix socket, ours alone, without the socket of a dead process."""
    if not address.startswith("unix://"):
        return
    path = Path(address.removeprefix("unix://"))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
