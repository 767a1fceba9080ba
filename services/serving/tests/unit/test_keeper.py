"""How a deployment is kept between its rollouts."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rollout_world import BLUE, DEPLOYMENT, OLD, START

from ratoon_serving.domain.deployment import Deployment, Sight, keep
from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollouts.plan import ScaleEngine, SetRoutes, StartEngine, StopEngine
from ratoon_serving.domain.routes import HOLD_ASLEEP_S
from ratoon_serving.domain.scaling import Bounds, Load

DIGEST = "a" * 64
WELL = EngineView(EngineState.READY, DIGEST)
LOST = EngineView(EngineState.GONE)
ROUTED = ((BLUE, 100),)


def deployment(**changes):
    return replace(Deployment(DEPLOYMENT, START, START, 1, "projects/p/models/m", OLD, BLUE), **changes)


def test_what_is_well_is_left_alone():
    assert keep(deployment(), Sight(WELL, DIGEST, True, None, ROUTED), START).actions == ()


def test_a_rollout_takes_care_of_its_own_engines():
    assert keep(deployment(), Sight(LOST, rollout_active=True), START).actions == ()
    assert keep(deployment(engine=""), Sight(LOST), START).actions == ()


def test_a_lost_engine_loses_its_route_and_is_started():
    care = keep(deployment(), Sight(LOST, DIGEST, True, None, ROUTED), START)
    assert care.actions == (SetRoutes(()), StartEngine(BLUE))


def test_it_is_routed_again_only_when_it_has_proved_itself():
    unproven = Sight(WELL, DIGEST, False, None, ())
    assert keep(deployment(), unproven, START).actions == ()
    assert keep(deployment(), replace(unproven, golden=Check(False)), START).actions == ()
    assert keep(deployment(), replace(unproven, golden=Check(True)), START).actions == (SetRoutes(ROUTED),)


def test_one_that_is_only_slow_to_answer_keeps_its_route():
    slow = EngineView(EngineState.STARTING)
    assert keep(deployment(), Sight(slow, DIGEST, True, None, ROUTED), START).actions == ()
    assert keep(deployment(), Sight(slow, DIGEST, False, None, ROUTED), START).actions == (SetRoutes(()),)


def test_an_engine_with_other_weights_is_ended():
    care = keep(
        deployment(), Sight(EngineView(EngineState.READY, "b" * 64), DIGEST, True, None, ROUTED), START
    )
    assert care.actions == (SetRoutes(()), StopEngine(BLUE))


def test_one_that_dies_again_and_again_is_started_ever_more_rarely():
    now, kept, starts = START, deployment(), 0
    for _ in range(600):
        care = keep(kept, Sight(LOST, DIGEST), now)
        starts += any(isinstance(action, StartEngine) for action in care.actions)
        kept, now = care.deployment, now + timedelta(seconds=1)
    assert 10 <= starts <= 16
    well = keep(kept, Sight(WELL, DIGEST, True, None, ROUTED), now + timedelta(hours=1)).deployment
    assert well.restarts == 0


def test_an_engine_with_much_to_do_gets_more_processes_and_no_haste():
    seen = Sight(replace(WELL, replicas=1), DIGEST, True, None, ROUTED, load=Load(waiting=20))
    grown = keep(deployment(bounds=Bounds(1, 4)), seen, START)
    assert (grown.deployment.replicas, grown.actions) == (2, (ScaleEngine(BLUE, 2),))
    told = replace(seen, engine=replace(WELL, replicas=2))
    assert keep(grown.deployment, told, START + timedelta(seconds=5)).actions == ()
    later = keep(grown.deployment, told, START + timedelta(seconds=30))
    assert (later.deployment.replicas, later.actions) == (4, (ScaleEngine(BLUE, 4),))


def test_a_number_of_processes_that_was_decided_and_not_told_is_told_again():
    seen = Sight(replace(WELL, replicas=1), DIGEST, True, None, ROUTED)
    assert keep(deployment(replicas=2, bounds=Bounds(2, 2)), seen, START).actions == (ScaleEngine(BLUE, 2),)


def test_a_deployment_that_nobody_asks_is_put_to_sleep_and_woken_by_who_asks():
    now, kept = START, deployment(bounds=Bounds(0, 2))
    asleep = keep(kept, Sight(WELL, DIGEST, True, None, ROUTED, load=Load(waiting=0, idle_s=600.0)), now)
    assert (asleep.deployment.replicas, asleep.actions) == (0, ())
    kept = asleep.deployment
    assert keep(kept, Sight(WELL, DIGEST, True, None, ROUTED), now).actions == (SetRoutes((), HOLD_ASLEEP_S),)
    assert keep(kept, Sight(WELL, DIGEST, True), now).actions == (StopEngine(BLUE),)
    assert keep(kept, Sight(EngineView(), DIGEST), now).actions == ()
    later = now + timedelta(hours=1)
    woken = keep(replace(kept, wanted_at=later), Sight(EngineView(), DIGEST), later)
    assert (woken.deployment.replicas, woken.actions) == (1, ())
    up = keep(woken.deployment, Sight(EngineView(), DIGEST), later)
    assert up.actions == (StartEngine(BLUE),)


def test_what_was_just_woken_is_not_put_to_sleep_before_it_was_asked():
    kept = deployment(bounds=Bounds(0, 2), scaled_at=START)
    idle = Sight(WELL, DIGEST, True, None, ROUTED, load=Load(waiting=0, idle_s=600.0))
    assert keep(kept, idle, START + timedelta(seconds=60)).deployment.replicas == 1
    assert keep(kept, idle, START + timedelta(seconds=601)).deployment.replicas == 0


def test_while_a_rollout_is_under_way_nothing_is_scaled():
    busy = Sight(WELL, DIGEST, True, None, ROUTED, load=Load(waiting=100), rollout_active=True)
    assert keep(deployment(bounds=Bounds(0, 4)), busy, START).actions == ()
