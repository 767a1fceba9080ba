"""An engine of several processes that come and go by themselves: which of them count, and what they are together."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon_serving.domain.deployment import Deployment, Sight, keep
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Member, Proof
from ratoon_serving.domain.members import as_one, unproven
from ratoon_serving.domain.rollouts.plan import OpenEngine, ReconcileEngine, SetRoutes, StartEngine
from ratoon_serving.domain.routes import Route, Target, split

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "projects/p/deployments/d/engines/e"
STARTING, READY, GONE, ABSENT = (
    EngineState.STARTING,
    EngineState.READY,
    EngineState.GONE,
    EngineState.ABSENT,
)
ENGINE = Engine(NAME, NOW, NOW, 1, "v", "digest", "signature", "golden", "d")


def member(load_id: str, state: EngineState = READY, **told) -> Member:
    return Member(load_id, f"http://{load_id[0]}:8000", state, "digest", **told)


def seen(*members: Member) -> EngineView:
    return EngineView(STARTING, members=members)


def proved(*load_ids: str) -> Engine:
    return replace(
        ENGINE, attested=True, proofs=tuple(Proof(each, f"http://{each[0]}:8000") for each in load_ids)
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
def test_before_its_first_proof_the_worst_process_speaks_for_an_engine(states, together):
    members = [member(f"{place}/1", state) for place, state in zip("ab", states, strict=True)]
    assert as_one(ENGINE, seen(*members)).state is together


@pytest.mark.parametrize(
    ("states", "together"),
    [((READY, GONE), READY), ((STARTING, GONE), STARTING), ((GONE, GONE), GONE)],
)
def test_afterwards_the_best_of_those_that_count_does(states, together):
    members = [member(f"{place}/1", state) for place, state in zip("ab", states, strict=True)]
    assert as_one(proved("a/1", "b/1"), seen(*members)).state is together


def test_a_process_that_started_anew_by_itself_counts_no_more():
    restarted, replaced = seen(member("a/2")), seen(member("b/", STARTING))
    for now in (restarted, replaced, EngineView(STARTING)):
        assert as_one(proved("a/1"), now).state is GONE
    assert as_one(proved("a/1"), seen(member("a/", STARTING))).state is STARTING  # it is only silent


def test_a_process_that_came_later_is_seen_and_waits_for_its_proof():
    engine, view = proved("a/1"), seen(member("a/1", in_flight=2), member("b/1", in_flight=1))
    together = as_one(engine, view)
    assert (together.state, together.in_flight, together.changed) == (READY, 2, True)
    assert [each.load_id for each in unproven(engine, view)] == ["b/1"]
    assert as_one(engine, seen(member("a/1"), member("b/", STARTING))).changed is False
    assert as_one(proved("a/1", "b/1"), seen(member("a/1"))).changed is True


def test_one_process_with_other_weights_speaks_for_all_until_they_are_proved():
    other = replace(member("b/1"), loaded_digest="other")
    assert as_one(ENGINE, seen(member("a/1"), other)).loaded_digest == "other"


def test_the_keeper_opens_what_is_closed_and_tends_what_changed():
    deployment = Deployment("projects/p/deployments/d", NOW, NOW, 1, "m", version="v", engine=NAME)
    view = EngineView(READY, "digest", accepting=False, changed=True)
    care = keep(deployment, Sight(view, "digest", attested=True, weights=((NAME, 100),)), NOW)
    assert care.actions == (OpenEngine(NAME), ReconcileEngine(NAME))


def test_the_keeper_unroutes_and_starts_what_lost_its_proof_then_routes_it_by_a_new_one():
    deployment = Deployment("projects/p/deployments/d", NOW, NOW, 1, "m", version="v", engine=NAME)
    lost = Sight(as_one(proved("a/1"), seen(member("a/2"))), "digest", attested=True, weights=((NAME, 100),))
    assert keep(deployment, lost, NOW).actions == (SetRoutes(()), StartEngine(NAME))
    again = as_one(ENGINE, seen(member("a/2")))
    good = Sight(again, "digest", golden=Check(True), weights=())
    assert keep(deployment, good, NOW).actions == (OpenEngine(NAME), SetRoutes(((NAME, 100),)))


def test_shares_of_processes_sum_up_to_their_engines():
    assert [split(100, 1), split(100, 3), split(1, 2), split(0, 2)] == [[100], [34, 33, 33], [1, 0], [0, 0]]
    shares = [("a", 30), ("b", 35), ("b", 35)]
    targets = tuple(
        Target(name, "v", f"http://{place}", "", "d", share) for place, (name, share) in enumerate(shares)
    )
    assert Route("d", targets).weights == (("a", 30), ("b", 70))
