"""A real vLLM engine continues the trace of a request, and exports spans of sampled traces only."""

import asyncio

import aiohttp
import pytest

from ratoon.serving.v1 import rollout_pb2, route_pb2
from ratoon.testkit.collector import collecting

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MODEL = "projects/p/models/mail"
SAMPLED = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
NOT_SAMPLED = "00-11111111111111111111111111111111-1111111111111111-00"


@pytest.fixture
def collector():
    with collecting() as running:
        yield running


async def ask(target: route_pb2.Target, traces: list[str]) -> list[int]:
    """Send a request in each trace; return the statuses."""
    connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
    async with aiohttp.ClientSession(connector=connector) as session:
        return [await _ask_once(session, target, trace) for trace in traces]


async def _ask_once(session: aiohttp.ClientSession, target: route_pb2.Target, trace: str) -> int:
    headers = {"x-ratoon-engine-secret": target.secret, "traceparent": trace}
    body = {"model": target.served_name, "prompt": [5, 6, 7], "max_tokens": 4}
    async with session.post("http://engine/v1/completions", json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


def test_an_engine_exports_the_spans_of_sampled_requests_only(installation, collector):
    version, _ = installation.models.versions
    with installation.service(otlp=collector.url):
        installation.deploy(MODEL)
        ended = installation.end(installation.roll_out(version))
        assert ended.state == rollout_pb2.Rollout.STATE_SUCCEEDED, ended.reason
        (target,) = installation.targets()
        assert asyncio.run(ask(target, [NOT_SAMPLED, SAMPLED])) == [200, 200]
        collector.until(lambda: collector.named("llm_request"), seconds=60)
    (span,) = collector.spans
    assert (span.service, span.name) == ("engine", "llm_request")
    assert (span.trace, span.parent) == (SAMPLED[3:35], SAMPLED[36:52])
