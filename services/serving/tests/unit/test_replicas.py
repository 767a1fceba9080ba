"""Replicas of an engine that the cluster replaces and restarts: which of them count, and their aggregate."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon_serving.domain.deployment import Deployment, DeploymentObservation, reconcile
from ratoon_serving.domain.engine import Attestation, Check, Engine, EngineState, EngineView, Replica
from ratoon_serving.domain.replicas import aggregate, unattested
from ratoon_serving.domain.rollouts.plan import OpenEngine, ReconcileEngine, SetRoutes, StartEngine
from ratoon_serving.domain.routes import Route, Target, divide_weight

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "projects/p/deployments/d/engines/e"
STARTING, READY, GONE, ABSENT = (
    EngineState.STARTING,
    EngineState.READY,
    EngineState.GONE,
    EngineState.ABSENT,
)
ENGINE = Engine(NAME, NOW, NOW, 1, "v", "digest", "signature", "golden", "d")


def replica(load_id: str, state: EngineState = READY, **changes) -> Replica:
    return Replica(load_id, f"http://{load_id[0]}:8000", state, "digest", **changes)


def view_of(*replicas: Replica) -> EngineView:
    return EngineView(STARTING, replicas=replicas)


def attested(*load_ids: str) -> Engine:
    return replace(
        ENGINE,
        attested=True,
        attestations=tuple(Attestation(each, f"http://{each[0]}:8000") for each in load_ids),
    )


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ((READY, READY), READY),
        ((READY, STARTING), STARTING),
        ((READY, GONE), GONE),
        ((READY, ABSENT), ABSENT),
    ],
)
def test_before_its_first_attestation_an_engine_has_the_state_of_its_worst_process(states, together):
    replicas = [replica(f"{place}/1", state) for place, state in zip("ab", states, strict=True)]
    assert aggregate(ENGINE, view_of(*replicas)).state is together


@pytest.mark.parametrize(
    ("states", "together"),
    [((READY, GONE), READY), ((STARTING, GONE), STARTING), ((GONE, GONE), GONE)],
)
def test_afterwards_it_has_the_state_of_its_best_attested_process(states, together):
    replicas = [replica(f"{place}/1", state) for place, state in zip("ab", states, strict=True)]
    assert aggregate(attested("a/1", "b/1"), view_of(*replicas)).state is together


def test_a_restarted_process_counts_no_more():
    restarted, replaced = view_of(replica("a/2")), view_of(replica("b/", STARTING))
    for now in (restarted, replaced, EngineView(STARTING)):
        assert aggregate(attested("a/1"), now).state is GONE
    assert (
        aggregate(attested("a/1"), view_of(replica("a/", STARTING))).state is STARTING
    )  # It is only silent.


def test_a_new_process_is_observed_and_waits_for_attestation():
    engine, view = attested("a/1"), view_of(replica("a/1", in_flight=2), replica("b/1", in_flight=1))
    together = aggregate(engine, view)
    assert (together.state, together.in_flight, together.changed) == (READY, 2, True)
    assert [each.load_id for each in unattested(engine, view)] == ["b/1"]
    assert aggregate(engine, view_of(replica("a/1"), replica("b/", STARTING))).changed is False
    assert aggregate(attested("a/1", "b/1"), view_of(replica("a/1"))).changed is True


def test_one_process_with_other_weights_decides_for_all_until_they_are_attested():
    other = replace(replica("b/1"), loaded_digest="other")
    assert aggregate(ENGINE, view_of(replica("a/1"), other)).loaded_digest == "other"


def test_a_closed_engine_is_opened_and_a_changed_one_reconciled():
    deployment = Deployment("projects/p/deployments/d", NOW, NOW, 1, "m", version="v", engine=NAME)
    view = EngineView(READY, "digest", accepting=False, changed=True)
    plan = reconcile(
        deployment, DeploymentObservation(view, "digest", attested=True, split=((NAME, 100),)), NOW
    )
    assert plan.actions == (OpenEngine(NAME), ReconcileEngine(NAME))


def test_an_engine_without_attestation_is_restarted_and_routed_after_a_new_one():
    deployment = Deployment("projects/p/deployments/d", NOW, NOW, 1, "m", version="v", engine=NAME)
    lost = DeploymentObservation(
        aggregate(attested("a/1"), view_of(replica("a/2"))), "digest", attested=True, split=((NAME, 100),)
    )
    assert reconcile(deployment, lost, NOW).actions == (SetRoutes(()), StartEngine(NAME))
    again = aggregate(ENGINE, view_of(replica("a/2")))
    good = DeploymentObservation(again, "digest", golden=Check(True), split=())
    assert reconcile(deployment, good, NOW).actions == (OpenEngine(NAME), SetRoutes(((NAME, 100),)))


def test_shares_of_processes_sum_up_to_their_engines():
    assert [divide_weight(100, 1), divide_weight(100, 3), divide_weight(1, 2), divide_weight(0, 2)] == [
        [100],
        [34, 33, 33],
        [1, 0],
        [0, 0],
    ]
    shares = [("a", 30), ("b", 35), ("b", 35)]
    targets = tuple(
        Target(name, "v", f"http://{place}", "", "d", share) for place, (name, share) in enumerate(shares)
    )
    assert Route("d", targets).split == (("a", 30), ("b", 70))
