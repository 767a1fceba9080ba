"""The edge and the way to engines, watched: spans and latencies, and nothing but latencies where no trace is kept."""

import asyncio
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from ratoon.runtime import tracing
from ratoon_gateway.adapters.traced_engines import TracedEngines
from ratoon_gateway.application.ports import EngineLost
from ratoon_gateway.domain.routes import Target
from ratoon_gateway.entrypoints.watched import EdgeMetrics, Traced, Watched

CALLER = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
TARGET = Target(
    "projects/p/deployments/d/engines/e", "projects/p/models/m/versions/v1.0", "unix:///e", "s", 1, "m"
)
CHAT = "/v1/chat/completions"


class Spans:
    """What was told, and a tracer that tells it."""

    def __init__(self, sampler=ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(sampler))
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")

    def __iter__(self):
        return iter(self.exporter.get_finished_spans())


async def stream(_scope, _receive, send):
    """An answer in two pieces."""
    stream.trace = tracing.current()
    headers = [(b"x-ratoon-model", b"m@v1.0"), (b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


async def broken(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 503, "headers": []})
    raise RuntimeError("no more")


async def left(_scope, _receive, _send):
    """The caller went away before anything was said."""


def ask(edge, path=CHAT, trace=""):
    """What came out of one request."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"traceparent", trace.encode())] if trace else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(edge(scope, None, send))
    return sent


def test_a_request_is_timed_and_passed_on_unchanged():
    registry = CollectorRegistry()
    sent = ask(Watched(stream, EdgeMetrics(registry)), trace=CALLER)
    assert [message.get("body") for message in sent] == [None, b"one", b"two"]
    labels = {"route": CHAT, "status": "200"}
    assert registry.get_sample_value("ratoon_http_request_seconds_count", labels) == 1.0
    assert registry.get_sample_value("ratoon_http_first_byte_seconds_count", labels) == 1.0
    assert stream.trace == ""


def test_a_request_goes_on_in_the_trace_of_its_caller():
    spans = Spans()
    ask(Traced(stream, EdgeMetrics(CollectorRegistry()), spans.tracer), trace=CALLER)
    (span,) = spans
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (CALLER[3:35], CALLER[36:52])
    assert span.name == f"POST {CHAT}"
    assert span.attributes["ratoon.model"] == "m@v1.0"
    assert span.attributes["http.response.status_code"] == 200
    assert stream.trace == f"{CALLER[:36]}{span.context.span_id:016x}-01"


def test_an_answer_that_broke_is_an_error_and_still_timed():
    spans, registry = Spans(), CollectorRegistry()
    with pytest.raises(RuntimeError):
        ask(Traced(broken, EdgeMetrics(registry), spans.tracer))
    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    labels = {"route": CHAT, "status": "503"}
    assert registry.get_sample_value("ratoon_http_request_seconds_count", labels) == 1.0


def test_a_caller_who_left_before_the_answer_counts_as_499():
    registry = CollectorRegistry()
    ask(Watched(left, EdgeMetrics(registry)))
    labels = {"route": CHAT, "status": "499"}
    assert registry.get_sample_value("ratoon_http_request_seconds_count", labels) == 1.0


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/blobs/" + "a" * 64, "/v1/blobs/"),
        ("/v1/models/a@v1.0", "/v1/models/"),
        ("/v1/projects/p/models/m", "/v1/"),
        ("/v1/feedback", "/v1/feedback"),
    ],
)
def test_paths_are_labelled_by_few_kinds(path, route):
    registry = CollectorRegistry()
    ask(Watched(stream, EdgeMetrics(registry)), path)
    labels = {"route": route, "status": "200"}
    assert registry.get_sample_value("ratoon_http_request_seconds_count", labels) == 1.0


def test_pages_are_neither_timed_nor_traced():
    spans, registry = Spans(), CollectorRegistry()
    ask(Traced(stream, EdgeMetrics(registry), spans.tracer), "/metrics")
    assert not list(spans)
    assert not [sample for metric in registry.collect() for sample in metric.samples]


@dataclass
class Reply:
    status: int = 200
    closed: int = 0

    def header(self, name):
        return b"v1.0"

    async def next(self):
        return b""

    def close(self):
        self.closed += 1


class Engines:
    """Answers as it is told, and remembers what it was told of the trace."""

    def __init__(self, reply: Reply | Exception) -> None:
        self.reply, self.traces = reply, []

    async def send(self, target, path, answer_id, body, trace=""):
        self.traces.append(trace)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def ask_engine(engines, spans):
    """One attempt, as part of a request."""

    async def attempt():
        with spans.tracer.start_as_current_span("edge"):
            return await TracedEngines(engines, spans.tracer).send(TARGET, CHAT, "answer", b"{}")

    return asyncio.run(attempt())


def test_an_engine_receives_its_span_which_ends_with_the_answer():
    spans, engines = Spans(), Engines(Reply(status=500))
    reply = ask_engine(engines, spans)
    assert [span.name for span in spans] == ["edge"]
    assert (reply.status, reply.header(b"x"), asyncio.run(reply.next())) == (500, b"v1.0", b"")
    reply.close()
    reply.close()
    edge, engine_span = spans
    assert engine_span.parent.span_id == edge.context.span_id
    assert engines.traces[0].startswith(
        f"00-{engine_span.context.trace_id:032x}-{engine_span.context.span_id:016x}-"
    )
    assert engine_span.attributes["ratoon.version"] == TARGET.version
    assert engine_span.status.status_code is StatusCode.ERROR
    assert engines.reply.closed == 2


def test_an_engine_that_is_lost_ends_the_span_with_an_error():
    spans, engines = Spans(), Engines(EngineLost("gone"))
    with pytest.raises(EngineLost):
        ask_engine(engines, spans)
    engine_span = next(span for span in spans if span.name == "ask engine")
    assert (engine_span.status.status_code, engine_span.status.description) == (
        StatusCode.ERROR,
        "EngineLost",
    )


def test_what_is_not_kept_costs_no_span_and_the_engine_knows():
    spans, engines = Spans(ALWAYS_OFF), Engines(Reply())
    assert ask_engine(engines, spans) is engines.reply
    assert not list(spans)
    assert not tracing.is_sampled(engines.traces[0])
