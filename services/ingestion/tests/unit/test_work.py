"""The state machine of curations and splits."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import DatasetVersion, VersionCompleted, curated, next_version_id
from ratoon_ingestion.domain.errors import BadReading, PartSealed
from ratoon_ingestion.domain.splits import PartSummary, Split, SplitCompleted, opened, parted
from ratoon_ingestion.domain.work import (
    MAX_ATTEMPTS,
    Action,
    Cancelled,
    Failed,
    Failure,
    Observation,
    Phase,
    Progress,
    State,
    step,
)

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
OBSERVATIONS = st.builds(
    Observation,
    st.sampled_from(Phase),
    st.builds(Progress, st.floats(0, 1)),
    st.none() | st.just(RESULT),
    st.just(Failure("SOURCE_EMPTY", "It holds no items.")),
)


def test_a_queued_version_starts_its_job():
    after = step(QUEUED, Observation(Phase.ABSENT), curated)
    assert (after.resource.state, after.actions) == (State.RUNNING, (Action.START,))


def test_progress_is_carried_on():
    after = step(QUEUED, Observation(Phase.RUNNING, Progress(0.5, "Curated 10 items")), curated)
    assert after.resource.progress.fraction == 0.5


def test_a_finished_job_makes_the_version_ready_and_tells_it():
    after = step(QUEUED, Observation(Phase.SUCCEEDED, result=RESULT), curated)
    assert (after.resource.state, after.resource.record_count) == (State.READY, 8)
    assert after.events == (VersionCompleted("a" * 64, "b" * 64, 8),)


def test_a_failed_job_says_why():
    after = step(QUEUED, Observation(Phase.FAILED, failure=Failure("SOURCE_EMPTY", "No items.")), curated)
    assert (after.resource.state, after.events) == (State.FAILED, (Failed("SOURCE_EMPTY"),))


def test_a_lost_job_is_started_again_but_not_for_ever():
    version, starts = step(QUEUED, Observation(Phase.ABSENT), curated).resource, 1
    while not version.state.ended:
        after = step(version, Observation(Phase.LOST, failure=Failure("WORKER_LOST", "It died.")), curated)
        version, starts = after.resource, starts + len(after.actions)
    assert (version.state, version.failure.reason, starts) == (State.FAILED, "WORKER_LOST", MAX_ATTEMPTS)


def test_cancelling_stops_the_job_and_waits_for_its_end():
    asked = replace(QUEUED, state=State.RUNNING, cancel_requested=True)
    after = step(asked, Observation(Phase.RUNNING), curated)
    assert (after.resource.state, after.actions) == (State.CANCELLING, (Action.STOP,))
    ended = step(after.resource, Observation(Phase.LOST), curated)
    assert (ended.resource.state, ended.events) == (State.CANCELLED, (Cancelled(),))


@given(st.lists(st.tuples(OBSERVATIONS, st.booleans()), max_size=20))
def test_every_walk_obeys(walk):
    version, told = QUEUED, []
    for seen, cancel in walk:
        version = replace(
            version, cancel_requested=version.cancel_requested or (cancel and not version.state.ended)
        )
        before, after = version, step(version, seen, curated)
        version = after.resource
        told += after.events
        if before.state.ended:
            assert (version, after.actions, after.events) == (before, (), ())
        assert Action.START not in after.actions or not version.cancel_requested
        assert version.attempts <= MAX_ATTEMPTS
    assert len(told) == int(version.state.ended)


def test_versions_are_numbered_after_the_highest():
    assert next_version_id([]) == "v1"
    assert next_version_id(["v1", "v10", "first", "v2-fixed"]) == "v11"


def test_a_split_is_opened_only_when_ready_and_only_with_a_reader_and_a_purpose():
    split = Split("projects/p/datasets/d/splits/s", NOW, NOW, QUEUED.name)
    with pytest.raises(PartSealed):
        opened(split, Part.TEST, "reader", "gate")
    part = {"digest": "d" * 64, "records": 3, "classes": {"ham": 3}}
    made = {"parts": {name.value: part for name in Part}, "withheld": {"NO_LABEL": 1}, "replayed": 0}
    ready, event = parted(replace(split, state=State.READY), made)
    assert event == SplitCompleted("d" * 64, "d" * 64)
    assert ready.parts[Part.TEST] == PartSummary("d" * 64, 3, {"ham": 3})
    with pytest.raises(BadReading):
        opened(ready, Part.TEST, "", "gate")
    read, digest = opened(ready, Part.TEST, "e" * 64, "gate")
    assert (read.reading_count, digest) == (1, "d" * 64)
