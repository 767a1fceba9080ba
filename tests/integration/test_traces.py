"""One trace through real services, over real sockets: from an HTTP request to the jobs it causes, and back by event."""

import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest

import ratoon_flywheel.settings
import ratoon_gateway.settings
import ratoon_ingestion.settings
import ratoon_labeling.settings
import ratoon_registry.settings
from ratoon.operations import warm
from ratoon.runtime.tracing import unsampled
from ratoon.security.answers import AnswerIds
from ratoon.testkit.collector import Collector, Span, collecting
from ratoon.testkit.services import State, running

CALLER = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
SERVICES = (ratoon_flywheel, ratoon_ingestion, ratoon_labeling, ratoon_registry)
TEXTS = [
    {
        "text": f"{kind} {number}: " + " ".join(f"{kind}{(number * 7 + k) % 90}" for k in range(40)),
        "label": kind,
    }
    for kind in ("ham", "spam")
    for number in range(60)
]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running_collector:
        yield running_collector


@pytest.fixture
def http(tmp_path, collector) -> Iterator[httpx.Client]:
    """A client of a gateway before four real services; the others are away."""
    state = State(tmp_path)
    options = {"state": tmp_path, "otlp": collector.url}
    gateway = ratoon_gateway.settings.Settings(**options, port=0, grpc="off")
    settings = [module.settings.Settings(**options) for module in SERVICES]
    with running([*settings, gateway]) as apps:
        key = (state.folder / "keys" / "operator.key").read_text().strip()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{apps[-1].listeners[-1].port}/v1",
            headers={"authorization": f"Bearer {key}", "traceparent": unsampled()},
            timeout=30.0,
        ) as client:
            yield client
    for each in settings:
        warm.stop(each.warm_folder)


def body_of(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 200, response.text
    return response.json()


def source(http: httpx.Client) -> str:
    """A project and labelled texts in it; the source's name."""
    project = {"labels": ["ham", "spam"], "instructions": "Ham or spam?"}
    body_of(http.post("/projects", params={"projectId": "mail"}, json=project))
    lines = "".join(json.dumps(text) + "\n" for text in TEXTS).encode()
    digest = hashlib.sha256(lines).hexdigest()
    assert http.put(f"/blobs/{digest}", content=lines).status_code in (200, 201)
    body = {"format": "FORMAT_JSONL", "digest": digest, "columns": {"text": "text", "label": "label"}}
    return body_of(http.post("/projects/mail/sources", params={"sourceId": "texts"}, json=body))["name"]


def test_a_pipeline_run_is_one_trace_down_to_the_jobs_of_each_service(http, collector):
    body = {"sources": [source(http)]}
    run = body_of(http.post("/projects/mail/pipelineRuns", json=body, headers={"traceparent": CALLER}))
    jobs = ("ingestion", "labeling", "ingestion")

    def followed() -> list[Span]:
        edges = collector.named("POST /v1/")
        return collector.under(edges[0]) if edges else []

    def worked() -> list[str]:
        return sorted(span.service for span in followed() if span.name.startswith("job "))

    collector.until(lambda: worked() == sorted(jobs), seconds=90)
    edge = followed()[0]
    assert (edge.trace, edge.parent) == (CALLER[3:35], CALLER[36:52])
    assert {span.service for span in followed()} == {"gateway", "flywheel", "ingestion", "labeling"}

    def completed() -> list[Span]:
        consumed = collector.named("process ratoon.ingestion.v1.dataset-versions")
        type_ = "ratoon.ingestion.v1.DatasetVersionCompleted"
        return [span for span in consumed if span.attributes["cloudevents.event_type"] == type_]

    collector.until(completed)
    (consumed,) = completed()
    assert (consumed.service, consumed.trace) == ("flywheel", edge.trace)
    creations = [span for span in followed() if span.name == "PipelineRun Create"]
    assert {span.attributes["ratoon.resource"] for span in creations} == {run["name"]}


def test_feedback_is_one_trace_from_http_to_its_storage(http, collector, tmp_path):
    source(http)
    ids = AnswerIds.of_folder(tmp_path / "keys")
    answer = ids.mint("projects/mail/models/mail/versions/v1.0", "projects/mail/trafficSegments/s")
    body_of(http.post("/feedback", json={"id": answer, "thumb": "down"}, headers={"traceparent": CALLER}))

    def spans_of_caller() -> dict[str, Span]:
        return {span.name: span for span in collector.spans if span.trace == CALLER[3:35]}

    names = "POST /v1/feedback", "ratoon.flywheel.v1.FlywheelService/CreateFeedback"
    collector.until(lambda: set(names) <= set(spans_of_caller()))
    edge, stored = (spans_of_caller()[name] for name in names)
    assert (edge.service, stored.service, stored.parent) == ("gateway", "flywheel", edge.id)
