"""The typed client: chat with an engine, feedback on an answer, a watch whose service goes away for a moment."""

import asyncio

import pytest

from ratoon.client import AsyncRatoon, InternalServerError, NotFoundError, Ratoon
from ratoon.testkit.engine import Faults


@pytest.fixture
def client(stack):
    with Ratoon(base_url=stack.url, api_key=stack.operator_key) as client:
        yield client


@pytest.fixture
def engine(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    return engine


def test_an_answer_takes_feedback_by_its_id(stack, client, engine):
    answer = client.chat.completions.create("p/mail-triage", "Buy now", max_tokens=3)
    assert (answer.text, answer.version) == ("v1.0:0 v1.0:1 v1.0:2 ", "mail@v1.0")
    assert answer.usage.completion_tokens == 3
    stored = client.chat.feedback(answer.answer_id, thumb="down", comment="no")
    assert (stored.id, stored.version) == (answer.answer_id, "projects/p/models/mail/versions/v1.0")
    (sent,) = stack.flywheel.feedback.values()
    assert (sent.feedback.thumb, sent.feedback.comment) == (-1, "no")
    client.chat.feedback(answer.answer_id, thumb="down", comment="no")
    assert len(stack.flywheel.feedback) == 1


def test_a_stream_comes_whole_to_both_clients(stack, client, engine):
    whole = "".join(f"v1.0:{place} " for place in range(50))
    with client.chat.completions.stream("p/mail-triage", "?", max_tokens=50) as chunks:
        assert chunks.version == "mail@v1.0"
        assert "".join(chunk.text for chunk in chunks) == whole

    async def text() -> str:
        async with AsyncRatoon(base_url=stack.url, api_key=stack.operator_key) as other:
            async with other.chat.completions.stream("p/mail-triage", "?", max_tokens=50) as chunks:
                return "".join([chunk.text async for chunk in chunks])

    assert asyncio.run(text()) == whole


def test_a_stream_that_the_engine_breaks_off_is_an_error(client, engine):
    engine.faults = Faults(die_after_tokens=3)
    with pytest.raises(InternalServerError) as failed:
        with client.chat.completions.stream("p/mail-triage", "?", max_tokens=50) as chunks:
            list(chunks)
    assert failed.value.reason == "ENGINE_LOST"


def test_a_model_that_is_not_there_is_named(client):
    with pytest.raises(NotFoundError, match="none") as refused:
        client.chat.completions.create("p/none", "?")
    assert refused.value.reason == "MODEL_NOT_FOUND"


def test_a_watch_goes_on_where_its_service_went_away(stack, client):
    stack.flywheel.away = True
    revisions = []
    for run in client.pipeline_runs.watch("projects/p/pipelineRuns/r"):
        revisions.append(run.revision)
        stack.flywheel.away = run.revision < 2
    assert revisions == [1, 2, 3]
