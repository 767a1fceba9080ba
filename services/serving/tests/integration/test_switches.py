"""Three ways to switch, each under open streams: nothing fails, nothing is cut, who signs an answer wrote it."""

import asyncio
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratoon.serving.v1 import deployment_pb2, rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.testkit.engine import Pace

S = rollout_pb2.Rollout
SECOND, SWAP, IN_PLACE = S.STRATEGY_SECOND_ENGINE, S.STRATEGY_ADAPTER_SWAP, S.STRATEGY_IN_PLACE
TOKENS = 12


@pytest.fixture(autouse=True)
def slow_engines(room):
    room.host.pace = Pace(tokens=TOKENS, interval_s=0.01)
    yield
    room.host.pace, room.host.free_bytes = Pace(tokens=4), 1 << 40


def module(name: str):
    return sys.modules.get(f"serving_{name}") or importlib.import_module(name)


def weights(strategy):
    simulated = module("simulated")
    return simulated.ADAPTER if strategy == SWAP else simulated.WHOLE


def under_load(room, deployment: str, work):
    """What callers got while `work` ran, and what it returned."""

    async def run():
        callers_of = module("callers")
        table = callers_of.Table(room.gateway, deployment)
        callers = callers_of.Callers(table, 8, TOKENS)
        asking = asyncio.ensure_future(callers.run())
        try:
            with ThreadPoolExecutor(1) as pool:
                result = await asyncio.get_running_loop().run_in_executor(pool, work)
        finally:
            callers.stop()
            await asking
            table.stop()
        return callers.answers, result

    return asyncio.run(run())


def assert_all_answered(answers) -> set[str]:
    """Whole, unmixed, signed by who wrote them; the versions seen."""
    assert [a.fault for a in answers if a.fault] == []
    for answer in answers:
        assert answer.done
        assert answer.tokens == [f"{answer.version}:{place}" for place in range(TOKENS)]
    return {answer.version for answer in answers}


def processes(room, deployment: str) -> list[str]:
    return [name for name in room.host.engines if name.startswith(f"{deployment}/")]


@pytest.mark.parametrize(("strategy", "minor"), [(SECOND, 0), (SWAP, 1), (IN_PLACE, 2)])
def test_a_switch_and_its_undo_under_open_streams(room, strategy, minor):
    deployment, old = room.serve(f"v20.{minor}", weights(strategy))
    new = room.version(f"v21.{minor}", weights(strategy))
    before = processes(room, deployment)

    def there_and_back():
        there = room.end(room.begin(deployment, new, strategy))
        back = room.operator.UndoRollout(pb.UndoRolloutRequest(name=there.name))
        return there, room.end(back)

    answers, (there, back) = under_load(room, deployment, there_and_back)
    assert (there.state, back.state) == (S.STATE_SUCCEEDED, S.STATE_SUCCEEDED), (there.reason, back.reason)
    assert there.strategy == strategy
    assert assert_all_answered(answers) == {old, new}
    assert [t.version for t in room.route(deployment).targets] == [old]
    if strategy != SECOND:
        assert processes(room, deployment)[0] == before[0]
    states = [e.state for e in room.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines]
    assert states.count(deployment_pb2.Engine.STATE_READY) == 1


@pytest.mark.parametrize(("strategy", "minor"), [(SWAP, 1), (IN_PLACE, 2)])
def test_an_abort_in_the_middle_leads_back_in_the_warm_engine(room, strategy, minor):
    deployment, old = room.serve(f"v22.{minor}", weights(strategy))
    new = room.version(f"v23.{minor}", weights(strategy))

    def abort():
        rollout = room.begin(deployment, new, strategy, seconds=30)
        room.until(rollout, "BAKING")
        room.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name, reason="not today"))
        return room.end(rollout)

    answers, ended = under_load(room, deployment, abort)
    assert ended.state == S.STATE_CANCELLED
    assert old in assert_all_answered(answers)
    assert [t.version for t in room.route(deployment).targets] == [old]
    assert len(processes(room, deployment)) == 1


@pytest.mark.parametrize(("strategy", "minor"), [(SWAP, 1), (IN_PLACE, 2)])
def test_wrong_weights_in_a_warm_engine_get_no_request(room, strategy, minor):
    deployment, old = room.serve(f"v24.{minor}", weights(strategy))
    new = room.version(f"v25.{minor}", weights(strategy))
    room.host.dishonest.add(new)
    answers, ended = under_load(room, deployment, lambda: room.end(room.begin(deployment, new, strategy)))
    assert ended.state == S.STATE_FAILED
    assert assert_all_answered(answers) == {old}


def test_streams_that_do_not_end_make_it_a_second_engine(room, monkeypatch):
    deployment, old = room.serve("v26.0")
    room.host.engine_of(old).pace = Pace(tokens=4000, interval_s=0.01)
    new = room.version("v26.1")

    async def one_long_stream():
        callers_of = module("callers")
        table = callers_of.Table(room.gateway, deployment)
        long = callers_of.Callers(table, 1, 1800)
        asking = asyncio.ensure_future(long.run())
        while not long.answers or not long.answers[0].tokens:
            await asyncio.sleep(0.02)
        long.stop()
        ended = await asyncio.to_thread(lambda: room.end(room.begin(deployment, new, IN_PLACE)))
        await asking
        table.stop()
        return long.answers[0], ended

    answer, ended = asyncio.run(one_long_stream())
    assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, SECOND), ended.reason
    assert any("a second engine instead" in step.message for step in ended.steps)
    assert answer.done
    assert answer.tokens == [f"{old}:{place}" for place in range(1800)]


def test_the_cheapest_safe_way_is_taken_and_says_why(room):
    deployment, _ = room.serve("v27.0")
    room.host.free_bytes = 1 << 20
    short = room.end(room.begin(deployment, room.version("v27.1")))
    assert (short.state, short.strategy) == (S.STATE_SUCCEEDED, IN_PLACE)
    assert "1 MiB of memory are free" in short.steps[0].message
    room.host.free_bytes = 1 << 40
    ample = room.end(room.begin(deployment, room.version("v27.2")))
    assert ample.strategy == SECOND
    adapters, _ = room.serve("v28.0", weights(SWAP))
    assert room.end(room.begin(adapters, room.version("v28.1", weights(SWAP)))).strategy == SWAP
