"""Reconciliation of a deployment between its rollouts."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rollout_simulation import BLUE, DEPLOYMENT, OLD, START

from ratoon_serving.domain.deployment import Deployment, reconcile
from ratoon_serving.domain.deployment import DeploymentObservation as Observation
from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollouts.plan import ScaleEngine, SetRoutes, StartEngine, StopEngine
from ratoon_serving.domain.routes import HOLD_ASLEEP_S
from ratoon_serving.domain.scaling import Bounds, Load

DIGEST = "a" * 64
HEALTHY = EngineView(EngineState.READY, DIGEST)
LOST = EngineView(EngineState.GONE)
ROUTED = ((BLUE, 100),)


def deployment(**changes):
    return replace(Deployment(DEPLOYMENT, START, START, 1, "projects/p/models/m", OLD, BLUE), **changes)


def test_a_healthy_deployment_needs_no_action():
    assert reconcile(deployment(), Observation(HEALTHY, DIGEST, True, None, ROUTED), START).actions == ()


def test_engines_of_an_active_rollout_are_left_to_it():
    assert reconcile(deployment(), Observation(LOST, rollout_active=True), START).actions == ()
    assert reconcile(deployment(engine=""), Observation(LOST), START).actions == ()


def test_a_lost_engine_loses_its_route_and_is_started():
    plan = reconcile(deployment(), Observation(LOST, DIGEST, True, None, ROUTED), START)
    assert plan.actions == (SetRoutes(()), StartEngine(BLUE))


def test_it_is_routed_again_only_after_attestation():
    unattested = Observation(HEALTHY, DIGEST, False, None, ())
    assert reconcile(deployment(), unattested, START).actions == ()
    assert reconcile(deployment(), replace(unattested, golden=Check(False)), START).actions == ()
    assert reconcile(deployment(), replace(unattested, golden=Check(True)), START).actions == (
        SetRoutes(ROUTED),
    )


def test_an_engine_that_is_only_slow_to_answer_keeps_its_route():
    slow = EngineView(EngineState.STARTING)
    assert reconcile(deployment(), Observation(slow, DIGEST, True, None, ROUTED), START).actions == ()
    assert reconcile(deployment(), Observation(slow, DIGEST, False, None, ROUTED), START).actions == (
        SetRoutes(()),
    )


def test_an_engine_with_other_weights_is_ended():
    plan = reconcile(
        deployment(), Observation(EngineView(EngineState.READY, "b" * 64), DIGEST, True, None, ROUTED), START
    )
    assert plan.actions == (SetRoutes(()), StopEngine(BLUE))


def test_restarts_of_a_crashing_engine_back_off():
    now, state, starts = START, deployment(), 0
    for _ in range(600):
        plan = reconcile(state, Observation(LOST, DIGEST), now)
        starts += any(isinstance(action, StartEngine) for action in plan.actions)
        state, now = plan.deployment, now + timedelta(seconds=1)
    assert 10 <= starts <= 16
    healthy = reconcile(
        state, Observation(HEALTHY, DIGEST, True, None, ROUTED), now + timedelta(hours=1)
    ).deployment
    assert healthy.restarts == 0


def test_a_loaded_engine_is_scaled_up_with_delays():
    observation = Observation(
        replace(HEALTHY, desired_replicas=1), DIGEST, True, None, ROUTED, load=Load(waiting=20)
    )
    grown = reconcile(deployment(bounds=Bounds(1, 4)), observation, START)
    assert (grown.deployment.replicas, grown.actions) == (2, (ScaleEngine(BLUE, 2),))
    scaled = replace(observation, engine=replace(HEALTHY, desired_replicas=2))
    assert reconcile(grown.deployment, scaled, START + timedelta(seconds=5)).actions == ()
    later = reconcile(grown.deployment, scaled, START + timedelta(seconds=30))
    assert (later.deployment.replicas, later.actions) == (4, (ScaleEngine(BLUE, 4),))


def test_a_number_of_processes_that_a_crash_lost_is_set_again():
    observation = Observation(replace(HEALTHY, desired_replicas=1), DIGEST, True, None, ROUTED)
    assert reconcile(deployment(replicas=2, bounds=Bounds(2, 2)), observation, START).actions == (
        ScaleEngine(BLUE, 2),
    )


def test_an_idle_deployment_is_scaled_to_zero_and_woken_by_a_request():
    now, state = START, deployment(bounds=Bounds(0, 2))
    asleep = reconcile(
        state, Observation(HEALTHY, DIGEST, True, None, ROUTED, load=Load(waiting=0, idle_s=600.0)), now
    )
    assert (asleep.deployment.replicas, asleep.actions) == (0, ())
    state = asleep.deployment
    assert reconcile(state, Observation(HEALTHY, DIGEST, True, None, ROUTED), now).actions == (
        SetRoutes((), HOLD_ASLEEP_S),
    )
    assert reconcile(state, Observation(HEALTHY, DIGEST, True), now).actions == (StopEngine(BLUE),)
    assert reconcile(state, Observation(EngineView(), DIGEST), now).actions == ()
    later = now + timedelta(hours=1)
    woken = reconcile(replace(state, wake_requested_at=later), Observation(EngineView(), DIGEST), later)
    assert (woken.deployment.replicas, woken.actions) == (1, ())
    up = reconcile(woken.deployment, Observation(EngineView(), DIGEST), later)
    assert up.actions == (StartEngine(BLUE),)


def test_a_deployment_that_was_just_woken_is_not_scaled_to_zero_at_once():
    state = deployment(bounds=Bounds(0, 2), scaled_at=START)
    idle = Observation(HEALTHY, DIGEST, True, None, ROUTED, load=Load(waiting=0, idle_s=600.0))
    assert reconcile(state, idle, START + timedelta(seconds=60)).deployment.replicas == 1
    assert reconcile(state, idle, START + timedelta(seconds=601)).deployment.replicas == 0


def test_while_a_rollout_is_under_way_nothing_is_scaled():
    busy = Observation(HEALTHY, DIGEST, True, None, ROUTED, load=Load(waiting=100), rollout_active=True)
    assert reconcile(deployment(bounds=Bounds(0, 4)), busy, START).actions == ()
