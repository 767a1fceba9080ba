"""Safety filters over the API: hot, per project, for prompts and answers, across the chunks of a stream."""

import json

import openai
import pytest
import zstandard

from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.engine import Pace
from ratoon.testkit.waiting import until

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "Buy now"}]}
FILTER = "/v1/projects/p/safetyFilter"


def serve(stack, pace=None):
    engine = stack.engines.start("blue", "v1.0", pace)
    stack.route(stack.target("blue", "v1.0"))
    return engine


def finish_of(stack, **more):
    """Why an answer ended, and its text."""
    answer = stack.client().chat.completions.create(**ASK, max_tokens=6, **more)
    if not more.get("stream"):
        return answer.choices[0].finish_reason, answer.choices[0].message.content
    chunks = [chunk.choices[0] for chunk in answer]
    return chunks[-1].finish_reason, "".join(chunk.delta.content or "" for chunk in chunks)


def test_lists_are_kept_per_project_and_guarded_by_an_etag(stack):
    http, path = stack.http(), "/v1/projects/lists/safetyFilter"
    empty = http.get(path).json()
    assert (empty["inputWords"], empty["outputWords"], empty["revision"]) == ([], [], "0")
    body = {"inputWords": ["forbidden"], "etag": empty["etag"]}
    first = http.patch(f"{path}?updateMask=inputWords", json=body).json()
    assert (first["inputWords"], first["revision"]) == (["forbidden"], "1")
    assert http.patch(path, json=body).json()["reason"] == "STALE_ETAG"
    second = http.patch(path, json={"outputWords": ["x"], "etag": first["etag"]}).json()
    assert (second["inputWords"], second["outputWords"], second["revision"]) == (["forbidden"], ["x"], "2")
    refused = http.patch(path, json={"inputWords": ["y" * 101]})
    assert refused.json()["violations"][0]["field"] == "safetyFilter.inputWords"
    viewer = http.post("/v1/projects/lists/apiKeys", json={"role": "ROLE_VIEWER"}).json()["secret"]
    assert stack.http(viewer).get(path).status_code == 200
    assert stack.http(viewer).patch(path, json={}).status_code == 403
    assert stack.http(viewer).get("/v1/projects/q/safetyFilter").status_code == 403


def test_a_prompt_with_a_forbidden_word_is_refused_with_a_stable_reason(stack):
    engine = serve(stack)
    stack.http().patch("/v1/projects/-/safetyFilter", json={"inputWords": ["buy NOW"]})

    def refused():
        try:
            stack.client().chat.completions.create(**ASK)
        except openai.BadRequestError as error:
            return error
        return None

    until(refused)
    assert (refused().code, refused().param) == ("content_blocked", "messages")
    before = engine.counts.requests
    stack.http().patch("/v1/projects/-/safetyFilter", json={"inputWords": []})
    until(lambda: refused() is None)
    assert engine.counts.requests > before


def test_an_answer_ends_before_a_forbidden_word(stack):
    engine = serve(stack, Pace(interval_s=0.005))
    assert finish_of(stack) == ("length", "v1.0:0 v1.0:1 v1.0:2 v1.0:3 v1.0:4 v1.0:5 ")
    stack.http().patch(FILTER, json={"outputWords": ["1.0:3 v1.0:4", "v1.0:3  V1.0:4"]})
    until(lambda: finish_of(stack)[0] == "content_filter")
    assert finish_of(stack) == ("content_filter", "")
    assert finish_of(stack, stream=True) == ("content_filter", "v1.0:0 v1.0:1 v1.0:2 ")
    stream = stack.client().chat.completions.create(**ASK, max_tokens=10_000, stream=True)
    assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "content_filter"
    until(lambda: engine.counts.open == 0)
    stack.http().patch(FILTER, json={"outputWords": ["v1.0:3 v9"]})
    until(lambda: finish_of(stack, stream=True)[0] == "length")
    assert finish_of(stack, stream=True)[1] == "v1.0:0 v1.0:1 v1.0:2 v1.0:3 v1.0:4 v1.0:5 "


def test_what_was_withheld_is_kept_nowhere_but_counted(stack):
    serve(stack)
    stack.http().patch(FILTER, json={"outputWords": ["v1.0:1"]})
    until(lambda: finish_of(stack)[0] == "content_filter")
    finish_of(stack, stream=True)

    def lines():
        store = ArtifactStore(str(stack.folder / "artifacts"))
        blobs = [store.read(request.traffic_segment.digest) for request in stack.flywheel.segments]
        rows = [json.loads(row) for blob in blobs for row in zstandard.decompress(blob).splitlines()]
        return [row for row in rows if row["status"] == 451]

    until(lambda: len(lines()) >= 2)
    assert not any(row["answer"] for row in lines())
    assert 'outcome="filtered"' in stack.http("").get("/metrics").text


@pytest.mark.parametrize("stream", [False, True])
def test_structured_outputs_and_tool_calls_pass_both_ways_untouched(stack, stream):
    """They reach the engine as they are, filter or not."""
    engine = serve(stack)
    stack.http().patch(FILTER, json={"outputWords": ["never said"]})
    fields = {
        "tools": [{"type": "function", "function": {"name": "route", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
    }
    extra = {"structured_outputs": {"choice": ["ham", "spam"]}, "chat_template_kwargs": {"model": "inner"}}
    client = stack.client()
    answer = client.chat.completions.create(**ASK, **fields, stream=stream, max_tokens=1, extra_body=extra)
    if stream:
        list(answer)
    received = engine.last_request
    assert {key: received[key] for key in fields} == fields
    assert {key: received[key] for key in extra} == extra
    assert received["model"] == "served-v1.0"
