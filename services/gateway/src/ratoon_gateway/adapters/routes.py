"""The route table as serving streams it, with the last good one on disk for when serving is away.

A thread holds the stream; the event loop reads the table and is woken by a newer one. It knows no engine.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import grpc

from ratoon.process.backoff import Backoff
from ratoon.process.files import OWNER_ONLY, replace_file
from ratoon.process.loop import BackgroundLoop
from ratoon.serving.v1 import route_pb2, serving_service_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon_gateway import mapping
from ratoon_gateway.domain.routes import RouteTable

_LOG = logging.getLogger(__name__)
_BACKOFF = Backoff(0.1, 2.0)


class LiveRoutes:
    """The newest table; `changed` is for the event loop that called `attach`."""

    def __init__(self, table: RouteTable | None = None) -> None:
        self._table = table or RouteTable()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._subscribers: list[Callable[[], None]] = []
        self._activators: list[Callable[[str], None]] = []

    @property
    def table(self) -> RouteTable:
        """The newest table."""
        return self._table

    def attach(self) -> None:
        """Wake waiters of the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def on_change(self, subscriber: Callable[[], None]) -> None:
        """Call this after each change, on the thread of the change."""
        self._subscribers.append(subscriber)

    def on_activation(self, activator: Callable[[str], None]) -> None:
        """Call this with each deployment that requests wait for while it has no engine, on the event loop."""
        self._activators.append(activator)

    def activate(self, deployment: str) -> None:
        """Report that requests wait for a deployment without an engine."""
        for activator in self._activators:
            activator(deployment)

    def replace(self, table: RouteTable) -> None:
        """A newer table; safe on any thread."""
        self._table = table
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)
        for subscriber in self._subscribers:
            subscriber()

    async def changed(self, seconds: float) -> None:
        """Return when there is a newer table, or after `seconds`."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        alarm = loop.call_later(seconds, _resolve, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            _resolve(waiter)


class RouteWatcher:
    """Keeps `routes` at what serving says."""

    def __init__(self, routes: LiveRoutes, channel: grpc.Channel, last_good: Path) -> None:
        self._routes, self._last_good = routes, last_good
        self._stub = ServingServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._failures = 0
        self._loop = BackgroundLoop("route-watcher", self._follow)

    def start(self) -> None:
        """Begin with the table on disk, then follow serving."""
        self._load()
        self._loop.start()

    def stop(self) -> None:
        """Follow no longer; the thread ends with its stream."""
        self._loop.stop(0.0)

    def _follow(self) -> float:
        """Take tables until the stream ends; return the delay before the next stream."""
        try:
            for table in self._stub.WatchRouteTable(serving_service_pb2.WatchRouteTableRequest()):
                self._failures = 0
                self._take(table)
                if self._loop.stopping:
                    return 0.0
        except Exception as error:
            if not self._failures and not self._loop.stopping:
                _LOG.warning(
                    "no route updates from serving (%s); keeping route table %d",
                    error,
                    self._routes.table.version,
                )
        self._failures += 1
        return _BACKOFF.delay_s(self._failures)

    def _take(self, table: route_pb2.RouteTable) -> None:
        """Use a table, and keep it on disk. An equal one is no change; serving's word counts even if it is older."""
        routes = mapping.route_table(table)
        if routes == self._routes.table:
            return
        _LOG.info("route table %d: %d deployments", table.version, len(table.routes))
        self._routes.replace(routes)
        try:
            self._save(table.SerializeToString())
        except OSError:
            _LOG.exception("the route table could not be stored on disk")

    def _save(self, data: bytes) -> None:
        self._last_good.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self._last_good, data, mode=OWNER_ONLY, durable=False)

    def _load(self) -> None:
        try:
            self._routes.replace(
                mapping.route_table(route_pb2.RouteTable.FromString(self._last_good.read_bytes()))
            )
        except FileNotFoundError:
            return
        except Exception:
            _LOG.exception("%s is damaged; waiting for serving", self._last_good)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
