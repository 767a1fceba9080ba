"""Callers who would take an engine, a version or the captured traffic from all others."""

import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import openai
import pytest
import zstandard

from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.engine import Faults, Pace
from ratoon.testkit.waiting import until

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "hi"}]}


def caller(stack, **options):
    """A client with a key of its own."""
    key = stack.http().post("/v1/projects/p/apiKeys", json={"role": "ROLE_CALLER"}).json()["secret"]
    return stack.client(api_key=key, **options)


def median_seconds(client, times=7):
    """The median seconds that a small request takes."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        client.chat.completions.create(**ASK, max_tokens=10)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


FLOODS = [
    pytest.param(40, {"max_tokens": 40}, id="many requests"),
    pytest.param(12, {"n": 7, "max_tokens": 40}, id="many answers", marks=pytest.mark.thorough),
]


@pytest.mark.parametrize(("requests", "fields"), FLOODS)
def test_another_caller_waits_at_most_twice_as_long_as_usual(stack, requests, fields):
    stack.engines.start("blue", "v1.0", Pace(interval_s=0.03, slots=8))
    stack.route(stack.target("blue", "v1.0", slots=8))
    victim, greedy = caller(stack), caller(stack, timeout=60.0)
    usual = median_seconds(victim)
    stop = threading.Event()

    def go_on():
        while not stop.is_set():
            greedy.chat.completions.create(**ASK, **fields)

    with ThreadPoolExecutor(requests) as pool:
        flooding = [pool.submit(go_on) for _ in range(requests)]
        try:
            until(lambda: "ratoon_gateway_turns_waiting 0.0" not in stack.http("").get("/metrics").text)
            meanwhile = median_seconds(victim)
        finally:
            stop.set()
        for each in flooding:
            each.result(60)
    assert meanwhile <= 2 * usual


@pytest.mark.parametrize("stack", [{"engine_slots": 8}], indirect=True)
def test_a_request_for_more_answers_than_one_caller_may_have_at_once_is_refused(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    for n in (8, 128, 129, 3_000):
        with pytest.raises(openai.BadRequestError) as refused:
            caller(stack).chat.completions.create(**ASK, n=n)
        assert (refused.value.param, refused.value.code) == ("n", "invalid_value")
    caller(stack).chat.completions.create(**ASK, n=7)
    assert engine.counts.requests == 1


def test_requests_that_any_version_fails_at_are_no_evidence(stack):
    new, old = stack.engines.start("new", "v1.1"), stack.engines.start("old", "v1.0")
    stack.route(stack.target("new", "v1.1"), stack.target("old", "v1.0", weight=0))

    def reported(field: str) -> int:
        return sum(getattr(each, field) for request in stack.serving.reports for each in request.reports)

    new.faults = old.faults = Faults(status=500)
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            stack.client().chat.completions.create(**ASK)
    new.faults = old.faults = Faults(status=400)
    for _ in range(4):
        with pytest.raises(openai.BadRequestError):
            stack.client().chat.completions.create(**ASK)
    until(lambda: reported("caller_error_count") == 8)
    assert (reported("request_count"), reported("error_count")) == (0, 0)
    new.faults, old.faults = Faults(status=500), Faults()
    raw = stack.client().chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-ratoon-model"] == "mail@v1.0"
    until(lambda: reported("error_count") == 1)
    assert reported("request_count") == 1


@pytest.mark.thorough
def test_a_segment_that_cannot_be_taken_holds_up_no_other(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    stack.flywheel.failing = {0: grpc.StatusCode.INTERNAL, 1: grpc.StatusCode.INVALID_ARGUMENT}
    spool = stack.folder / "gateway" / "segments"

    def closed(number: int) -> None:
        stack.client().chat.completions.create(**ASK)
        until(lambda: len(stack.flywheel.segment_ids) >= number)

    for number in (1, 2, 3):
        closed(number)
    until(lambda: len(stack.flywheel.segments) == 1)
    assert [path.stem for path in spool.glob("*.refused")] == [stack.flywheel.segment_ids[1]]
    assert [path.stem for path in spool.glob("*.json")] == [stack.flywheel.segment_ids[0]]
    metrics = stack.http("").get("/metrics").text
    assert "ratoon_gateway_traffic_segments_refused_total 1.0" in metrics
    assert "ratoon_gateway_traffic_segments_set_aside 1.0" in metrics
    stack.flywheel.failing = {}
    until(lambda: len(stack.flywheel.segments) == 2)


def test_prompt_lists_are_exchanges_of_their_own_and_token_ids_are_left_out(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    text = stack.client().completions
    text.create(model="mail-triage", prompt=["a", "b"])
    text.create(model="mail-triage", prompt=[1, 2, 3])
    text.create(model="mail-triage", prompt="c")
    until(lambda: stack.flywheel.segments)
    store = ArtifactStore(str(stack.folder / "artifacts"))

    def rows():
        blobs = [store.read(each.traffic_segment.digest) for each in stack.flywheel.segments]
        return [json.loads(row) for blob in blobs for row in zstandard.decompress(blob).splitlines()]

    until(lambda: len(rows()) == 3)
    assert [row["messages"] for row in rows()] == [[{"role": "user", "content": each}] for each in "abc"]
    assert len({row["answer_id"] for row in rows()}) == 3
    assert not any(each.traffic_segment.lost_count for each in stack.flywheel.segments)
