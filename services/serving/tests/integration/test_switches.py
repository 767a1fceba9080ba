"""Three strategies under open streams: no request fails, no stream is cut, the signing version wrote the answer."""

import asyncio
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratoon.serving.v1 import deployment_pb2, rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.testkit.engine import Pace
from ratoon_serving.domain.rollouts.rollout import Limits

S = rollout_pb2.Rollout
SECOND, SWAP, IN_PLACE = S.STRATEGY_SECOND_ENGINE, S.STRATEGY_ADAPTER_SWAP, S.STRATEGY_IN_PLACE
TOKENS, LONG = 12, 800
"""Tokens of an answer, and of one that goes on for seconds."""


@pytest.fixture(autouse=True)
def slow_engines(service):
    service.host.pace = Pace(tokens=TOKENS, interval_s=0.01)
    yield
    service.host.pace, service.host.free_bytes = Pace(tokens=4), 1 << 40


def module(name: str):
    return sys.modules.get(f"serving_{name}") or importlib.import_module(name)


def model(strategy):
    simulated = module("simulated")
    return simulated.ADAPTER if strategy == SWAP else simulated.WHOLE


def under_load(service, deployment: str, work):
    """Return the answers to callers while `work` ran, and its result."""

    async def run():
        callers_of = module("callers")
        table = callers_of.Table(service.gateway, deployment)
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
    """Check that answers are complete, unmixed and correctly signed; return their versions."""
    assert [a.fault for a in answers if a.fault] == []
    for answer in answers:
        assert answer.done
        assert answer.tokens == [f"{answer.version}:{place}" for place in range(TOKENS)]
    return {answer.version for answer in answers}


def processes(service, deployment: str) -> list[str]:
    return [name for name in service.host.engines if name.startswith(f"{deployment}/")]


@pytest.mark.parametrize(("strategy", "minor"), [(SECOND, 0), (SWAP, 1), (IN_PLACE, 2)])
def test_a_switch_and_its_undo_under_open_streams(service, strategy, minor):
    deployment, old = service.serve(f"v20.{minor}", model(strategy))
    new = service.version(f"v21.{minor}", model(strategy))
    before = processes(service, deployment)

    def roll_out_and_undo():
        rollout = service.end(service.begin(deployment, new, strategy, seconds=0.5))
        undo = service.operator.UndoRollout(pb.UndoRolloutRequest(name=rollout.name))
        return rollout, service.end(undo)

    answers, (rollout, undo) = under_load(service, deployment, roll_out_and_undo)
    assert (rollout.state, undo.state) == (S.STATE_SUCCEEDED, S.STATE_SUCCEEDED), (
        rollout.reason,
        undo.reason,
    )
    assert rollout.strategy == strategy
    assert assert_all_answered(answers) == {old, new}
    assert [t.version for t in service.route(deployment).targets] == [old]
    if strategy != SECOND:
        assert processes(service, deployment)[0] == before[0]
    states = [e.state for e in service.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines]
    assert states.count(deployment_pb2.Engine.STATE_READY) == 1


@pytest.mark.parametrize(("strategy", "minor"), [(SWAP, 1), (IN_PLACE, 2)])
def test_an_abort_in_the_middle_rolls_back_in_the_warm_engine(service, strategy, minor):
    deployment, old = service.serve(f"v22.{minor}", model(strategy))
    new = service.version(f"v23.{minor}", model(strategy))

    def abort():
        rollout = service.begin(deployment, new, strategy, seconds=30)
        service.until(rollout, "BAKING")
        service.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name, reason="not today"))
        return service.end(rollout)

    answers, ended = under_load(service, deployment, abort)
    assert ended.state == S.STATE_CANCELLED
    assert old in assert_all_answered(answers)
    assert [t.version for t in service.route(deployment).targets] == [old]
    assert len(processes(service, deployment)) == 1


@pytest.mark.parametrize(("strategy", "minor"), [(SWAP, 1), (IN_PLACE, 2)])
def test_wrong_weights_in_a_warm_engine_get_no_request(service, strategy, minor):
    deployment, old = service.serve(f"v24.{minor}", model(strategy))
    new = service.version(f"v25.{minor}", model(strategy))
    service.host.dishonest.add(new)
    answers, ended = under_load(
        service, deployment, lambda: service.end(service.begin(deployment, new, strategy))
    )
    assert ended.state == S.STATE_FAILED
    assert assert_all_answered(answers) == {old}


def test_streams_that_do_not_end_start_a_second_engine(service, monkeypatch):
    monkeypatch.setattr("ratoon_serving.application.handlers.IN_PLACE_LIMITS", Limits(quiet_s=1.0))
    deployment, old = service.serve("v26.0")
    service.host.engine_of(old).pace = Pace(tokens=4000, interval_s=0.01)
    new = service.version("v26.1")

    async def one_long_stream():
        callers_of = module("callers")
        table = callers_of.Table(service.gateway, deployment)
        long = callers_of.Callers(table, 1, LONG)
        asking = asyncio.ensure_future(long.run())
        while not long.answers or not long.answers[0].tokens:
            await asyncio.sleep(0.02)
        long.stop()
        ended = await asyncio.to_thread(lambda: service.end(service.begin(deployment, new, IN_PLACE)))
        await asking
        table.stop()
        return long.answers[0], ended

    answer, ended = asyncio.run(one_long_stream())
    assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, SECOND), ended.reason
    assert any("a second engine instead" in step.message for step in ended.steps)
    assert answer.done
    assert answer.tokens == [f"{old}:{place}" for place in range(LONG)]


def test_the_cheapest_safe_strategy_is_chosen_with_its_reason(service):
    deployment, _ = service.serve("v27.0")
    service.host.free_bytes = 1 << 20
    short = service.end(service.begin(deployment, service.version("v27.1")))
    assert (short.state, short.strategy) == (S.STATE_SUCCEEDED, IN_PLACE)
    assert "1 MiB of memory are free" in short.steps[0].message
    service.host.free_bytes = 1 << 40
    ample = service.end(service.begin(deployment, service.version("v27.2")))
    assert ample.strategy == SECOND
    adapters, _ = service.serve("v28.0", model(SWAP))
    assert service.end(service.begin(adapters, service.version("v28.1", model(SWAP)))).strategy == SWAP
