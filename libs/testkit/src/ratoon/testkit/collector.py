"""A collector of spans inside a test's process: takes OTLP over HTTP as a real one does, and keeps what comes."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from ratoon.testkit.waiting import until


@dataclass(frozen=True)
class Span:
    """A span as it came over the wire; ids in hex, `parent` empty for a root, `links` the ids of other spans."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: str
    failed: bool
    seconds: float
    links: tuple[str, ...]
    attributes: dict[str, str]
    """Its attributes, as texts."""


@dataclass
class Collector:
    """Spans received so far."""

    url: str = ""
    _spans: list[Span] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        """Every span, in the order they came."""
        return list(self._spans)

    def named(self, name: str) -> list[Span]:
        """Those of this name."""
        return [span for span in self.spans if span.name == name]

    def under(self, root: Span) -> list[Span]:
        """Everything that followed from a span, itself first."""
        children = [each for each in self.spans if each.parent == root.id and each.trace == root.trace]
        return [root, *(below for child in children for below in self.under(child))]

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until this is so; AssertionError, with the names that came, when it does not become so."""
        until(condition, seconds, lambda: sorted({f"{s.service}: {s.name}" for s in self.spans}))

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep the spans of a request."""
        for group in request.resource_spans:
            service = _texts(group.resource.attributes).get("service.name", "")
            self._spans += [_span(service, span) for scope in group.scope_spans for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of the loopback interface."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
                self.send_error(404)
                return
            collector.take(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="collector")
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _span(service: str, span: trace_pb2.Span) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        tuple(link.span_id.hex() for link in span.links),
        _texts(span.attributes),
    )


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    values = ((each.key, each.value, each.value.WhichOneof("value")) for each in attributes)
    return {key: str(getattr(value, kind)) if kind else "" for key, value, kind in values}
