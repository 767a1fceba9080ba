"""Shadow answers: sampled, bounded, captured apart, and never in a caller's way."""

import asyncio
import json

import pytest

from ratoon.testkit.clock import FakeClock
from ratoon_gateway.application.ports import ContentFilters, EngineLost
from ratoon_gateway.application.shadows import MAX_OPEN, Original, ShadowOutcome, Shadows
from ratoon_gateway.domain.capture import Live
from ratoon_gateway.domain.completions import CHAT, read_request
from ratoon_gateway.domain.routes import Route, shadow_target
from ratoon_gateway.domain.traffic import Outcome

from .test_relay import DEPLOYMENT, VERSION, Bench, Capture, Engines, Reply, ask, target

OLD, NEW = target("old", "v1.0", weight=0), target("new", "v1.1")


def answer(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": {"content": text}}]}).encode()


class Counted(list):
    def __call__(self, deployment, version, outcome, seconds):
        assert deployment == DEPLOYMENT
        self.append((version.rpartition("/")[2], outcome))


class Slow(Engines):
    """Engines that wait to be released."""

    def __init__(self, **scripts):
        super().__init__(**scripts)
        self.released = asyncio.Event()

    async def send(self, target, path, answer_id, body):
        await self.released.wait()
        return await super().send(target, path, answer_id, body)


def original(raw: bytes, *targets, model: str = "mail", share: float = 0.0) -> Original:
    route = Route(DEPLOYMENT, targets or (OLD, NEW), shadow_share=share)
    return Original("id~new", route, NEW, ask(model=model), raw, "key", 12.0)


async def idle(shadows: Shadows) -> None:
    while shadows._open:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        (Reply(answer(" spam ")), ShadowOutcome.SAME, 202),
        (Reply(answer("ham")), ShadowOutcome.DIFFERENT, 202),
        (Reply(b"broken", status=500), ShadowOutcome.FAILED, 502),
        (EngineLost(), ShadowOutcome.FAILED, 502),
        (Reply(b"half", EngineLost()), ShadowOutcome.FAILED, 502),
        (Reply(b"x" * (1 << 20), b"x"), ShadowOutcome.FAILED, 502),
    ],
)
def test_the_other_version_answers_the_same_request(script, outcome, status):
    async def run():
        engines, capture, counted = Engines(old=[script]), Capture(), Counted()
        shadows = Shadows(engines, capture, FakeClock(), 1.0, counted)
        shadows.offer(original(answer("spam")))
        await idle(shadows)
        return engines, capture, counted

    engines, capture, counted = asyncio.run(run())
    assert counted == [("v1.0", outcome)]
    (body,) = engines.bodies
    assert (body["messages"], body["model"]) == ([{"role": "user", "content": "?"}], "v1.0")
    assert body["priority"] > 0, "requests of callers go before"
    assert not capture.open
    (captured,) = capture.answered
    assert (captured.status, captured.version) == (status, VERSION.format("v1.0"))
    live = Live("id~new", VERSION.format("v1.1"), 12.0)
    assert captured.shadow_of == live
    assert (captured.raw == b"") is (status == 502), "a broken answer is no answer"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"closed", status=503),
        Reply(b"unknown", status=404),
        Reply(answer("spam"), signed=VERSION.format("v1.1")),
    ],
    ids=["closed", "unloaded", "another-version"],
)
def test_an_engine_that_does_not_serve_the_version_any_more_is_no_failure_of_it(reply):
    async def run():
        capture, counted = Capture(), Counted()
        shadows = Shadows(Engines(old=[reply]), capture, FakeClock(), 1.0, counted)
        shadows.offer(original(answer("spam")))
        await idle(shadows)
        return capture, counted

    capture, counted = asyncio.run(run())
    assert counted == [("v1.0", ShadowOutcome.FAILED)]
    assert not capture.answered
    assert not capture.open


def test_what_is_too_much_is_dropped_and_the_end_cancels_the_rest():
    async def run():
        engines, capture, counted = Slow(old=[Reply(answer("spam"))]), Capture(), Counted()
        shadows = Shadows(engines, capture, FakeClock(), 1.0, counted)
        for _ in range(MAX_OPEN + 3):
            shadows.offer(original(answer("spam")))
        await asyncio.sleep(0)
        assert len(capture.open) == MAX_OPEN
        await shadows.close()
        return capture, counted

    capture, counted = asyncio.run(run())
    assert counted == [("v1.0", ShadowOutcome.DROPPED)] * 3
    assert not capture.open
    assert not capture.answered


def test_without_a_share_or_another_version_nothing_is_asked():
    async def run():
        counted = Counted()
        for share, targets in ((0.0, (OLD, NEW)), (1.0, (NEW, target("second", "v1.1")))):
            shadows = Shadows(Engines(), Capture(), FakeClock(), share, counted)
            shadows.offer(original(answer("spam"), *targets))
            await idle(shadows)
        return counted

    assert asyncio.run(run()) == []


@pytest.mark.parametrize(("own", "route", "answers"), [(0.0, 1.0, 1), (1.0, 0.0, 1), (1.0, 1e-12, 0)])
def test_the_share_of_a_route_counts_before_that_of_the_gateway(own, route, answers):
    async def run():
        capture = Capture()
        shadows = Shadows(Engines(old=[Reply(answer("spam"))]), capture, FakeClock(), own, Counted())
        shadows.offer(original(answer("spam"), share=route))
        await idle(shadows)
        return capture.answered

    assert len(asyncio.run(run())) == answers


def test_the_other_version_with_the_most_traffic_is_asked():
    third = target("third", "v0.9", weight=3)
    assert shadow_target(Route(DEPLOYMENT, (OLD, NEW, third)), NEW) is third
    assert shadow_target(Route(DEPLOYMENT, (OLD, NEW)), OLD) is NEW
    assert shadow_target(Route(DEPLOYMENT, (NEW,)), NEW) is None


class Offered(list):
    def offer(self, original):
        self.append((original.answer_id, original.raw))


@pytest.mark.parametrize(
    ("model", "fields", "outcome", "filters", "offered"),
    [
        ("mail", {}, Outcome.ANSWERED, ContentFilters(), True),
        ("mail@v1.1", {}, Outcome.ANSWERED, ContentFilters(), False),
        ("mail", {"n": 2, "temperature": 1.0}, Outcome.ANSWERED, ContentFilters(), False),
        ("mail", {}, Outcome.LEFT, ContentFilters(), False),
    ],
    ids=["whole", "pinned", "several-choices", "the-caller-left"],
)
def test_which_answers_are_offered(model, fields, outcome, filters, offered):
    bench = Bench(Engines(new=[Reply(answer("spam"))]), NEW)
    bench.filters, bench.relay._shadows = filters, Offered()
    body = {"model": model, "messages": [{"role": "user", "content": "?"}], **fields}
    exchange = bench.begin(read_request(CHAT, json.dumps(body).encode()))
    bench.relay.end(exchange, outcome)
    assert bench.relay._shadows == ([(exchange.answer_id, answer("spam"))] if offered else [])
