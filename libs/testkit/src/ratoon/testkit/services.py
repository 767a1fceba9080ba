"""Services inside a test's process, through their own `build`, on Unix sockets in a temporary state directory."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import grpc

from ratoon.process.clock import SystemClock
from ratoon.runtime import lifecycle
from ratoon.runtime.client import open_channel, open_channel_with_token
from ratoon.runtime.lifecycle import App
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import ServiceSettings, socket_address
from ratoon.security.identity import Principal, Role, Signer, load_key, make_keys
from ratoon.service.app import Platform
from ratoon.service.host import build
from ratoon.testkit.loops import no_slow_callbacks
from ratoon.testkit.migrated import migrate_all

_READY_S, _DRAINED_S = 60.0, 60.0


class State:
    """The state directory of a test: keys of all services, and channels to whatever runs in it, open until `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._channels: list[grpc.Channel] = []
        make_keys(folder / "keys", service_names())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels."""
        while self._channels:
            self._channels.pop().close()

    def signer(self, service: str) -> Signer:
        """The identity of a service."""
        return Signer(service, load_key(self.folder / "keys" / f"{service}.key"), SystemClock())

    def as_service(self, caller: str, service: str) -> grpc.Channel:
        """A channel to `service`, signed by another service."""
        return self._registered(open_channel(socket_address(self.folder, service), self.signer(caller)))

    def as_role(self, role: Role, service: str, project: str = "-", key: str = "test") -> grpc.Channel:
        """A channel to `service` for the API key `key` of this role and project."""
        principal = Principal(f"projects/{project}/apiKeys/{key}", role, project)
        signer = self.signer("gateway")
        return self._registered(
            open_channel_with_token(
                socket_address(self.folder, service), lambda: signer.token_for(principal, seconds=60)
            )
        )

    def _registered(self, channel: grpc.Channel) -> grpc.Channel:
        self._channels.append(channel)
        return channel


@contextmanager
def running(settings: Iterable[ServiceSettings]) -> Iterator[list[App]]:
    """Run these services, migrated and built, until the block ends; then drain them."""
    chosen = list(settings)
    migrate_all(chosen)
    platform = Platform.of_process(chosen[0].otlp, chosen[0].trace_ratio)
    apps = [build(each, platform) for each in chosen]
    try:
        with serving(apps):
            yield apps
    finally:
        platform.traces.close()


@contextmanager
def serving(apps: list[App]) -> Iterator[None]:
    """Serve services that are built already, on an event loop of their own that is closed with them."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    failures: list[BaseException] = []

    def live() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(lifecycle.live("test", apps, stop, ready.set))
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=live, name="services")
    thread.start()
    try:
        assert ready.wait(_READY_S), f"the services were not ready within {_READY_S:g} s"
        if not failures:
            with no_slow_callbacks(loop=loop):
                yield
    finally:
        with suppress(RuntimeError):  # a loop that has ended is closed
            loop.call_soon_threadsafe(stop.set)
        thread.join(_DRAINED_S)
    assert not thread.is_alive(), f"the services did not end within {_DRAINED_S:g} s"
    if failures:
        raise failures[0]


@contextmanager
def answering(address: str, *add: Callable[[grpc.Server], object], threads: int = 4) -> Iterator[int]:
    """Serve fakes of services at an address until the block ends; the port, of an address that has one."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fakes")
    server = grpc.server(pool)
    for each in add:
        each(server)
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
        pool.shutdown(wait=False)
