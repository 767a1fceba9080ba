"""Shadow analysis: callers get the new version's answers only once pairs of answers show no loss."""

from dataclasses import replace
from datetime import timedelta
from math import inf, nan

import pytest

from ratoon.storage.store import codec_of
from ratoon_serving.adapters.tables import RESOURCES
from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.errors import PolicyInvalid
from ratoon_serving.domain.rollouts.analysis import Bake
from ratoon_serving.domain.rollouts.plan import SetRoutes
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_serving.domain.rollouts.routing import route_actions
from ratoon_serving.domain.rollouts.shadow import Comparison, Paired, Shadow, Verdict, judge

from .rollout_simulation import BLUE, GREEN, NEW, OLD, START, Simulation

WAITING = Shadow(share=0.5, min_pairs=100, max_wait_s=600.0)
BAD = Paired(100, 40, 0, 0.6, 0.8, -0.2, -0.3, -0.1)


def comparison(**changes):
    paired = replace(BAD, **changes)
    return Comparison(START, paired.pairs, 0.5, "macro_f1", by_metric=paired)


@pytest.mark.parametrize(
    ("shadow", "paired", "waited_s", "verdict", "part"),
    [
        (WAITING, {}, 10, Verdict.ROLL_BACK, "gain -0.2 (-0.3 to -0.1): worse, beyond chance"),
        (WAITING, {"high": 0.01}, 10, Verdict.GO_ON, "macro_f1 on 100 pairs of 40 callers: 0.6 against 0.8"),
        (replace(WAITING, max_loss=0.1), {}, 10, Verdict.GO_ON, "gain -0.2"),
        (replace(WAITING, max_loss=0.05), {}, 10, Verdict.ROLL_BACK, "more than 0.05 worse, beyond chance"),
        (WAITING, {"pairs": 99}, 599, Verdict.WAIT, ""),
        (WAITING, {"callers": 19}, 599, Verdict.WAIT, ""),
        (WAITING, {"callers": 19}, 600, Verdict.GO_ON, "the rollout goes on without the comparison"),
        (replace(WAITING, require_pairs=True), {"pairs": 99}, 600, Verdict.ROLL_BACK, "of 99 is known"),
    ],
)
def test_the_rule(shadow, paired, waited_s, verdict, part):
    decided, message = judge(shadow, comparison(**paired), waited_s)
    assert decided is verdict
    assert part in message


def test_without_a_report_the_end_of_the_wait_says_what_is_missing():
    verdict, message = judge(WAITING, None, 600)
    assert verdict is Verdict.GO_ON
    assert message == (
        "after 600 s, 0 requests were answered by both versions, and the right answer of 0 is known, from 0 callers; "
        "needed are 100, from 20 callers; the rollout goes on without the comparison"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"share": 1.1},
        {"share": nan},
        {"share": 0.1, "max_loss": -0.1},
        {"share": 0.1, "max_loss": inf},
        {"min_pairs": 5},
        {"share": 0.1, "min_pairs": -1},
        {"share": 0.1, "max_wait_s": 0.0},
        {"share": 0.1, "max_wait_s": 1e9},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(PolicyInvalid):
        Shadow(**settings)


def until_waiting(**changes) -> Simulation:
    simulation = Simulation.serving_blue(
        weights=(0, 50, 100), shadow=WAITING, bake=Bake(seconds=5), **changes
    )
    while not simulation.rollout.waits_for_pairs:
        simulation.tick()
    simulation.tick()
    return simulation


def test_callers_get_the_old_version_until_the_pairs_are_compared():
    simulation = until_waiting()
    for _ in range(20):
        simulation.tick()
    assert dict(simulation.split) == {BLUE: 100, GREEN: 0}
    assert simulation.rollout.waits_for_pairs
    waited_until = simulation.now
    simulation.rollout = replace(simulation.rollout, comparison=comparison(low=-0.1, high=0.3))
    simulation.tick()
    simulation.tick(0)
    assert dict(simulation.split) == {GREEN: 50, BLUE: 50}
    assert simulation.rollout.shifted_at == waited_until + timedelta(seconds=1)
    while not simulation.rollout.ended:
        simulation.tick()
    assert simulation.rollout.phase is Phase.SUCCEEDED
    assert simulation.alias == NEW
    notes = [note.message for note in simulation.rollout.notes]
    assert any(
        "answers copies of 50% of the requests, and callers get the answers of v1.0" in n for n in notes
    )
    assert any("macro_f1 on 100 pairs" in n for n in notes)


def test_a_worse_version_is_rolled_back_before_a_caller_got_its_answer():
    simulation = until_waiting()
    simulation.rollout = replace(simulation.rollout, comparison=comparison())
    while not simulation.rollout.ended:
        simulation.tick()
        assert dict(simulation.split).get(GREEN, 0) == 0
    assert simulation.rollout.phase is Phase.ROLLED_BACK
    assert "worse, beyond chance" in simulation.rollout.reason
    assert (simulation.alias, dict(simulation.split)) == (OLD, {BLUE: 100})


def test_the_wait_ends_and_a_pause_holds_it():
    simulation = until_waiting()
    simulation.rollout = replace(simulation.rollout, paused=True)
    simulation.tick(WAITING.max_wait_s + 1)
    assert simulation.rollout.waits_for_pairs
    simulation.rollout = replace(simulation.rollout, paused=False)
    simulation.tick()
    assert not simulation.rollout.waits_for_pairs
    assert "goes on without the comparison" in simulation.rollout.notes[-1].message


def test_a_lost_new_engine_is_rolled_back_during_the_wait():
    simulation = until_waiting()
    simulation.engines[GREEN].state = EngineState.GONE
    while not simulation.rollout.ended:
        simulation.tick()
    assert simulation.rollout.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("phase", "share"),
    [(Phase.SHIFTING, 0.5), (Phase.BAKING, 0.5), (Phase.DRAINING, 0.0), (Phase.REVERTING, 0.0)],
)
def test_routes_carry_the_share_while_both_versions_serve(phase, share):
    simulation = until_waiting()
    rollout = replace(simulation.rollout, phase=phase, step=1)
    (routes,) = (a for a in route_actions(rollout, simulation.observe()) if isinstance(a, SetRoutes))
    assert routes.shadow_share == share


def test_a_comparison_is_stored_with_the_rollout():
    codec = codec_of(Rollout, RESOURCES[Rollout])
    unbounded = comparison(low=None, high=None)
    for stored in (comparison(), unbounded):
        rollout = replace(until_waiting().rollout, comparison=stored)
        assert codec.load(codec.dump(rollout)) == rollout
