"""The state machine of erasures, and what one leaves of versions and splits."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.operations.job_machine import Action, Failed, Failure, JobObservation, Phase
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import DatasetVersion
from ratoon_ingestion.domain.erasures import (
    Erasure,
    ErasureObservation,
    Placement,
    Plan,
    RecordsErased,
    Redaction,
    Rewritten,
    Trace,
    check_record_id,
    redacted_split,
    redacted_version,
    reindexed,
    step,
)
from ratoon_ingestion.domain.errors import BadErasure, BadRecordId
from ratoon_ingestion.domain.splits import PartSummary, Split, opened
from ratoon_ingestion.domain.work import State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RECORD, NAME = "a" * 64, "projects/p/erasures/e"
VERSION, SPLIT = "projects/p/datasets/d/versions/v1", "projects/p/datasets/d/splits/s"
QUEUED = Erasure(NAME, NOW, NOW, (RECORD,), "asked for")
RESULT = Redaction(
    Plan(
        versions={VERSION: Rewritten("b" * 64, 1)},
        splits={SPLIT: {Part.TRAIN: Rewritten("c" * 64, 1)}},
        sources={"projects/p/sources/s": "d" * 64},
        blobs=("e" * 64,),
        text_digests=("f" * 64,),
    ),
    (Trace(RECORD, (VERSION,), (Placement(SPLIT, Part.TRAIN),)),),
)
DONE = JobObservation(Phase.SUCCEEDED, result=RESULT)


def test_it_waits_for_what_was_begun_before():
    after = step(QUEUED, ErasureObservation((VERSION,), JobObservation(Phase.ABSENT)), NOW)
    assert (after.resource.state, after.actions) == (State.QUEUED, ())
    assert VERSION in after.resource.progress.message


def test_its_plan_is_saved_before_anything_is_replaced_and_it_ends_when_all_is():
    begun = step(QUEUED, ErasureObservation((), JobObservation(Phase.ABSENT)), NOW)
    assert (begun.resource.state, begun.actions) == (State.RUNNING, (Action.START,))
    planned = step(begun.resource, ErasureObservation((), DONE), NOW)
    assert (planned.actions, planned.events) == ((Action.APPLY,), ())
    assert planned.resource.plan is not None
    assert planned.resource.traces == (Trace(RECORD, (VERSION,), (Placement(SPLIT, Part.TRAIN),)),)
    again = step(planned.resource, ErasureObservation((), DONE, replaced=False), NOW)
    assert again.actions == (Action.APPLY,)
    ended = step(planned.resource, ErasureObservation((), DONE, replaced=True), NOW)
    assert ended.resource.state is State.READY
    assert ended.events == (RecordsErased((RECORD,), ("f" * 64,)),)


def test_a_job_that_fails_ends_it_with_the_reason():
    failed = step(
        QUEUED,
        ErasureObservation(
            (), JobObservation(Phase.FAILED, failure=Failure("ARCHIVE_DAMAGED", "It breaks off."))
        ),
        NOW,
    )
    assert failed.resource.failure.reason == "ARCHIVE_DAMAGED"
    assert failed.events == (Failed("ARCHIVE_DAMAGED"),)


@given(
    st.lists(st.tuples(st.sampled_from([Phase.ABSENT, Phase.RUNNING, Phase.LOST]), st.booleans()), max_size=8)
)
def test_whatever_is_observed_on_the_way_it_never_ends_before_everything_is_replaced(observations):
    erasure = QUEUED
    for phase, waits in observations:
        moved = step(erasure, ErasureObservation((VERSION,) if waits else (), JobObservation(phase)), NOW)
        assert moved.resource.state is not State.READY
        assert not any(isinstance(event, RecordsErased) for event in moved.events)
        erasure = moved.resource


@pytest.mark.parametrize(
    ("records", "purpose"), [((), "why"), (("x",), "why"), ((RECORD,), " "), ((RECORD,) * 101, "why")]
)
def test_an_erasure_names_records_and_a_reason(records, purpose):
    with pytest.raises(BadErasure):
        Erasure(NAME, NOW, NOW, records, purpose)


def test_a_redacted_version_keeps_its_digest_and_reads_what_is_left():
    version = DatasetVersion(VERSION, NOW, NOW, (), CurationConfig(), State.READY, artifact_digest="1" * 64)
    once, event = redacted_version(version, Rewritten("2" * 64, 2), NAME)
    twice, _ = redacted_version(once, Rewritten("3" * 64, 1), f"{NAME}2")
    assert (event.erasure, event.erased_count) == (NAME, 2)
    assert (twice.state, twice.artifact_digest, twice.readable_digest) == (State.REDACTED, "1" * 64, "3" * 64)
    assert (twice.erased_count, twice.erasure) == (3, f"{NAME}2")


def test_a_redacted_split_hands_out_what_is_left_of_its_test_part():
    parts = {part: PartSummary(str(number) * 64, 10) for number, part in enumerate(Part)}
    split = replace(Split(SPLIT, NOW, NOW, VERSION), state=State.READY, parts=parts)
    left, event = redacted_split(split, {Part.TEST: Rewritten("9" * 64, 1)}, NAME)
    assert (left.state, event.erased_count) == (State.REDACTED, 1)
    assert opened(left, Part.TEST, "reader", "gate")[1] == "9" * 64
    assert opened(left, Part.TRAIN, "reader", "why")[1] == parts[Part.TRAIN].digest


@pytest.mark.parametrize("short", ["0038ea3f", "", "g" * 64, "A" * 64, "a" * 65])
def test_a_part_of_a_record_id_is_refused_with_a_sentence(short):
    check_record_id("a" * 64)
    with pytest.raises(BadRecordId, match="64 hexadecimal digits"):
        check_record_id(short)


def test_versions_and_splits_name_the_indexes_that_were_written_again():
    version = DatasetVersion(VERSION, NOW, NOW, (), CurationConfig(), index="1" * 64)
    split = Split(SPLIT, NOW, NOW, VERSION, test_index="2" * 64, version_index="1" * 64)
    replaced = {"1" * 64: "3" * 64, "2" * 64: ""}
    assert reindexed(version, replaced) == replace(version, index="3" * 64)
    assert reindexed(split, replaced) == replace(split, test_index="", version_index="3" * 64)
    others = {"4" * 64: "5" * 64}
    assert reindexed(version, others) is version
    assert reindexed(split, others) is split
    without = Split(SPLIT, NOW, NOW, VERSION)
    assert reindexed(without, replaced) is without
