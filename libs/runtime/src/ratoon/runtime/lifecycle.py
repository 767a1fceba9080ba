"""Life of a process of services: start, readiness, drain, end. It knows no domain and no storage."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from ratoon.runtime.probes import Probes, Wellness
from ratoon.runtime.server import CallInterceptor, Threads
from ratoon.runtime.settings import ProcessSettings
from ratoon.security.tls import Certificates, certificates_of, is_socket

_LOG = logging.getLogger(__name__)
_GRACE_S = 10.0
_SERVER_OPTIONS = [
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # callers monitor silent streams
]


class Closeable(Protocol):
    """Something that an app closes at its end: its database."""

    def close(self) -> None:
        """Release what it holds."""
        ...


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
    database: Closeable | None
    background: Sequence[Background] = field(default_factory=tuple)
    """In the order they start; they stop in the reverse order."""
    listeners: Sequence[Listener] = field(default_factory=tuple)
    """They start last and stop first."""
    channels: Sequence[grpc.Channel] = field(default_factory=tuple)
    """Channels to other services, closed once nothing here calls any more."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Event loop that this service prefers for its process."""


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
    ready()
    await stop.wait()
    _LOG.info("%s drains", process)
    await asyncio.gather(*(_drain(app, *parts) for app, parts in zip(apps, served, strict=True)))
    _LOG.info("%s has ended", process)


async def _until_signalled(process: str, apps: Sequence[App], wellness: Wellness) -> None:
    stop = asyncio.Event()

    def ready() -> None:
        gc.collect()
        gc.freeze()  # permanent objects are left out of collections: a full collection would block the loop
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
