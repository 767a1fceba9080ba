"""A room put together, and how a process of rooms lives: start, ready, drain, end. It knows no domain."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, start_http_server
from sqlalchemy import MetaData, Table

from ratoon.chassis import events as event_wiring
from ratoon.chassis import outbox
from ratoon.chassis.client import open_channel
from ratoon.chassis.clock import Clock, SystemClock
from ratoon.chassis.database import Database
from ratoon.chassis.identity import Signer, Verifier, load_key, load_public_keys
from ratoon.chassis.migrations import check_current
from ratoon.chassis.operations import Operations, Procedure
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.server import CallInterceptor, Threads
from ratoon.chassis.settings import RoomSettings
from ratoon.chassis.store import Encode, Store
from ratoon.chassis.telemetry import RpcMetrics, tracer
from ratoon.chassis.watch import Changes
from ratoon.events.ports import EventLog

_LOG = logging.getLogger(__name__)
_GRACE_S = 10.0
_MESSAGE_BYTES = 4 << 20


class Background(Protocol):
    """Something that works on threads of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """Finish what is in hand and return."""
        ...


class Listener(Protocol):
    """Something that serves on the event loop beside the room's own gRPC server."""

    async def start(self) -> None:
        """Bind and begin."""
        ...

    async def stop(self) -> None:
        """Take nothing new, let what is open end (to a bound), and return."""
        ...


@dataclass(frozen=True)
class Platform:
    """What a process gives to each of its rooms."""

    clock: Clock
    metrics: CollectorRegistry
    rpc_metrics: RpcMetrics
    tracer: Tracer

    @staticmethod
    def of_process(process: str, otlp: str = "") -> "Platform":
        """The platform of this process."""
        registry = CollectorRegistry()
        return Platform(SystemClock(), registry, RpcMetrics(registry), tracer(process, otlp)[0])


@dataclass(frozen=True)
class Rpc:
    """One gRPC service of a room: its full name, its generated `add_…_to_server`, and what serves it."""

    service: str
    add: Callable[[Any, Any], None]
    servicer: object


@dataclass(frozen=True)
class App:
    """A room, ready to run."""

    settings: RoomSettings
    rpcs: Sequence[Rpc]
    interceptor: CallInterceptor
    threads: Threads
    database: Database
    background: Sequence[Background] = field(default_factory=tuple)
    """In the order they start; they stop in the reverse order."""
    listeners: Sequence[Listener] = field(default_factory=tuple)
    """They start last and stop first."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    """The event loop that this room would like its process to have."""


class Foundation:
    """What every room is built on, from its settings: database, store, identity, event log, threads."""

    def __init__(self, settings: RoomSettings, platform: Platform, metadata: MetaData) -> None:
        self.settings, self.platform = settings, platform
        self.clock = platform.clock
        key = load_key(settings.keys / f"{settings.service}.key")
        self.signer = Signer(settings.service, key, platform.clock)
        self.verifier = Verifier(load_public_keys(settings.keys / "public.json"))
        self.database = Database(settings.database_url)
        check_current(settings.service, self.database)
        self.threads = Threads(settings.service)
        self.log: EventLog = event_wiring.open_log(settings, platform.clock)
        self._metadata = metadata
        self._tokens = PageTokens(self.signer.sign(b"page tokens"))

    def store(self, tables: dict[type, Table], encode: Encode) -> Store:
        """The room's resources."""
        return Store(self.database, tables, encode, outbox.append, self._tokens, self.clock)

    def operations(self, store: Store, procedures: Iterable[Procedure[Any]]) -> Operations:
        """The room's long work."""
        return Operations(store, self._metadata.tables["operations"], procedures, self.clock)

    def changes(self, store: Store) -> Changes:
        """What wakes the room's watchers."""
        return Changes(store)

    def peer(self, service: str) -> grpc.Channel:
        """A channel to another room, signed by this one."""
        return open_channel(self.settings.peer(service), self.signer)

    def app(self, rpcs: Sequence[Rpc], background: Sequence[Background] = ()) -> App:
        """The room, with its relay if it has topics; `background` are operations and consumers, as they start."""
        platform = self.platform
        tells = event_wiring.topics_of(self.settings.service)
        relay = [event_wiring.relay(self.settings, self.database, self.log, self.clock)] if tells else []
        return App(
            self.settings,
            rpcs,
            CallInterceptor(self.verifier, platform.tracer, platform.rpc_metrics),
            self.threads,
            self.database,
            (*relay, *background),
        )


def run(
    process: str, apps: Sequence[App], metrics: str = "", registry: CollectorRegistry | None = None
) -> None:
    """Serve the rooms in this process until SIGTERM or SIGINT, then drain them."""
    if metrics and registry is not None:
        host, _, port = metrics.rpartition(":")
        start_http_server(int(port), addr=host or "127.0.0.1", registry=registry)
    factory = next((app.loop_factory for app in apps if app.loop_factory), None)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_until_signalled(process, apps))


async def live(process: str, apps: Sequence[App], stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Start the rooms, say that they are ready, serve until `stop` is set, drain them."""
    served = [await _start(app) for app in apps]
    _LOG.info(
        "%s is ready: %s", process, ", ".join(f"{a.settings.service} on {a.settings.listen}" for a in apps)
    )
    gc.collect()
    gc.freeze()  # what stays for good is not looked through again: a full collection would hold the loop up
    ready()
    await stop.wait()
    gc.unfreeze()
    _LOG.info("%s drains", process)
    await asyncio.gather(*(_drain(app, *parts) for app, parts in zip(apps, served, strict=True)))
    _LOG.info("%s has ended", process)


async def _until_signalled(process: str, apps: Sequence[App]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await live(process, apps, stop, lambda: None)


async def _start(app: App) -> tuple[aio.Server, health.aio.HealthServicer]:
    """Bind, start the background work, then say that the room serves."""
    server = aio.server(
        interceptors=[app.interceptor], options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    )
    wellness = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(wellness, server)
    for rpc in app.rpcs:
        rpc.add(rpc.servicer, server)
    names = [rpc.service for rpc in app.rpcs]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    _make_way(app.settings.listen)
    server.add_insecure_port(app.settings.listen)
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
    app.database.close()


def _make_way(address: str) -> None:
    """The folder of a Unix socket, ours alone, without the socket of a dead process."""
    if not address.startswith("unix://"):
        return
    path = Path(address.removeprefix("unix://"))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
