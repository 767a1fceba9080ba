"""Curations and splits: what their jobs make of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase, Transition, step
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import (
    Curated,
    DatasetVersion,
    VersionCompleted,
    curated,
    next_version_id,
)
from ratoon_ingestion.domain.errors import BadReading, PartSealed
from ratoon_ingestion.domain.splits import Parted, PartSummary, Split, SplitCompleted, opened, parted
from ratoon_ingestion.domain.work import Progress, State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUEUED = DatasetVersion(
    "projects/p/datasets/d/versions/v1", NOW, NOW, ("projects/p/sources/s",), CurationConfig()
)
RESULT = Curated("a" * 64, "b" * 64, 10, 8, 2, '{"items": 10}')


def after(version: DatasetVersion, observation: JobObservation[Curated]) -> Transition[DatasetVersion]:
    return step(version, observation, NOW, curated)


def test_a_queued_version_starts_its_job():
    started = after(QUEUED, JobObservation(Phase.ABSENT))
    assert (started.resource.state, started.actions) == (State.RUNNING, (Action.START,))


def test_a_finished_job_makes_the_version_ready_and_tells_it():
    done = after(QUEUED, JobObservation(Phase.SUCCEEDED, result=RESULT))
    assert (done.resource.state, done.resource.record_count) == (State.READY, 8)
    assert done.resource.progress == Progress(1.0, "Done")
    assert done.events == (VersionCompleted("a" * 64, "b" * 64, 8),)


def test_a_failed_job_says_why():
    empty = Failure("SOURCE_EMPTY", "No items.")
    failed = after(QUEUED, JobObservation(Phase.FAILED, failure=empty))
    assert (failed.resource.state, failed.resource.failure) == (State.FAILED, empty)


def test_a_redacted_version_stays_as_it_is():
    redacted = replace(QUEUED, state=State.REDACTED, cancel_requested=True)
    assert after(redacted, JobObservation(Phase.ABSENT)) == Transition(redacted)


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
    result = Parted(dict.fromkeys(Part, PartSummary("d" * 64, 3, {"ham": 3})), {"NO_LABEL": 1}, 0)
    ready, event = parted(replace(split, state=State.READY), result)
    assert event == SplitCompleted("d" * 64, "d" * 64)
    assert ready.parts[Part.TEST] == PartSummary("d" * 64, 3, {"ham": 3})
    with pytest.raises(BadReading):
        opened(ready, Part.TEST, "", "gate")
    read, digest = opened(ready, Part.TEST, "e" * 64, "gate")
    assert (read.reading_count, digest) == (1, "d" * 64)
