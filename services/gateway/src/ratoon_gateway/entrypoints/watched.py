"""Observation of the whole edge: durations of requests and, where traces are kept, the first span of each trace."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from prometheus_client import CollectorRegistry, Histogram

from ratoon.runtime import tracing
from ratoon.runtime.telemetry import exemplar
from ratoon_gateway.entrypoints.asgi import Headers, Receive, Scope, Send, header

_API = "/v1/"
_OWN = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/feedback", "/v1/token"})
_PREFIXES = ("/v1/blobs/", "/v1/models/")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SPAN_ATTRIBUTES = {b"x-ratoon-model": "ratoon.model", b"x-ratoon-answer-id": "ratoon.answer"}
Route = Callable[[Scope, Receive, Send], Awaitable[None]]


class EdgeMetrics:
    """Durations of HTTP requests by route and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["route", "status"]
        self._whole = Histogram(
            "ratoon_http_request_seconds",
            "Seconds from an HTTP request to the end of its answer.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._first = Histogram(
            "ratoon_http_first_byte_seconds",
            "Seconds from an HTTP request to the first bytes of an answer that is streamed.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._known: dict[tuple[str, int], tuple[Histogram, Histogram]] = {}

    def observe(self, route: str, observation: "_Observation", trace: dict[str, str] | None) -> None:
        """Count a request that has ended; `trace` names its trace, if that is kept."""
        whole, first = self._of(route, observation.status)
        whole.observe(time.perf_counter() - observation.began, trace)
        if observation.first:
            first.observe(observation.first - observation.began, trace)

    def _of(self, route: str, status: int) -> tuple[Histogram, Histogram]:
        known = self._known.get((route, status))
        if known is None:
            known = self._whole.labels(route, status), self._first.labels(route, status)
            self._known[route, status] = known
        return known


class _Observation:
    """Status, headers and times of one answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = time.perf_counter()
        self.status, self.first = 499, 0.0
        self.headers: Headers = []

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message.get("headers", [])
        elif not self.first and message.get("more_body"):
            self.first = time.perf_counter()
        return self._send(message)


class Watched:
    """Times the edge."""

    def __init__(self, edge: Route, metrics: EdgeMetrics) -> None:
        self._edge, self._metrics = edge, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self._edge(scope, receive, send)
            return
        observation = _Observation(send)
        try:
            await self._edge(scope, receive, observation.send)
        finally:
            self._metrics.observe(_route(scope["path"]), observation, None)


class Traced:
    """Times and traces the edge."""

    def __init__(self, edge: Route, metrics: EdgeMetrics, tracer: Tracer) -> None:
        self._edge, self._metrics, self._tracer = edge, metrics, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as part of its caller's trace if there is one."""
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self._edge(scope, receive, send)
            return
        route, observation = _route(scope["path"]), _Observation(send)
        span = self._begun(scope, route)
        token = contexts.attach(set_span_in_context(span))
        try:
            await self._edge(scope, receive, observation.send)
        finally:
            contexts.detach(token)
            _end(span, observation)
            self._metrics.observe(route, observation, exemplar(span))

    def _begun(self, scope: Scope, route: str) -> Span:
        caller = tracing.context_of(header(scope, b"traceparent").decode("latin-1"))
        attributes = {
            "http.request.method": scope["method"],
            "http.route": route,
            "url.path": scope["path"],
        }
        return self._tracer.start_span(f"{scope['method']} {route}", caller, SpanKind.SERVER, attributes)


def _end(span: Span, observation: _Observation) -> None:
    if span.is_recording():
        span.set_attribute("http.response.status_code", observation.status)
        for name, value in observation.headers:
            if name in _SPAN_ATTRIBUTES:
                span.set_attribute(_SPAN_ATTRIBUTES[name], value.decode("latin-1"))
        if observation.status >= 500:
            span.set_status(StatusCode.ERROR)
    span.end()


def _route(path: str) -> str:
    """Return the path, or its prefix where there are many."""
    if path in _OWN:
        return path
    return next((prefix for prefix in _PREFIXES if path.startswith(prefix)), _API)
