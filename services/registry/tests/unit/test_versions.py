"""What verification makes of a version, and how versions are numbered."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase, Progress, Transition
from ratoon_registry.domain.errors import BadVersionId
from ratoon_registry.domain.models import VersionId, next_version_id
from ratoon_registry.domain.versions import ModelVersion, Registered, State, Verified, step

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUEUED = ModelVersion("projects/p/models/m/versions/v1.0", NOW, NOW, "a" * 64, "b" * 64)
VERIFIED = Verified("c" * 64, "d" * 64, "e" * 64, 1_200_000, 4_800_000)


def after(observation: JobObservation[Verified]) -> Transition[ModelVersion]:
    return step(QUEUED, observation, NOW)


def test_a_queued_version_starts_its_verification():
    started = after(JobObservation(Phase.ABSENT))
    assert (started.resource.state, started.actions) == (State.VERIFYING, (Action.START,))
    assert after(JobObservation(Phase.RUNNING)).resource.state is State.VERIFYING


def test_a_verified_version_is_ready_and_carries_the_results_of_verification():
    ready = after(JobObservation(Phase.SUCCEEDED, result=VERIFIED))
    assert ready.resource.state is State.READY
    assert (ready.resource.signature_digest, ready.resource.parameter_count) == ("d" * 64, 1_200_000)
    assert ready.resource.progress.message == "Verified, recorded and signed."
    assert ready.events == (Registered("c" * 64),)


def test_a_failed_verification_says_why():
    failure = Failure("PICKLE_FOUND", "model.bin is no safetensors file.")
    failed = after(JobObservation(Phase.FAILED, failure=failure))
    assert (failed.resource.state, failed.resource.failure_reason) == (State.FAILED, failure.reason)
    assert failed.resource.failure_message == failure.message


def test_a_row_of_an_older_release_is_read():
    rows = TypeAdapter(ModelVersion)
    row = json.loads(rows.dump_json(replace(QUEUED, progress=Progress(0.5, "Reloading"), attempts=2)))
    row["progress"] = {"fraction": 0.5, "message": "Reloading"}
    assert rows.validate_python(row) == replace(QUEUED, progress=Progress(0.5, "Reloading"), attempts=2)


@pytest.mark.parametrize(
    ("existing", "continues", "expected"),
    [
        ([], None, "v1.0"),
        ([VersionId(1, 0)], VersionId(1, 0), "v1.1"),
        ([VersionId(1, 0), VersionId(1, 1)], VersionId(1, 0), "v1.2"),
        ([VersionId(1, 3)], None, "v2.0"),
    ],
)
def test_the_next_version_id(existing, continues, expected):
    assert str(next_version_id(existing, continues)) == expected


def test_a_version_id_that_is_none_is_refused():
    with pytest.raises(BadVersionId):
        VersionId.parse("1.0")
