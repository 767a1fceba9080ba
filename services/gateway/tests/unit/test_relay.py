"""Finding an engine and relaying its answer, with engines that are scripts."""

import asyncio
import json
from dataclasses import replace

import pytest

from ratoon.testkit.clock import FakeClock
from ratoon_gateway.adapters.word_lists import WordList
from ratoon_gateway.application.fairness import Fairness
from ratoon_gateway.application.ports import (
    AnswerTooLong,
    ContentFilters,
    EngineBroke,
    EngineLost,
    EngineSilent,
    EngineUnreachable,
)
from ratoon_gateway.application.relay import Bounds, Relay
from ratoon_gateway.domain.completions import CHAT, read_request
from ratoon_gateway.domain.engine_errors import engine_error
from ratoon_gateway.domain.errors import ContentBlocked, EngineTimeout, ModelNotFound, NoEngine
from ratoon_gateway.domain.routes import Route, RouteTable, Target
from ratoon_gateway.domain.traffic import Outcome, Traffic

DEPLOYMENT = "projects/p/deployments/mail"
VERSION = "projects/p/models/mail/versions/{}"


def ask(stream=False, model="mail"):
    fields = {"model": model, "messages": [{"role": "user", "content": "?"}], "stream": stream}
    return read_request(CHAT, json.dumps(fields).encode())


def target(engine, version="v1.0", weight=1):
    return Target(engine, VERSION.format(version), f"unix:///{engine}", "s", weight, version)


class Reply:
    """An answer by script: a status, chunks, and perhaps an exception at the end."""

    def __init__(self, *chunks, status=200, signed=""):
        self.status, self._chunks, self._signed = status, list(chunks), signed
        self.closed = False

    def header(self, name):
        return self._signed.encode() if name == b"x-ratoon-version" else b""

    async def next(self):
        chunk = self._chunks.pop(0) if self._chunks else b""
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self):
        self.closed = True


class Engines:
    """Replies by engine, one after another; the last one stays."""

    def __init__(self, **scripts):
        self.scripts = {engine: list(script) for engine, script in scripts.items()}
        self.requests, self.bodies = [], []

    async def send(self, target, path, answer_id, body):
        self.bodies.append(json.loads(body))
        self.requests.append((target.engine, self.bodies[-1]["model"]))
        script = self.scripts[target.engine]
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


class Routes:
    """A table; waiting takes the next one from `later`, or moves the clock."""

    def __init__(self, clock, *targets, hold_s=0.0, later=()):
        self.clock, self.hold_s, self.later = clock, hold_s, list(later)
        self.table, self.requested = RouteTable(), []
        self.publish(*targets)

    def publish(self, *targets):
        self.table = RouteTable.of(self.table.version + 1, [Route(DEPLOYMENT, targets, self.hold_s)])

    def activate(self, deployment):
        self.requested.append(deployment)

    async def changed(self, seconds):
        if self.later:
            self.publish(*self.later.pop(0))
        else:
            self.clock.advance(seconds)


class Capture:
    def __init__(self):
        self.open, self.answered = {}, []

    def begin(self, deployment, version):
        answer_id = f"id{len(self.open) + len(self.answered)}~{version}"
        self.open[answer_id] = version
        return answer_id

    def keep(self, answered):
        del self.open[answered.answer_id]
        self.answered.append(answered)

    def forget(self, answer_id):
        del self.open[answer_id]


class Bench:
    def __init__(self, engines, *targets, **routes):
        self.clock, self.engines, self.capture = FakeClock(), engines, Capture()
        self.routes = Routes(self.clock, *targets, **routes)
        self.traffic = Traffic(self.clock.now())
        self.filters = ContentFilters()
        self.fairness = Fairness(slots=64, timeout_s=5)
        self.relay = Relay(
            self.routes,
            engines,
            self.capture,
            self,
            self.traffic,
            self.clock,
            Bounds(held=10, answer_s=60),
            self.fairness,
        )

    def of(self, project):
        assert project == "p"
        return self.filters

    def begin(self, request=None):
        return asyncio.run(self.relay.begin(request or ask(), "p", "key"))

    def counts(self):
        """Requests, errors and cut streams by engine: the evidence about versions."""
        self.reports = self.traffic.report(self.clock.now())
        return {report.engine: (report.requests, report.errors, report.cut) for report in self.reports}


def test_an_answer_is_counted_and_kept():
    bench = Bench(Engines(a=[Reply(b"on", b"e")]), target("a"))
    exchange = bench.begin()
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert (exchange.first, exchange.target.label) == (b"one", "mail@v1.0")
    (answered,) = bench.capture.answered
    assert (answered.raw, answered.status, answered.version, answered.key) == (
        b"one",
        200,
        VERSION.format("v1.0"),
        "key",
    )
    assert bench.counts() == {"a": (1, 0, 0)}
    assert exchange.reply.closed


@pytest.mark.parametrize(
    ("script", "counts"),
    [
        (EngineLost(), (1, 1, 0)),
        (EngineUnreachable(), (1, 1, 0)),
        (Reply(EngineLost()), (1, 1, 0)),
        (Reply(b"half", EngineLost()), (1, 1, 0)),
        (Reply(b"oops", status=500), (1, 1, 0)),
        (Reply(b"closed", status=503), (0, 0, 0)),
        (Reply(b"unknown", status=404), (0, 0, 0)),
        (Reply(b"other", signed=VERSION.format("v1.1")), (0, 0, 0)),
    ],
)
def test_what_an_engine_could_not_take_goes_to_another(script, counts):
    bench = Bench(Engines(a=[script], b=[Reply(b"good")]), target("a", weight=10**9), target("b", "v1.1"))
    exchange = bench.begin()
    assert (exchange.first, exchange.target.engine) == (b"good", "b")
    assert [engine for engine, _ in bench.engines.requests] == ["a", "b"]
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert bench.counts()["a"] == counts
    assert [answered.version for answered in bench.capture.answered] == [VERSION.format("v1.1")]
    assert not bench.capture.open


def test_the_callers_own_mistake_is_not_tried_again():
    bench = Bench(Engines(a=[Reply(b"bad temperature", status=400)]), target("a"))
    exchange = bench.begin(ask(stream=True))
    assert (exchange.status, exchange.streams, exchange.fault.code) == (400, False, "INVALID_ARGUMENT")
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert bench.counts() == {"a": (0, 0, 0)}
    assert bench.reports[0].caller_errors == 1
    assert not bench.capture.answered


def test_a_failure_with_nothing_to_compare_counts_once():
    bench = Bench(Engines(a=[Reply(b"oops", status=500)]), target("a"), hold_s=5)
    exchange = bench.begin()
    assert (exchange.status, exchange.fault.reason) == (500, "ENGINE_FAILED")
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert bench.counts() == {"a": (1, 1, 0)}
    assert len(bench.engines.requests) == 1
    (caller,) = bench.reports[0].callers
    assert (caller.requests, caller.errors) == (1, 1)
    assert "key" not in caller.caller
    assert not bench.capture.open


def test_what_both_versions_fail_at_counts_against_neither():
    failing = [Reply(b"oops", status=500)]
    bench = Bench(
        Engines(new=failing, old=[Reply(b"oops", status=500)]), target("new", "v1.1"), target("old", weight=0)
    )
    for _ in range(4):
        bench.relay.end(bench.begin(), Outcome.ANSWERED)
    assert bench.counts() == {"new": (0, 0, 0), "old": (0, 0, 0)}
    assert {report.engine: report.caller_errors for report in bench.reports} == {"new": 4, "old": 0}
    assert len(bench.engines.requests) == 8
    assert not bench.capture.open


def test_what_the_other_version_answers_counts_against_the_first():
    bench = Bench(
        Engines(new=[Reply(b"oops", status=500)], old=[Reply(b"good")]),
        target("new", "v1.1"),
        target("old", weight=0),
    )
    exchange = bench.begin()
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert (exchange.first, exchange.target.engine) == (b"good", "old")
    assert bench.counts() == {"new": (1, 1, 0), "old": (0, 0, 0)}


def test_two_replicas_of_a_broken_version_count_it_as_broken():
    script = [Reply(b"oops", status=500)]
    bench = Bench(Engines(a=script, b=[Reply(b"oops", status=500)]), target("a", weight=10**9), target("b"))
    bench.relay.end(bench.begin(), Outcome.ANSWERED)
    assert bench.counts() == {"a": (1, 1, 0), "b": (0, 0, 0)}


def test_a_pinned_request_stays_with_its_version():
    bench = Bench(
        Engines(new=[Reply(b"oops", status=500)], old=[Reply(b"good")]), target("new", "v1.1"), target("old")
    )
    exchange = bench.begin(ask(model="mail@v1.1"))
    assert (exchange.status, exchange.target.engine) == (500, "new")
    bench.relay.end(exchange, Outcome.ANSWERED)


def test_a_request_that_kills_engines_goes_no_further():
    names = ("a", "b", "c", "d", "e")
    bench = Bench(
        Engines(**{name: [EngineLost()] for name in names}),
        *(target(name, f"v1.{name}") for name in names),
        hold_s=5,
    )
    exchange = bench.begin()
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert exchange.fault.reason == "ENGINE_FAILED"
    assert len(bench.engines.requests) == 3
    assert sum(errors for _, errors, _ in bench.counts().values()) == 0
    assert not bench.capture.open


def test_the_engine_is_not_silent_that_answers_others_meanwhile():
    bench = Bench(Engines(a=[Reply(b"good"), EngineSilent()]), target("a"))
    plain = bench.engines.send

    async def others_go_on(*args):
        bench.clock.advance(1)
        if len(bench.engines.requests) == 1:
            bench.relay._last_answers[target("a").process] = bench.clock.monotonic()
        return await plain(*args)

    bench.relay.end(bench.begin(), Outcome.ANSWERED)
    bench.engines.send = others_go_on
    with pytest.raises(EngineTimeout):
        bench.begin()
    assert bench.counts() == {"a": (1, 0, 0)}


def test_a_versions_defaults_reach_the_engine():
    greedy = replace(target("a"), defaults=(("max_tokens", 8), ("temperature", 0.0)), max_prompt_characters=3)
    bench = Bench(Engines(a=[Reply(b"x")]), greedy)
    assert bench.begin().truncated == ""
    body = bench.engines.bodies[-1]
    assert (body["temperature"], body["max_tokens"]) == (0.0, 8)
    long = read_request(
        CHAT, json.dumps({"model": "mail", "messages": [{"role": "user", "content": "12345"}]}).encode()
    )
    assert bench.begin(long).truncated == "characters; kept=3; given=5"


def test_a_request_waits_for_a_table_with_an_open_engine():
    bench = Bench(Engines(a=[Reply(b"good")]), hold_s=5, later=[(), (target("a"),)])
    assert bench.begin().first == b"good"
    assert set(bench.routes.requested) == {DEPLOYMENT}  # whoever sleeps is woken


def test_an_engine_that_comes_back_is_tried_again():
    bench = Bench(
        Engines(a=[EngineUnreachable(), EngineUnreachable(), Reply(b"good")]), target("a"), hold_s=5
    )
    assert bench.begin().first == b"good"
    assert bench.routes.requested == []


@pytest.mark.parametrize("targets", [(), (target("a"),)])
def test_waiting_is_bounded(targets):
    bench = Bench(Engines(a=[EngineUnreachable()]), *targets, hold_s=5)
    with pytest.raises(NoEngine):
        bench.begin()
    assert bench.clock.monotonic() - FakeClock().monotonic() == pytest.approx(5, abs=0.3)
    assert not bench.capture.open
    assert bench.relay.held == 0


def test_an_engine_that_says_nothing_is_given_up():
    bench = Bench(Engines(a=[EngineSilent()]), target("a"), hold_s=5)
    with pytest.raises(EngineTimeout):
        bench.begin()
    assert bench.counts() == {"a": (1, 1, 0)}


def test_a_caller_who_leaves_early_is_no_engine_error():
    bench = Bench(Engines(a=[asyncio.CancelledError()]), target("a"))
    bench.engines.scripts["a"] = [Reply()]

    async def cancelled(*_args):
        raise asyncio.CancelledError

    bench.engines.send = cancelled
    with pytest.raises(asyncio.CancelledError):
        bench.begin()
    assert bench.counts() == {"a": (1, 0, 0)}
    assert not bench.capture.open


def test_a_stream_stays_where_it_began():
    bench = Bench(Engines(a=[Reply(b"1", b"2", EngineLost())], b=[Reply(b"other")]), target("a"))
    exchange = bench.begin(ask(stream=True))
    bench.routes.publish(target("b"))

    async def rest():
        return [chunk async for chunk in bench.relay.rest(exchange)]

    with pytest.raises(EngineLost):
        asyncio.run(rest())
    bench.relay.end(exchange, Outcome.CUT)
    assert bench.counts() == {"a": (1, 1, 1)}
    (answered,) = bench.capture.answered
    assert (answered.raw, answered.status) == (b"12", 502)


def test_the_model_is_named_as_the_engine_knows_it():
    bench = Bench(Engines(a=[Reply(b"x")]), target("a", "v2.0"))
    bench.begin(ask(model="mail@v2.0"))
    assert bench.engines.requests == [("a", "v2.0")]
    with pytest.raises(ModelNotFound):
        bench.begin(ask(model="none"))


def event(text):
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


async def streamed(bench, request):
    exchange = await bench.relay.begin(request, "p", "key")
    rest = [chunk async for chunk in bench.relay.rest(exchange)]
    bench.relay.end(exchange, Outcome.ANSWERED)
    return exchange, [exchange.first, *rest]


def test_a_stream_is_ended_before_a_forbidden_word_and_counted_apart():
    script = Reply(event("good "), event("ba"), event("d "), event("never asked for"))
    bench = Bench(Engines(a=[script]), target("a"))
    bench.filters = ContentFilters(answers=WordList(["bad"]))
    exchange, chunks = asyncio.run(streamed(bench, ask(stream=True)))
    assert chunks[0] == event("good ")
    assert b"content_filter" in chunks[-1]
    assert (exchange.filtered, exchange.reply.closed, len(chunks)) == (True, True, 2)
    (answered,) = bench.capture.answered
    assert answered.status == 451
    assert b"never" not in answered.raw
    assert bench.traffic.totals[DEPLOYMENT, VERSION.format("v1.0"), Outcome.FILTERED][0] == 1


def test_what_waits_goes_out_when_the_stream_ends():
    bench = Bench(Engines(a=[Reply(event("so ba"), event("d"), event("ly"))]), target("a"))
    bench.filters = ContentFilters(answers=WordList(["bad", "badly put"]))
    _, chunks = asyncio.run(streamed(bench, ask(stream=True)))
    assert b"".join(chunks) == event("so ba") + event("d") + event("ly")


def test_a_forbidden_prompt_reaches_no_engine():
    bench = Bench(Engines(a=[Reply(b"x")]), target("a"))
    bench.filters = ContentFilters(prompts=WordList(["?!", "bad"]))
    assert bench.begin().first == b"x"
    bench.filters = ContentFilters(prompts=WordList(["?"]))
    with pytest.raises(ContentBlocked):
        bench.begin()
    assert len(bench.engines.requests) == 1


def test_a_whole_answer_with_a_forbidden_word_is_withheld():
    text = json.dumps({"choices": [{"index": 0, "message": {"content": "bad"}}]}).encode()
    bench = Bench(Engines(a=[Reply(text[:9], text[9:])]), target("a"))
    bench.filters = ContentFilters(answers=WordList(["bad"]))
    exchange = bench.begin()
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert json.loads(exchange.first)["choices"][0]["finish_reason"] == "content_filter"
    assert [answered.status for answered in bench.capture.answered] == [451]


def test_a_stream_may_last_only_so_long():
    class Slow(Reply):
        async def next(self):
            bench.clock.advance(25)
            return b"x"

    bench = Bench(Engines(a=[Slow()]), target("a"))
    with pytest.raises(AnswerTooLong):
        asyncio.run(streamed(bench, ask(stream=True)))


def test_tokens_are_what_the_engine_counted_or_else_an_estimate():
    usage = b'{"choices":[],"usage":{"prompt_tokens":5,"total_tokens":12,"completion_tokens":7}}'
    bench = Bench(Engines(a=[Reply(usage), Reply(b"data: {}\n\n"), Reply(b"no", status=400)]), target("a"))
    assert bench.begin().tokens == 12
    request = ask(stream=True)
    assert bench.begin(request).tokens == request.prompt_estimate + 1
    assert bench.begin().tokens == 0


def test_a_user_stays_with_one_version():
    bench = Bench(Engines(a=[Reply(b"x")], b=[Reply(b"x")]), target("a"), target("b", "v1.1"))
    names = [bench.begin().target.engine for _ in range(20)]
    assert len(set(names)) == 1


ERROR = b'data: {"error": {"message": "xgrammar: --flag", "type": "BadRequestError", "code": %d}}\n\n'


def test_an_error_in_place_of_a_stream_is_an_error_before_it_begins():
    bench = Bench(Engines(a=[Reply(ERROR % 400)]), target("a"))
    exchange = bench.begin(ask(stream=True))
    assert (exchange.status, exchange.streams, exchange.fault.reason) == (400, False, "UNSUPPORTED_SCHEMA")
    bench.relay.end(exchange, Outcome.ANSWERED)
    assert bench.counts() == {"a": (0, 0, 0)}
    assert exchange.reply.closed


@pytest.mark.parametrize("together", [True, False])
def test_an_error_within_a_stream_is_reworded_and_ends_it(together):
    text = event("so far") + ERROR % 500
    script = (
        Reply(event("good "), text, b"data: [DONE]\n\n")
        if together
        else Reply(event("good "), event("so far"), ERROR % 500)
    )
    bench = Bench(Engines(a=[script]), target("a"))

    async def story():
        exchange = await bench.relay.begin(ask(stream=True), "p", "key")
        chunks = [exchange.first]
        with pytest.raises(EngineBroke) as broke:
            async for chunk in bench.relay.rest(exchange):
                chunks.append(chunk)
        return b"".join(chunks), broke.value.args[0]

    chunks, error = asyncio.run(story())
    assert chunks == event("good ") + event("so far")
    assert error.reason == "ENGINE_FAILED"
    assert "--flag" not in str(error)


@pytest.mark.parametrize(
    ("status", "reason", "code"), [(502, "ENGINE_LOST", "UNAVAILABLE"), (500, "ENGINE_FAILED", "INTERNAL")]
)
def test_an_engine_that_broke_off_differs_from_one_that_failed(status, reason, code):
    error = engine_error(status, b"")
    assert (error.reason, error.code) == (reason, code)
