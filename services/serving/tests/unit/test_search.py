"""Breadth-first search of the rollout state machine: all states that any order of ticks, faults and commands reaches.

The quick form visits some thousand states of each kind; `RATOON_SEARCH=1000000` visits a million: all of second engine
and adapter swap, and half a million in place.
"""

import os
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_simulation import Simulation, comparison_of, is_final

from ratoon_serving.domain.rollouts.plan import StartInOwnProcess
from ratoon_serving.domain.rollouts.rollout import Phase, Placement, ProcessUse, Strategy
from ratoon_serving.domain.rollouts.shadow import Shadow
from ratoon_serving.domain.rollouts.state_machine import step

MAX_STATES = int(os.environ.get("RATOON_SEARCH", "4000"))
KINDS = [
    *(
        (strategy, dishonest, False)
        for strategy in Strategy
        for dishonest in (frozenset(), frozenset({"v1"}))
    ),
    *((strategy, frozenset(), True) for strategy in Strategy),
]
EVERY = 97
"""One state in `EVERY` is followed to its end without further faults."""


def search(start: Simulation, max_states: int) -> tuple[int, int, set[Phase]]:
    """Visit at most `max_states` states; return the numbers of visited and followed ones, and the phases."""
    predecessors: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]] = {start.key(): (None, "")}
    queue, phases, followed = deque([start]), set(), 0
    while queue:
        state = queue.popleft()
        phases.add(state.rollout.phase)
        try:
            for label, successor in state.successors():
                key = successor.key()
                if key in predecessors or len(predecessors) >= max_states:
                    continue
                predecessors[key] = (state.key(), label)
                successor.check()
                if len(predecessors) % EVERY == 0:
                    successor.run_to_end()
                    followed += 1
                if not is_final(successor):
                    queue.append(successor)
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter: {' | '.join(path_to(predecessors, key))}") from error
    return len(predecessors), followed, phases


def path_to(predecessors, key) -> list[str]:
    labels = []
    while key is not None:
        key, label = predecessors[key]
        labels.append(label)
    return labels[-2::-1]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("strategy", "dishonest", "in_pods"), KINDS)
def test_no_order_of_events_violates_an_invariant(strategy, dishonest, in_pods):
    start = Simulation.serving_old(strategy, dishonest, in_pods=in_pods)
    visited, followed, phases = search(start, MAX_STATES // 2)
    assert visited >= min(MAX_STATES // 2, 4_000), "fewer states than expected"
    assert followed == visited // EVERY
    assert phases >= {Phase.STARTING, Phase.ATTESTING, Phase.REVERTING}


@pytest.mark.parametrize("strategy", [Strategy.SECOND_ENGINE, Strategy.ADAPTER_SWAP])
def test_no_order_of_events_violates_an_invariant_of_a_rollout_that_waits_for_pairs(strategy):
    start = Simulation.serving_old(strategy)
    shadow = Shadow(share=1.0, min_pairs=100, max_wait_s=2.0)
    start = replace(start, rollout=replace(start.rollout, weights=(0, 100), shadow=shadow))
    _, _, phases = search(start, MAX_STATES // 2)
    assert phases >= {Phase.SHIFTING, Phase.REVERTING}
    ends = (Phase.SUCCEEDED, Phase.SUCCEEDED, Phase.ROLLED_BACK)
    for gain, phase in zip((None, 0.5, -0.5), ends, strict=True):
        compared = None if gain is None else comparison_of(gain)
        begun = replace(start, rollout=replace(start.rollout, comparison=compared))
        assert begun.run_to_end().rollout.phase is phase


def test_without_capacity_for_a_second_engine_the_rollout_continues_in_place():
    start = Simulation.serving_old(Strategy.SECOND_ENGINE, in_pods=True, full=True)
    *_, phases = search(start, MAX_STATES // 2)
    assert phases >= {Phase.CLOSING, Phase.ATTESTING}
    ended = start.run_to_end()
    assert (ended.rollout.phase, ended.rollout.strategy) == (Phase.SUCCEEDED, Strategy.IN_PLACE)
    assert [name for name, _ in ended.processes] == ["v0"]


@pytest.mark.parametrize("lost", range(40))
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("strategy", Strategy)
def test_actions_that_a_crash_lost_are_decided_again(strategy, full, lost):
    """The executor dies before it acts, or another writer changed an object of the cluster in the meantime."""
    start = Simulation.serving_old(strategy, in_pods=full, full=full and strategy is Strategy.SECOND_ENGINE)
    assert start.run_to_end(lost=lost).rollout.phase is Phase.SUCCEEDED


def test_streams_that_do_not_end_leave_the_new_engine_in_its_own_process():
    simulation = Simulation.serving_old(Strategy.SECOND_ENGINE, in_pods=True, full=True).stream("v0")
    while simulation.rollout.placement != Placement(ProcessUse.OWN_PROCESS, "v1"):
        assert not simulation.rollout.ended
        simulation = simulation.tick()
    assert (simulation.rollout.phase, simulation.rollout.strategy) == (Phase.STARTING, Strategy.SECOND_ENGINE)
    lost = replace(simulation, processes=(("v0", simulation.process("v0")),))
    plan = step(lost.rollout, lost.observe()[1], lost.time)
    assert plan.actions == (StartInOwnProcess("v1"),)
    assert simulation.run_to_end().rollout.phase is Phase.FAILED
