"""Rollouts that the previous release stored are read as they were."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.storage.store import codec_of
from ratoon_serving.adapters.tables import RESOURCES
from ratoon_serving.domain.rollouts.analysis import Probes
from ratoon_serving.domain.rollouts.rollout import Phase, Placement, ProcessUse, Rollout, Strategy

CODEC = codec_of(Rollout, RESOURCES[Rollout])
START = datetime(2026, 1, 1, tzinfo=UTC)
GREEN, BLUE = (f"projects/p/deployments/d/engines/{colour}" for colour in ("green", "blue"))
VERSION_1 = (
    '{"schema_version":1,"name":"projects/p/deployments/d/rollouts/r",'
    '"create_time":"2026-01-01T00:00:00Z","update_time":"2026-01-01T00:00:00Z","revision":7,'
    '"deployment":"projects/p/deployments/d","to_version":"projects/p/models/m/versions/v1.1",'
    '"green":"projects/p/deployments/d/engines/green","from_version":"projects/p/models/m/versions/v1.0",'
    '"blue":"projects/p/deployments/d/engines/blue","strategy":"SECOND_ENGINE","bake":{"seconds":30.0,'
    '"max_error_rate":0.05,"max_latency_ratio":3.0,"max_negative_rate":0.5},"limits":{"start_s":200.0,'
    '"room_s":45.0,"attest_s":120.0,"probe_s":60.0,"quiet_s":7.0,"drain_s":900.0,"revert_s":300.0,'
    '"pause_s":86400.0,"probe_every_s":2.0,"warm_probes":2},"weights":[10,50,100],"step_s":5.0,'
    '"phase":"REVERTING","phase_since":"2026-01-01T00:00:00Z","restarts":0,'
    '"shifted_at":"2026-01-01T00:00:00Z","step":0,"paused":false,"abort_reason":"",'
    '"ending":"ROLLED_BACK","reason":"the new engine ended","blue_attested":false,"forsaken":true,'
    '"apart":"projects/p/deployments/d/engines/blue","interchangeable":true,"inside":true,'
    '"baseline":{"requests":12,"errors":1,"cut":0,"p50_s":0.2,"seconds":60.0,"callers":[["c",'
    '{"requests":3,"errors":0,"cut":0,"p50_s":0.0,"seconds":0.0,"callers":[]}]]},'
    '"unheard_since":"2026-01-01T00:00:00Z","probes":{"good":0,"bad_in_a_row":0},'
    '"superseded":"projects/p/models/m/versions/v1.0","notes":[{"time":"2026-01-01T00:00:00Z",'
    '"phase":"QUEUED","message":"a note"}]}'
)
"""Literal row of version 1: in the middle of a rollback, with every field set."""


def stored(**changes: object) -> str:
    return json.dumps(json.loads(VERSION_1) | changes)


def test_a_row_of_version_1_keeps_its_meaning():
    rollout = CODEC.load(VERSION_1)
    assert rollout.old_engine_unrecoverable is True
    assert rollout.reports_missing_since == START
    assert rollout.previous_alias == "projects/p/models/m/versions/v1.0"
    assert (rollout.limits.placement_timeout_s, rollout.limits.quiet_s) == (45.0, 7.0)
    assert (rollout.phase, rollout.strategy) == (Phase.REVERTING, Strategy.SECOND_ENGINE)
    assert (rollout.revision, rollout.weights, rollout.probes) == (7, (10, 50, 100), Probes())


@pytest.mark.parametrize(
    ("apart", "inside", "placement"),
    [
        ("", False, None),
        (GREEN, False, Placement(ProcessUse.OWN_PROCESS, GREEN)),
        (BLUE, False, Placement(ProcessUse.OWN_PROCESS, BLUE)),
        ("", True, Placement(ProcessUse.SHARED_PROCESS, GREEN)),
        (BLUE, True, Placement(ProcessUse.OWN_PROCESS, BLUE)),
    ],
)
def test_the_two_flags_of_version_1_are_one_placement(apart, inside, placement):
    assert CODEC.load(stored(apart=apart, inside=inside)).placement == placement


def test_a_row_of_an_early_release_without_these_fields_takes_the_defaults():
    body = json.loads(VERSION_1)
    for key in ("schema_version", "forsaken", "apart", "inside", "unheard_since", "superseded", "limits"):
        del body[key]
    rollout = CODEC.load(json.dumps(body))
    assert (rollout.placement, rollout.previous_alias) == (None, None)
    assert not rollout.old_engine_unrecoverable


def test_a_save_writes_version_2_with_the_fields_of_version_1():
    upgraded = json.loads(CODEC.dump(CODEC.load(VERSION_1)))
    assert upgraded["schema_version"] == 2
    assert upgraded["placement"] == {"use": "OWN_PROCESS", "engine": BLUE}
    assert (upgraded["forsaken"], upgraded["apart"], upgraded["limits"]["room_s"]) == (True, BLUE, 45.0)
    assert upgraded.keys() >= json.loads(VERSION_1).keys()


@pytest.mark.parametrize(
    ("placement", "apart", "inside"),
    [
        (None, "", False),
        (Placement(ProcessUse.OWN_PROCESS, BLUE), BLUE, False),
        (Placement(ProcessUse.SHARED_PROCESS, GREEN), "", True),
    ],
)
def test_the_previous_release_reads_a_placement_as_its_two_flags(placement, apart, inside):
    body = json.loads(CODEC.dump(replace(CODEC.load(VERSION_1), placement=placement)))
    assert (body["apart"], body["inside"]) == (apart, inside)
    assert CODEC.load(json.dumps(body)).placement == placement


def test_changes_by_the_previous_release_are_taken_over():
    body = json.loads(CODEC.dump(CODEC.load(VERSION_1))) | {"apart": "", "inside": False, "superseded": "v"}
    rollout = CODEC.load(json.dumps(body))
    assert (rollout.placement, rollout.previous_alias) == (None, "v")
