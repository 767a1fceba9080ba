"""Reports traffic of engines to serving, about once a second, and at once a deployment that requests wait for."""

import logging
from collections.abc import Callable

import grpc

from ratoon.process.errors import InvalidArgument, described
from ratoon.process.loop import NEVER, BackgroundLoop
from ratoon.serving.v1 import serving_service_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon_gateway import mapping
from ratoon_gateway.adapters.routes import LiveRoutes
from ratoon_gateway.domain.traffic import EngineReport, merged

_LOG = logging.getLogger(__name__)
_WINDOW_S = 1.0
_MAX_PENDING, _MAX_SENT = 1000, 100
"""Reports that are kept while serving is unavailable, and that one message carries: each may name many callers."""
_DEADLINE_S = 5.0
_WAKE_AGAIN_S = 2.0


class TrafficReporter:
    """A thread that takes reports from the event loop and sends them; what serving missed is sent again."""

    def __init__(
        self, gateway: str, take: Callable[[], list[EngineReport]], routes: LiveRoutes, channel: grpc.Channel
    ) -> None:
        self._gateway, self._take, self._routes = gateway, take, routes
        self._stub = ServingServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._pending: list[EngineReport] = []
        self._reachable = True
        self._loop = BackgroundLoop("traffic-reporter", self._step, first_delay_s=_WINDOW_S, final=self._send)
        routes.on_change(self._loop.wake)

    def start(self) -> None:
        """Begin to report."""
        self._loop.start()

    def stop(self) -> None:
        """Report the rest, once."""
        self._loop.stop(_DEADLINE_S + 1)

    def _step(self) -> float:
        self._send()
        return _WINDOW_S

    def _send(self) -> None:
        self._pending = merged(self._pending, self._take(), _MAX_PENDING)
        try:
            self._send_part()
            while self._pending:
                self._send_part()
        except Exception as error:
            if self._reachable:
                _LOG.warning(
                    "serving is unavailable for traffic reports (%s); they are kept and sent later", error
                )
            self._reachable = False
            return
        self._reachable = True

    def _send_part(self) -> None:
        """Send the oldest reports, or none: serving also learns which table is in use. Refused ones are dropped."""
        part = self._pending[:_MAX_SENT]
        request = serving_service_pb2.ReportTrafficRequest(
            gateway=self._gateway,
            reports=[mapping.traffic_report(report) for report in part],
            route_table_version=self._routes.table.version,
        )
        try:
            self._stub.ReportTraffic(request, timeout=_DEADLINE_S)
        except InvalidArgument as error:
            _LOG.error("serving refused %d traffic reports: %s", len(part), error)
        self._pending = self._pending[len(part) :]


class Activator:
    """Thread that reports deployments without an engine to serving while requests wait for them: one may be scaled to
    zero. It repeats a report while serving is unavailable, at most once in `_WAKE_AGAIN_S`."""

    def __init__(self, routes: LiveRoutes, channel: grpc.Channel) -> None:
        self._stub = ServingServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._pending: set[str] = set()
        self._loop = BackgroundLoop("waker", self._step, first_delay_s=NEVER, min_interval_s=_WAKE_AGAIN_S)
        routes.on_activation(self._activate)

    def start(self) -> None:
        """Begin to report."""
        self._loop.start()

    def stop(self) -> None:
        """Stop reporting."""
        self._loop.stop(_DEADLINE_S + 1)

    def _activate(self, deployment: str) -> None:
        self._pending.add(deployment)
        self._loop.wake()

    def _step(self) -> float:
        for deployment in tuple(self._pending):
            self._wake(deployment)
        return NEVER

    def _wake(self, deployment: str) -> None:
        self._pending.discard(deployment)
        try:
            self._stub.WakeDeployment(
                serving_service_pb2.WakeDeploymentRequest(name=deployment), timeout=_DEADLINE_S
            )
        except Exception as error:
            _LOG.warning(
                "serving did not receive the report that requests wait for %s (%s)", deployment, error
            )
            if described(error).code == "UNAVAILABLE":
                self._activate(deployment)
