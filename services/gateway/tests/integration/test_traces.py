"""One trace from the HTTP request to the engine and to other services, as a collector sees it; exemplars name it."""

import re

import openai
import pytest

from ratoon.runtime.tracing import is_sampled
from ratoon.testkit.collector import Collector, collecting
from ratoon.testkit.engine import Faults

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
CALLER = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
CHAT = "POST /v1/chat/completions"


@pytest.fixture
def collector():
    with collecting() as running:
        yield running


@pytest.fixture
def stack(request: pytest.FixtureRequest, running_stack, collector: Collector):
    with running_stack({"otlp": collector.url, **getattr(request, "param", {})}) as created:
        yield created


def test_a_completion_is_one_trace_from_its_caller_to_the_engine(stack, collector):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    stack.client(default_headers={"traceparent": CALLER}).chat.completions.create(**ASK)
    collector.until(lambda: collector.named(CHAT) and collector.named("ask engine"))
    (edge,), (engine_span,) = collector.named(CHAT), collector.named("ask engine")
    assert (edge.service, edge.kind, engine_span.kind) == ("gateway", "SERVER", "CLIENT")
    assert (edge.trace, edge.parent) == (CALLER[3:35], CALLER[36:52])
    assert collector.under(edge) == [edge, engine_span]
    assert engine.traceparents == [f"00-{engine_span.trace}-{engine_span.id}-01"]
    assert edge.attributes["ratoon.model"] == "mail@v1.0"
    assert edge.attributes["http.response.status_code"] == "200"
    assert edge.attributes["ratoon.answer"] == engine_span.attributes["ratoon.answer"]
    assert engine_span.attributes["ratoon.version"] == "projects/p/models/mail/versions/v1.0"


def test_each_attempt_is_a_span_and_one_that_failed_says_so(stack, collector):
    stack.engines.start("blue", "v1.0").faults = Faults(refuse=True)
    stack.engines.start("green", "v1.0")
    stack.route(stack.target("blue", "v1.0", weight=1_000_000), stack.target("green", "v1.0", weight=1))
    stream = stack.client().chat.completions.create(**ASK, stream=True)
    assert len(list(stream)) == 3
    collector.until(lambda: len(collector.named("ask engine")) == 2 and collector.named(CHAT))
    (edge,) = collector.named(CHAT)
    failed, answered = sorted(collector.named("ask engine"), key=lambda span: not span.failed)
    assert (failed.failed, answered.failed, edge.failed) == (True, False, False)
    assert {failed.parent, answered.parent} == {edge.id}
    assert failed.attributes["ratoon.engine"].endswith("/engines/blue")


def test_a_call_over_http_goes_on_in_the_other_service(stack, collector):
    stack.http().get("/v1/projects/p")
    collector.until(lambda: collector.named("GET /v1/"))
    (edge,) = collector.named("GET /v1/")
    assert stack.flywheel.metadata["traceparent"].startswith(f"00-{edge.trace}-{edge.id}-")
    assert edge.attributes["url.path"] == "/v1/projects/p"


@pytest.mark.parametrize("stack", [{"trace_ratio": 0.0}], indirect=True)
def test_what_is_not_kept_is_still_passed_on_as_not_kept(stack, collector):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    stack.client().chat.completions.create(**ASK)
    stack.client(default_headers={"traceparent": CALLER}).chat.completions.create(**ASK)
    collector.until(lambda: collector.named(CHAT))
    assert [span.trace for span in collector.named(CHAT)] == [CALLER[3:35]]
    assert [is_sampled(trace) for trace in engine.traceparents] == [False, True]


def test_latencies_have_exemplars_that_name_their_trace(stack, collector):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    list(stack.client().chat.completions.create(**ASK, stream=True))
    with pytest.raises(openai.NotFoundError):
        stack.client().chat.completions.create(**{**ASK, "model": "none"})
    collector.until(lambda: len(collector.named(CHAT)) == 2)
    scraped = stack.http().get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert scraped.headers["content-type"].startswith("application/openmetrics-text")
    pattern = r'ratoon_http_(request|first_byte)_seconds_bucket\{.*status="200"\} 1.0 # \{.*trace_id="(\w+)"'
    exemplars = re.findall(pattern, scraped.text)
    answered = next(span for span in collector.named(CHAT) if "ratoon.model" in span.attributes)
    assert {("request", answered.trace), ("first_byte", answered.trace)} <= set(exemplars)
    assert 'ratoon_http_request_seconds_count{route="/v1/chat/completions",status="404"} 1.0' in scraped.text
    plain = stack.http().get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in plain.text
