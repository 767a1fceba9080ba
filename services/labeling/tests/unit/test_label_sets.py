"""The label set's state machine, step by step and under any order of observations."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import (
    Action,
    Cancelled,
    Completed,
    Failed,
    Frozen,
    LabelSet,
    Observation,
    Phase,
    Progress,
    State,
    step,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
QUEUED = LabelSet(
    "projects/p/labelSets/s",
    NOON,
    NOON,
    "projects/p/datasets/d/versions/v",
    "d" * 64,
    "projects/p/guidelines/g",
    ("ham", "spam"),
    ConflictPolicy.HUMAN_FIRST,
)
FROZEN = Frozen("a" * 64, "b" * 64, "c" * 64, {"ham": 3, "spam": 1}, 2, 1, 0, None)

observations = st.builds(
    Observation,
    phase=st.sampled_from(Phase),
    frozen=st.just(FROZEN),
    recorded=st.booleans(),
    reason=st.just("BROKEN"),
)


def test_the_way_to_frozen_labels():
    started = step(QUEUED, Observation(Phase.ABSENT))
    assert (started.label_set.state, started.actions) == (State.RUNNING, (Action.START,))
    running = step(started.label_set, Observation(Phase.RUNNING, Progress(0.5, "half")))
    assert (running.label_set.progress.fraction, running.actions) == (0.5, ())
    recording = step(running.label_set, Observation(Phase.SUCCEEDED, frozen=FROZEN))
    assert (recording.label_set.state, recording.actions) == (State.RUNNING, (Action.RECORD,))
    done = step(recording.label_set, Observation(Phase.SUCCEEDED, frozen=FROZEN, recorded=True))
    assert (done.label_set.state, done.label_set.class_counts) == (State.SUCCEEDED, {"ham": 3, "spam": 1})
    assert done.events == (Completed("a" * 64, 4),)


def test_a_lost_job_is_started_again_and_a_failed_one_says_why():
    assert step(QUEUED, Observation(Phase.LOST)).actions == (Action.RESTART,)
    failed = step(QUEUED, Observation(Phase.FAILED, reason="NO_LABELS", message="None of them has a label."))
    assert (failed.label_set.state, failed.label_set.failure_reason) == (State.FAILED, "NO_LABELS")
    assert failed.events == (Failed("NO_LABELS"),)


def test_a_job_that_loses_its_worker_each_time_fails_with_what_it_said_last():
    label_set, starts = step(QUEUED, Observation(Phase.ABSENT)).label_set, 1
    while not label_set.state.ended:
        after = step(label_set, Observation(Phase.LOST, reason="WORKER_LOST", message="Killed."))
        starts += after.actions == (Action.RESTART,)
        label_set = after.label_set
    assert (starts, label_set.state, label_set.failure_reason) == (5, State.FAILED, "WORKER_LOST")
    assert label_set.failure_message == "The worker was lost 5 times. Killed."


def test_cancelling_stops_the_job_first():
    asked = replace(QUEUED, state=State.RUNNING, cancel_requested=True)
    stopping = step(asked, Observation(Phase.RUNNING))
    assert (stopping.label_set.state, stopping.actions) == (State.CANCELLING, (Action.STOP,))
    stopped = step(stopping.label_set, Observation(Phase.FAILED, reason="STOPPED"))
    assert (stopped.label_set.state, stopped.events) == (State.CANCELLED, (Cancelled(),))


@given(st.lists(st.tuples(observations, st.booleans()), max_size=12))
def test_it_ends_once_whatever_is_seen(seen):
    """One event at the end and none after it; nothing is recorded or succeeds after a wish to cancel."""
    label_set, told = QUEUED, []
    for observation, cancel in seen:
        label_set = replace(label_set, cancel_requested=label_set.cancel_requested or cancel)
        after = step(label_set, observation)
        assert not (label_set.state.ended and (after.actions or after.events or after.label_set != label_set))
        assert not (label_set.cancel_requested and Action.RECORD in after.actions)
        label_set, told = after.label_set, [*told, *after.events]
    assert len(told) == int(label_set.state.ended)
