"""Shares of engines: nobody fills them for all others, keys take turns, nothing is lost."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.application.fairness import Fairness
from ratoon_gateway.domain.errors import BadRequest, TooManyRequests
from ratoon_gateway.domain.routes import Route, Target
from ratoon_gateway.domain.shares import Shares, Turn, share_of

ROUTE = Route("projects/p/deployments/d", (Target("e", "v", "unix:///e", "s", 1, "n"),))


def test_one_key_leaves_a_reserve_and_keys_take_turns():
    shares, started = Shares(), []

    def turn(key, weight=1):
        one = Turn(key, weight, lambda: started.append(key))
        return one, shares.enter(one, 8)

    own = [turn("a") for _ in range(10)]
    assert [may for _, may in own] == [True] * 7 + [False] * 3
    other, may = turn("b")
    assert may
    assert not turn("c")[1]
    assert not turn("c")[1]
    shares.leave(own[0][0], 8)
    shares.leave(own[1][0], 8)
    assert started == ["c", "c"]  # though `a` has waited longer
    shares.leave(other, 8)
    assert started == ["c", "c", "a"]


def test_a_request_counts_with_its_answers():
    shares = Shares()
    assert shares.enter(Turn("a", 7, lambda: None), 8)
    assert not shares.enter(Turn("a", 1, lambda: None), 8)
    assert shares.enter(Turn("b", 1, lambda: None), 8)
    assert [share_of(slots) for slots in (1, 2, 8, 64, 128)] == [1, 1, 7, 56, 112]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 7)), max_size=40), st.randoms())
def test_every_request_gets_its_turn_and_the_bounds_hold(requests, random):
    shares, running = Shares(), []
    for key, weight in requests:
        turn = Turn(key, weight, lambda: None)
        turn.start = lambda turn=turn: running.append(turn)
        if shares.enter(turn, 8):
            running.append(turn)
        assert shares.total == sum(each.weight for each in running) <= 8
    done = 0
    while running:
        turn = running.pop(random.randrange(len(running)))
        shares.leave(turn, 8)
        done += 1
        assert shares.total == sum(each.weight for each in running) <= 8
    assert done == len(requests)
    assert shares.is_idle


def test_who_waits_too_long_or_leaves_is_forgotten():
    fairness = Fairness(slots=2, timeout_s=0.01)

    async def story():
        first = await fairness.enter(ROUTE, "a", 1)
        with pytest.raises(TooManyRequests):
            await fairness.enter(ROUTE, "a", 1)
        leaving = asyncio.ensure_future(fairness.enter(ROUTE, "a", 1))
        await asyncio.sleep(0)
        assert fairness.waiting == 1
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert fairness.waiting == 0
        fairness.leave(ROUTE, first)
        assert not fairness._shares
        with pytest.raises(BadRequest):
            await fairness.enter(ROUTE, "a", 2)
        unbounded = Fairness(0, 0.01)
        for _ in range(100):
            unbounded.leave(ROUTE, await unbounded.enter(ROUTE, "a", 500))
        stated = replace(ROUTE, targets=(replace(ROUTE.targets[0], slots=2),))
        await unbounded.enter(stated, "a", 1)
        with pytest.raises(TooManyRequests):
            await unbounded.enter(replace(ROUTE, targets=()), "a", 1)

    asyncio.run(story())


def test_a_turn_that_comes_while_its_request_is_cancelled_is_given_back():
    fairness = Fairness(slots=2, timeout_s=10)

    async def story():
        first = await fairness.enter(ROUTE, "a", 1)
        leaving = asyncio.ensure_future(fairness.enter(ROUTE, "a", 1))
        await asyncio.sleep(0)
        leaving.cancel()
        fairness.leave(ROUTE, first)  # before the cancelled task runs again
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not fairness._shares

    asyncio.run(story())


def test_what_waits_behind_a_request_that_gives_up_goes_on():
    fairness = Fairness(slots=8, timeout_s=10)
    smaller = Fairness(slots=2, timeout_s=10)
    smaller._shares = fairness._shares

    async def story():
        other = await fairness.enter(ROUTE, "b", 1)
        first = await fairness.enter(ROUTE, "a", 7)
        large = asyncio.ensure_future(fairness.enter(ROUTE, "a", 7))
        small = asyncio.ensure_future(fairness.enter(ROUTE, "a", 1))
        await asyncio.sleep(0)
        smaller.leave(ROUTE, first)
        smaller.leave(ROUTE, other)
        assert fairness.waiting == 2
        large.cancel()
        with pytest.raises(asyncio.CancelledError):
            await large
        fairness.leave(ROUTE, await asyncio.wait_for(small, 1))
        assert not fairness._shares

    asyncio.run(story())
