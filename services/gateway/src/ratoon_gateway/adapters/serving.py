"""Tells serving what was seen of each engine, about once a second and at once after a new route table."""

import logging
import threading
from collections.abc import Callable

import grpc

from ratoon.serving.v1 import serving_service_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon_gateway import mapping
from ratoon_gateway.adapters.routes import LiveRoutes
from ratoon_gateway.domain.traffic import EngineReport, merged

_LOG = logging.getLogger(__name__)
_WINDOW_S = 1.0
_MOST_PENDING = 1000
_DEADLINE_S = 5.0


class TrafficReporter:
    """A thread that takes reports from the event loop and sends them; what serving missed is sent again."""

    def __init__(
        self, gateway: str, take: Callable[[], list[EngineReport]], routes: LiveRoutes, channel: grpc.Channel
    ) -> None:
        self._gateway, self._take, self._routes = gateway, take, routes
        self._stub = ServingServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._pending: list[EngineReport] = []
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="traffic-reporter", daemon=True)
        self._told = True
        routes.on_change(self._wake.set)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Report what is left, once."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=_DEADLINE_S + 1)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_WINDOW_S)
            self._wake.clear()
            self._send()

    def _send(self) -> None:
        self._pending = merged(self._pending, self._take(), _MOST_PENDING)
        request = serving_service_pb2.ReportTrafficRequest(
            gateway=self._gateway,
            reports=[mapping.traffic_report(report) for report in self._pending],
            route_table_version=self._routes.table.version,
        )
        try:
            self._stub.ReportTraffic(request, timeout=_DEADLINE_S)
        except Exception as error:
            if self._told:
                _LOG.warning("serving takes no traffic reports (%s); they are kept for it", error)
            self._told = False
            return
        self._pending, self._told = [], True
