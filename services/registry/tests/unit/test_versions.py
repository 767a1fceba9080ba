"""A version's state machine, and how versions are numbered."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_registry.domain.errors import BadVersionId
from ratoon_registry.domain.models import VersionId, next_version_id
from ratoon_registry.domain.versions import (
    Action,
    Cancelled,
    Failed,
    ModelVersion,
    Observation,
    Phase,
    Registered,
    State,
    Verified,
    step,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUEUED = ModelVersion("projects/p/models/m/versions/v1.0", NOW, NOW, "a" * 64, "b" * 64)
VERIFIED = Verified("c" * 64, "d" * 64, "e" * 64, 1_200_000, 4_800_000)


def test_a_queued_version_starts_its_verification():
    after = step(QUEUED, Observation(Phase.ABSENT))
    assert after.version.state is State.VERIFYING
    assert after.actions == (Action.START,)


def test_a_lost_verification_is_started_again():
    assert step(QUEUED, Observation(Phase.LOST)).actions == (Action.RESTART,)


def test_a_verified_version_is_ready_and_carries_what_verification_made():
    after = step(QUEUED, Observation(Phase.SUCCEEDED, verified=VERIFIED))
    assert after.version.state is State.READY
    assert (after.version.signature_digest, after.version.parameter_count) == ("d" * 64, 1_200_000)
    assert after.events == (Registered("c" * 64),)


def test_a_failed_verification_says_why():
    after = step(
        QUEUED, Observation(Phase.FAILED, reason="PICKLE_FOUND", message="model.bin is no safetensors file.")
    )
    assert (after.version.state, after.version.failure_reason) == (State.FAILED, "PICKLE_FOUND")
    assert after.events == (Failed("PICKLE_FOUND"),)


def test_a_job_that_loses_its_worker_each_time_fails_with_what_it_said_last():
    version, starts = step(QUEUED, Observation(Phase.ABSENT)).version, 1
    while not version.state.ended:
        after = step(version, Observation(Phase.LOST, reason="WORKER_LOST", message="Killed."))
        starts += after.actions == (Action.RESTART,)
        version = after.version
    assert (starts, version.state, version.failure_reason) == (5, State.FAILED, "WORKER_LOST")
    assert version.failure_message == "The worker was lost 5 times. Killed."


def test_a_cancelled_version_asks_its_job_to_stop_and_ends_when_it_has():
    asked = replace(QUEUED, cancel_requested=True)
    stopping = step(asked, Observation(Phase.RUNNING))
    assert (stopping.version.state, stopping.actions) == (State.CANCELLING, (Action.STOP,))
    ended = step(stopping.version, Observation(Phase.LOST))
    assert (ended.version.state, ended.events) == (State.CANCELLED, (Cancelled(),))


observations = st.builds(
    Observation,
    phase=st.sampled_from(Phase),
    verified=st.sampled_from([None, VERIFIED]),
    reason=st.sampled_from(["X"]),
    message=st.just("why"),
)


@given(st.lists(st.tuples(observations, st.booleans())))
def test_a_version_that_ended_never_changes_and_tells_its_end_once(history):
    version, ends = QUEUED, 0
    for seen, cancel in history:
        before = version
        after = step(replace(version, cancel_requested=version.cancel_requested or cancel), seen)
        if before.state.ended:
            assert after.version.state is before.state
            assert not after.actions
        ends += len(after.events)
        version = after.version
    assert ends == (1 if version.state.ended else 0)


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
