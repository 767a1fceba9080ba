"""The rollout machine, searched: every world that can come of every order of turns, faults and commands, breadth first.

The quick form sees some thousand worlds of each kind; `RATOON_SEARCH=1000000` sees a million: all there are by second
engine and by adapter swap, and half a million in place.
"""

import os
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_world import World, over

from ratoon_serving.domain.rollouts.plan import StartInOwnProcess
from ratoon_serving.domain.rollouts.rollout import Phase, Placement, ProcessUse, Strategy
from ratoon_serving.domain.rollouts.state_machine import step

WORLDS = int(os.environ.get("RATOON_SEARCH", "8000"))
KINDS = [
    *((strategy, liars, False) for strategy in Strategy for liars in (frozenset(), frozenset({"v1"}))),
    *((strategy, frozenset(), True) for strategy in Strategy),
]
EVERY = 97
"""One world in so many is followed to its end with no more faults."""


def search(start: World, most: int) -> tuple[int, int, set[Phase]]:
    """Look at `most` worlds, or all there are; how many were looked at, how many followed, and the phases seen."""
    came_from: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]] = {start.key(): (None, "")}
    waiting, phases, followed = deque([start]), set(), 0
    while waiting:
        world = waiting.popleft()
        phases.add(world.rollout.phase)
        try:
            for label, following in world.moves_on():
                key = following.key()
                if key in came_from or len(came_from) >= most:
                    continue
                came_from[key] = (world.key(), label)
                following.check()
                if len(came_from) % EVERY == 0:
                    following.to_the_end()
                    followed += 1
                if not over(following):
                    waiting.append(following)
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter: {' | '.join(way(came_from, key))}") from error
    return len(came_from), followed, phases


def way(came_from, key) -> list[str]:
    labels = []
    while key is not None:
        key, label = came_from[key]
        labels.append(label)
    return labels[-2::-1]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("strategy", "liars", "in_pods"), KINDS)
def test_no_order_of_events_breaks_a_promise(strategy, liars, in_pods):
    start = World.serving_old(strategy, liars, in_pods=in_pods)
    looked_at, followed, phases = search(start, WORLDS // 2)
    assert looked_at >= min(WORLDS // 2, 4_000), "there are fewer worlds than there were"
    assert followed == looked_at // EVERY
    assert phases >= {Phase.STARTING, Phase.ATTESTING, Phase.REVERTING}


def test_where_there_is_no_place_for_a_second_engine_nothing_breaks_and_it_goes_on_in_place():
    start = World.serving_old(Strategy.SECOND_ENGINE, in_pods=True, full=True)
    *_, phases = search(start, WORLDS // 2)
    assert phases >= {Phase.CLOSING, Phase.ATTESTING}
    ended = start.to_the_end()
    assert (ended.rollout.phase, ended.rollout.strategy) == (Phase.SUCCEEDED, Strategy.IN_PLACE)
    assert [name for name, _ in ended.processes] == ["v0"]


@pytest.mark.parametrize("lost", range(40))
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("strategy", Strategy)
def test_what_was_decided_and_not_done_is_decided_again(strategy, full, lost):
    """As where the executor dies before it acts, or a cluster's object was changed by somebody else meanwhile."""
    start = World.serving_old(strategy, in_pods=full, full=full and strategy is Strategy.SECOND_ENGINE)
    assert start.to_the_end(lost=lost).rollout.phase is Phase.SUCCEEDED


def test_streams_that_do_not_end_leave_the_new_engine_in_its_own_process():
    world = World.serving_old(Strategy.SECOND_ENGINE, in_pods=True, full=True).stream("v0")
    while world.rollout.placement != Placement(ProcessUse.OWN_PROCESS, "v1"):
        assert not world.rollout.ended
        world = world.turn()
    assert (world.rollout.phase, world.rollout.strategy) == (Phase.STARTING, Strategy.SECOND_ENGINE)
    lost = replace(world, processes=(("v0", world.process("v0")),))
    plan = step(lost.rollout, lost.observe()[1], lost.time)
    assert plan.actions == (StartInOwnProcess("v1"),)
    assert world.to_the_end().rollout.phase is Phase.FAILED
