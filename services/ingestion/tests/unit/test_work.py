"""Curations and splits: what their jobs make of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from ratoon.operations.job_machine import Action, Failure, Phase, Transition, step
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import DatasetVersion, VersionCompleted, curated, next_version_id
from ratoon_ingestion.domain.errors import BadReading, PartSealed
from ratoon_ingestion.domain.splits import PartSummary, Split, SplitCompleted, opened, parted
from ratoon_ingestion.domain.work import Observation, Progress, State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUEUED = DatasetVersion(
    "projects/p/datasets/d/versions/v1", NOW, NOW, ("projects/p/sources/s",), CurationConfig()
)
RESULT = {
    "artifact_digest": "a" * 64,
    "merkle_root": "b" * 64,
    "items": 10,
    "records": 8,
    "rejected": 2,
    "profile": {"items": 10},
}


def after(version: DatasetVersion, observation: Observation) -> Transition[DatasetVersion]:
    return step(version, observation, NOW, curated)


def test_a_queued_version_starts_its_job():
    started = after(QUEUED, Observation(Phase.ABSENT))
    assert (started.resource.state, started.actions) == (State.RUNNING, (Action.START,))


def test_a_finished_job_makes_the_version_ready_and_tells_it():
    done = after(QUEUED, Observation(Phase.SUCCEEDED, result=RESULT))
    assert (done.resource.state, done.resource.record_count) == (State.READY, 8)
    assert done.resource.progress == Progress(1.0, "Done")
    assert done.events == (VersionCompleted("a" * 64, "b" * 64, 8),)


def test_a_failed_job_says_why():
    empty = Failure("SOURCE_EMPTY", "No items.")
    failed = after(QUEUED, Observation(Phase.FAILED, failure=empty))
    assert (failed.resource.state, failed.resource.failure) == (State.FAILED, empty)


def test_a_redacted_version_stays_as_it_is():
    redacted = replace(QUEUED, state=State.REDACTED, cancel_requested=True)
    assert after(redacted, Observation(Phase.ABSENT)) == Transition(redacted)


def test_a_row_of_an_older_release_is_read_and_keeps_its_field_names():
    rows = TypeAdapter(DatasetVersion)
    running = replace(
        QUEUED, progress=Progress(0.5, "half", 1, 2, "items", 30.0), failure=Failure("REASON", "Why.")
    )
    row = json.loads(rows.dump_json(running))
    assert row["progress"]["remaining_seconds"] == 30.0
    assert row["failure"] == {"reason": "REASON", "message": "Why."}
    assert rows.validate_python(row) == running


def test_versions_are_numbered_after_the_highest():
    assert next_version_id([]) == "v1"
    assert next_version_id(["v1", "v10", "first", "v2-fixed"]) == "v11"


def test_a_split_is_opened_only_when_ready_and_only_with_a_reader_and_a_purpose():
    split = Split("projects/p/datasets/d/splits/s", NOW, NOW, QUEUED.name)
    with pytest.raises(PartSealed):
        opened(split, Part.TEST, "reader", "gate")
    part = {"digest": "d" * 64, "records": 3, "classes": {"ham": 3}}
    result = {"parts": {name.value: part for name in Part}, "withheld": {"NO_LABEL": 1}, "replayed": 0}
    ready, event = parted(replace(split, state=State.READY), result)
    assert event == SplitCompleted("d" * 64, "d" * 64)
    assert ready.parts[Part.TEST] == PartSummary("d" * 64, 3, {"ham": 3})
    with pytest.raises(BadReading):
        opened(ready, Part.TEST, "", "gate")
    read, digest = opened(ready, Part.TEST, "e" * 64, "gate")
    assert (read.reading_count, digest) == (1, "d" * 64)
