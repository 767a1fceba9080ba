"""Engines and deployments that the previous release stored are read as they were."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from ratoon.storage.store import codec_of
from ratoon_serving.adapters.tables import RESOURCES
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Attestation, Engine, EngineState
from ratoon_serving.domain.scaling import Bounds

ENGINES, DEPLOYMENTS = (codec_of(kind, RESOURCES[kind]) for kind in (Engine, Deployment))
START = datetime(2026, 1, 1, tzinfo=UTC)
ENGINE_1 = (
    '{"schema_version":1,"name":"projects/p/deployments/d/engines/e","create_time":"2026-01-01T00:00:00Z",'
    '"update_time":"2026-01-01T00:00:00Z","revision":7,"version":"projects/p/models/m/versions/v1.0",'
    '"artifact_digest":"a","signature_digest":"s","golden_digest":"g","served_name":"d",'
    '"endpoint":"http://10.0.0.7:8000","secret":"x","state":"READY","attested":true,"message":"",'
    '"base_digest":"b","base_signature_digest":"t","most_rank":16,"shape":"one","shared_process":"",'
    '"pool":"cpu","replicas":2,"proofs":[{"load_id":"u/1","endpoint":"http://10.0.0.7:8000"},'
    '{"load_id":"w/1","endpoint":"http://10.0.0.8:8000"}],"generation":{"temperature":0.0,"top_p":null,'
    '"top_k":null,"min_p":null,"repetition_penalty":null,"max_tokens":8},"prompt":{"max_characters":0,'
    '"max_tokens":96,"context_tokens":512}}'
)
DEPLOYMENT_1 = (
    '{"schema_version":1,"name":"projects/p/deployments/d","create_time":"2026-01-01T00:00:00Z",'
    '"update_time":"2026-01-01T00:00:00Z","revision":7,"model":"projects/p/models/m",'
    '"version":"projects/p/models/m/versions/v1.0","engine":"projects/p/deployments/d/engines/e",'
    '"previous_version":"","active_rollout":"","restarts":1,"restarted_at":"2026-01-01T00:00:00Z",'
    '"pool":"","bounds":{"least":0,"most":3},"replicas":0,"scaled_at":"2026-01-01T00:00:00Z",'
    '"wanted_at":"2026-01-01T00:00:00Z"}'
)
ATTESTED = Attestation("u/1", "http://10.0.0.7:8000")


def test_an_engine_of_version_1_keeps_its_meaning():
    engine = ENGINES.load(ENGINE_1)
    assert (engine.max_rank, engine.replicas, engine.state) == (16, 2, EngineState.READY)
    assert engine.attestations == (ATTESTED, Attestation("w/1", "http://10.0.0.8:8000"))


def test_a_deployment_of_version_1_keeps_its_meaning():
    deployment = DEPLOYMENTS.load(DEPLOYMENT_1)
    assert (deployment.bounds, deployment.replicas) == (Bounds(0, 3), 0)
    assert deployment.wake_requested_at == START and deployment.wake_requested


def test_rows_of_an_early_release_without_these_fields_take_the_defaults():
    bare = json.loads(ENGINE_1)
    for key in ("schema_version", "most_rank", "proofs"):
        del bare[key]
    engine = ENGINES.load(json.dumps(bare))
    assert (engine.max_rank, engine.attestations) == (0, ())
    bare = json.loads(DEPLOYMENT_1)
    for key in ("schema_version", "bounds", "wanted_at"):
        del bare[key]
    deployment = DEPLOYMENTS.load(json.dumps(bare))
    assert (deployment.bounds, deployment.wake_requested_at) == (Bounds(1, 1), None)


def test_a_save_writes_version_2_with_the_fields_of_version_1():
    for codec, stored in ((ENGINES, ENGINE_1), (DEPLOYMENTS, DEPLOYMENT_1)):
        first, saved = json.loads(stored), json.loads(codec.dump(codec.load(stored)))
        assert saved["schema_version"] == 2
        assert {key: saved[key] for key in first if key not in ("schema_version", "bounds")} == {
            key: value for key, value in first.items() if key not in ("schema_version", "bounds")
        }
    assert saved["bounds"] == {"least": 0, "most": 3, "min_replicas": 0, "max_replicas": 3}


def test_the_previous_release_reads_changes_of_this_one():
    engine = replace(ENGINES.load(ENGINE_1), attestations=(ATTESTED,), max_rank=8)
    saved = json.loads(ENGINES.dump(engine))
    assert saved["proofs"] == [{"load_id": "u/1", "endpoint": "http://10.0.0.7:8000"}]
    assert saved["most_rank"] == 8
    deployment = replace(DEPLOYMENTS.load(DEPLOYMENT_1), bounds=Bounds(2, 4), wake_requested_at=None)
    saved = json.loads(DEPLOYMENTS.dump(deployment))
    assert (saved["bounds"]["least"], saved["bounds"]["most"], saved["wanted_at"]) == (2, 4, None)


def test_changes_by_the_previous_release_are_taken_over():
    saved = json.loads(ENGINES.dump(ENGINES.load(ENGINE_1))) | {"proofs": [], "most_rank": 32}
    engine = ENGINES.load(json.dumps(saved))
    assert (engine.attestations, engine.max_rank) == ((), 32)
    saved = json.loads(DEPLOYMENTS.dump(DEPLOYMENTS.load(DEPLOYMENT_1)))
    saved["bounds"] |= {"least": 1, "most": 1}
    deployment = DEPLOYMENTS.load(json.dumps(saved | {"wanted_at": None}))
    assert (deployment.bounds, deployment.wake_requested_at) == (Bounds(1, 1), None)
