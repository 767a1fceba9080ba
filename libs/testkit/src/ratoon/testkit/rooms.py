"""Rooms inside a test's process: a real room through its own `build`, on a Unix socket in a temporary state folder."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from ratoon.chassis import app
from ratoon.chassis.app import App, Platform
from ratoon.chassis.client import open_channel, open_channel_with_token
from ratoon.chassis.clock import SystemClock
from ratoon.chassis.host import build
from ratoon.chassis.identity import Principal, Role, Signer, load_key, make_keys
from ratoon.chassis.migrations import migrate
from ratoon.chassis.settings import SERVICES, RoomSettings, socket_address
from ratoon.testkit.loops import no_slow_callbacks


class State:
    """The state folder of a test: keys of all services, and channels to whatever runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_keys(folder / "keys", SERVICES)

    def signer(self, service: str) -> Signer:
        """The identity of a service."""
        return Signer(service, load_key(self.folder / "keys" / f"{service}.key"), SystemClock())

    def as_service(self, caller: str, service: str) -> grpc.Channel:
        """A channel to `service`, signed by another service."""
        return open_channel(socket_address(self.folder, service), self.signer(caller))

    def as_role(self, role: Role, service: str, project: str = "-") -> grpc.Channel:
        """A channel to `service` for an API key of this role and project."""
        principal = Principal(f"projects/{project}/apiKeys/test", role, project)
        signer = self.signer("gateway")
        return open_channel_with_token(
            socket_address(self.folder, service), lambda: signer.token_for(principal, seconds=60)
        )


@contextmanager
def running(settings: Iterable[RoomSettings]) -> Iterator[list[App]]:
    """These rooms, migrated, built and serving until the block ends; then they are drained."""
    chosen = list(settings)
    for each in chosen:
        migrate(each.service, each.database_url)
    platform = Platform.of_process(chosen[0].otlp, chosen[0].trace_ratio)
    apps = [build(each, platform) for each in chosen]
    try:
        with serving(apps):
            yield apps
    finally:
        platform.traces.close()


@contextmanager
def serving(apps: list[App]) -> Iterator[None]:
    """Serve rooms that are built already, on an event loop of their own."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    failures: list[BaseException] = []

    def live() -> None:
        try:
            loop.run_until_complete(app.live("test", apps, stop, ready.set))
        except BaseException as error:
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=live, name="rooms")
    thread.start()
    ready.wait(30)
    if failures:
        raise failures[0]
    try:
        with no_slow_callbacks(loop=loop):
            yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
