"""The state machine of a resource that one job computes, step by step and under any order of observations."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.operations.job_machine import (
    BACKOFF,
    MAX_ATTEMPTS,
    Action,
    Cancelled,
    Failed,
    Failure,
    JobObservation,
    Phase,
    Progress,
    Transition,
    fail,
    restart_delay_s,
    step,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LOST = JobObservation[str](Phase.LOST, failure=Failure("WORKER_LOST", "Its log ends: Killed."))


class State(StrEnum):
    QUEUED = "QUEUED"
    WORKING = "WORKING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Report:
    update_time: datetime = NOW
    state: State = State.QUEUED
    progress: Progress = Progress()
    why: Failure = Failure()
    text: str = ""
    attempts: int = 0
    cancel_requested: bool = False

    def with_failure(self, failure: Failure) -> "Report":
        return replace(self, why=failure)


@dataclass(frozen=True)
class Completed:
    text: str


def written(report: Report, text: str) -> tuple[Report, Completed]:
    return replace(report, state=State.DONE, text=text), Completed(text)


def after(report: Report, observation: JobObservation[str], now: datetime = NOW) -> Transition[Report]:
    return step(report, observation, now, written, "WORKING")


QUEUED = Report()
WORKING = Report(state=State.WORKING, attempts=1)


def test_an_absent_job_is_started_and_counted_once():
    started = after(QUEUED, JobObservation(Phase.ABSENT))
    assert (started.resource, started.actions) == (WORKING, (Action.START,))
    assert after(WORKING, JobObservation(Phase.ABSENT)).resource.attempts == 1


def test_progress_of_a_running_job_is_kept():
    halfway = Progress(0.5, "half", 1, 2, "pages")
    running = after(WORKING, JobObservation(Phase.RUNNING, halfway))
    assert running == Transition(replace(WORKING, progress=halfway))
    assert after(running.resource, JobObservation(Phase.ABSENT)).resource.progress == halfway


def test_a_result_completes_the_resource():
    done = after(WORKING, JobObservation(Phase.SUCCEEDED, result="text"))
    assert (done.resource.state, done.resource.text) == (State.DONE, "text")
    assert (done.actions, done.events) == ((), (Completed("text"),))


def test_a_result_is_applied_before_it_completes_the_resource():
    applying = Progress(0.9, "Sending the report.")
    observation = JobObservation(Phase.SUCCEEDED, applying, "text", applied=False)
    moved = after(WORKING, observation)
    assert moved == Transition(replace(WORKING, progress=applying), (Action.APPLY,))
    assert after(moved.resource, replace(observation, applied=True)).resource.state is State.DONE
    cancelled = after(replace(moved.resource, cancel_requested=True), observation)
    assert (cancelled.resource.state, cancelled.actions) == (State.CANCELLED, ())


def test_an_error_fails_the_resource_with_its_reason():
    failed = after(WORKING, JobObservation(Phase.FAILED, failure=Failure("EMPTY", "No pages.")))
    assert (failed.resource.state, failed.resource.why) == (State.FAILED, Failure("EMPTY", "No pages."))
    assert failed.events == (Failed("EMPTY"),)
    assert fail(WORKING, Failure("EMPTY", "No pages.")) == failed


def test_a_success_without_a_result_fails_instead_of_starting_for_ever():
    failed = after(WORKING, JobObservation(Phase.SUCCEEDED))
    assert (failed.resource.state, failed.events) == (State.FAILED, (Failed("WORKER_FAILED"),))


def test_a_lost_job_is_restarted_after_a_delay_that_doubles():
    report, delays = WORKING, []
    while not report.state.ended:
        waiting = after(report, LOST, report.update_time)
        if waiting.wake_after is None:
            report = waiting.resource
            break
        assert (waiting.resource, waiting.actions) == (report, ())
        assert (
            after(report, LOST, report.update_time + timedelta(seconds=waiting.wake_after - 0.01)).actions
            == ()
        )
        now = report.update_time + timedelta(seconds=waiting.wake_after)
        restarted = after(report, LOST, now)
        assert restarted.actions == (Action.RESTART,)
        report, delays = replace(restarted.resource, update_time=now), [*delays, waiting.wake_after]
    assert delays == [1.0, 2.0, 4.0, 8.0]
    assert (report.state, report.attempts) == (State.FAILED, MAX_ATTEMPTS)
    assert report.why == Failure("WORKER_LOST", "The worker was lost 5 times. Its log ends: Killed.")


def test_a_job_that_worked_for_longer_than_the_delay_is_restarted_at_once():
    assert after(WORKING, LOST, NOW + timedelta(seconds=1)).actions == (Action.RESTART,)


def test_a_clock_that_was_set_back_does_not_prolong_the_delay():
    assert after(WORKING, LOST, NOW - timedelta(days=1)).actions == (Action.RESTART,)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 1), (2, 2), (6, 32), (7, BACKOFF.max_s), (9999, BACKOFF.max_s)]
)
def test_the_delay_has_a_limit(attempts, seconds):
    assert restart_delay_s(attempts, NOW, NOW) == seconds


def test_cancelling_stops_the_job_and_waits_for_its_end():
    cancelling = after(replace(WORKING, cancel_requested=True), JobObservation(Phase.RUNNING))
    assert (cancelling.resource.state, cancelling.actions) == (State.CANCELLING, (Action.STOP,))
    assert cancelling.repeat_after > 0
    ended = after(cancelling.resource, LOST)
    assert (ended.resource.state, ended.events) == (State.CANCELLED, (Cancelled(),))


observations = st.builds(
    JobObservation[str],
    phase=st.sampled_from(Phase),
    progress=st.builds(Progress, fraction=st.floats(0, 1)),
    result=st.sampled_from([None, "text"]),
    failure=st.just(Failure("REASON", "Why.")),
    applied=st.booleans(),
)


@given(st.lists(st.tuples(observations, st.booleans(), st.integers(0, 90)), max_size=30))
def test_any_history_ends_at_most_once_and_keeps_the_rules(history):
    report, events, now = QUEUED, [], NOW
    for observation, cancel, seconds in history:
        now += timedelta(seconds=seconds)
        before = replace(report, cancel_requested=report.cancel_requested or cancel)
        moved = after(before, observation, now)
        if before.state.ended:
            assert moved == Transition(before)
        if before.cancel_requested:
            assert set(moved.actions) <= {Action.STOP}
        assert before.attempts <= moved.resource.attempts <= MAX_ATTEMPTS
        changed = moved.resource != before
        report = replace(moved.resource, update_time=now) if changed else moved.resource
        events += moved.events
    assert len(events) == report.state.ended
