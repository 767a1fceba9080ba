"""How a deployment is kept between its rollouts."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rollout_world import BLUE, DEPLOYMENT, OLD, START

from ratoon_serving.domain.deployment import Deployment, Sight, keep
from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollout import SetRoutes, StartEngine, StopEngine

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
