"""The state machine of training runs: its ways, and what holds whatever is observed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.operations.job_machine import (
    MAX_ATTEMPTS,
    Action,
    Cancelled,
    Failed,
    Failure,
    JobObservation,
    Phase,
    Transition,
)
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.parallelism import Strategy
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.runs import (
    MAX_CURVE_POINTS,
    Completed,
    Observation,
    Progress,
    Started,
    State,
    Trained,
    TrainingRun,
    WorkersChanged,
    resumed,
    step,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LATER = datetime(2026, 11, 23, tzinfo=UTC)
QUEUED = TrainingRun("projects/p/trainingRuns/r", NOW, NOW, "t", "v", Recipe(labels=("ham", "spam")))
PREPARING = replace(QUEUED, state=State.PREPARING)
RUNNING = replace(QUEUED, state=State.RUNNING)
TRAINED = Trained("a" * 64, "c" * 64, 10, Diagnosis("healthy", ""), {"seconds": 1.0})
NO_PROGRESS = Progress()
FITS = ResourcePlan(1, 1, 2, admitted=True)


def observed(
    phase: Phase,
    progress: Progress = NO_PROGRESS,
    trained: Trained | None = None,
    reason: str = "",
    message: str = "",
    plan: ResourcePlan | None = None,
) -> Observation:
    """The observation of a job in this phase."""
    return Observation(JobObservation(phase, progress, trained, Failure(reason, message)), plan)


def test_a_run_is_planned_then_started():
    moved = step(QUEUED, observed(Phase.ABSENT, plan=FITS), LATER)
    assert (moved.resource.state, moved.actions, moved.resource.plan) == (
        State.PREPARING,
        (Action.START,),
        FITS,
    )


def test_a_run_that_does_not_fit_fails_with_the_plans_reason():
    refused = step(QUEUED, observed(Phase.ABSENT, plan=ResourcePlan(reason="Too big.")), NOW)
    assert (refused.resource.state, refused.resource.failure_reason) == (State.FAILED, "OUT_OF_MEMORY")
    assert refused.resource.failure_message == "Too big."
    assert refused.events == (Failed("OUT_OF_MEMORY"),)


def test_a_start_that_got_lost_is_repeated():
    assert step(PREPARING, observed(Phase.ABSENT), NOW).actions == (Action.START,)


def test_workers_that_are_lost_or_come_back_are_an_event():
    def progress(done: int, **metrics: float) -> Progress:
        return Progress(0.1, done=done, total=10, metrics=metrics)

    run = step(PREPARING, observed(Phase.RUNNING, progress(1, workers=2.0)), NOW).resource
    for done, workers, events in (
        (2, 2.0, ()),
        (3, 1.0, (WorkersChanged(1, 2),)),
        (4, 2.0, (WorkersChanged(2, 1),)),
    ):
        transition = step(run, observed(Phase.RUNNING, progress(done, workers=workers)), NOW)
        assert transition.events == events
        run = transition.resource
    silent = step(run, observed(Phase.RUNNING, progress(4)), NOW)
    assert silent.events == (), "a group that starts again has not reported yet"
    fewer = step(silent.resource, observed(Phase.RUNNING, progress(5, workers=1.0)), NOW)
    assert fewer.events == (WorkersChanged(1, 2),)


def test_a_plan_that_divides_the_weights_decides_about_the_layout():
    planned = ResourcePlan(admitted=True, strategy=Strategy.FSDP)
    run = replace(QUEUED, resources=Resources(workers=4))
    admitted = step(run, Observation(JobObservation(Phase.ABSENT), planned), NOW).resource
    assert admitted.resources.layout.is_fully_sharded


def test_the_first_step_makes_it_running_and_publishes_one_event():
    running = observed(Phase.RUNNING, Progress(0.1, done=1, total=10))
    first = step(PREPARING, running, NOW)
    assert (first.resource.state, first.events) == (State.RUNNING, (Started(),))
    assert step(first.resource, running, LATER).resource == first.resource


def reported(run, step_number, loss=1.0, total=1000):
    """The run after a report at this step."""
    progress = Progress(0.5, done=step_number, total=total, metrics={"loss": loss})
    return step(run, observed(Phase.RUNNING, progress), NOW).resource


def test_a_run_keeps_its_curve_while_it_is_under_way_evenly_thinned():
    run = RUNNING
    for number in range(1, 1001):
        run = reported(run, number, loss=1 / number)
    assert len(run.curve) == MAX_CURVE_POINTS
    assert run.curve[-1].step == 1000
    gaps = [after.step - before.step for before, after in pairwise(run.curve)]
    assert set(gaps) <= {8, 9}
    assert all(point.metrics == {"loss": 1 / point.step} for point in run.curve)
    steps = [point.step for point in run.curve]
    assert steps == sorted(set(steps))


def test_an_attempt_that_resumes_earlier_cuts_the_curve_back():
    run = reported(reported(reported(RUNNING, 10), 20), 30)
    assert [point.step for point in run.curve] == [10, 20, 30]
    assert [point.step for point in reported(run, 20, loss=0.5).curve] == [10, 20]
    assert [point.step for point in reported(run, 30).curve] == [10, 20, 30]


def test_success_carries_the_result():
    ended = step(RUNNING, observed(Phase.SUCCEEDED, trained=TRAINED), NOW)
    assert (ended.resource.state, ended.resource.trained) == (State.SUCCEEDED, TRAINED)
    assert (ended.actions, ended.events) == ((Action.CLEAN,), (Completed("a" * 64),))


def test_a_lost_worker_is_started_again_as_the_next_attempt():
    again = step(RUNNING, observed(Phase.LOST, message="Killed."), LATER)
    assert (again.resource.state, again.resource.attempt, again.actions) == (
        State.RUNNING,
        2,
        (Action.START,),
    )


def test_a_worker_that_is_lost_at_once_is_not_started_again_at_once():
    third = replace(RUNNING, attempt=3)
    waiting = step(third, observed(Phase.LOST, message="Killed."), NOW)
    assert waiting == Transition(third, wake_after=4.0)
    over = NOW + timedelta(seconds=4)
    assert step(third, observed(Phase.LOST, message="Killed."), over).resource.attempt == 4


def test_a_worker_that_is_lost_again_and_again_is_given_up():
    last = step(replace(RUNNING, attempt=MAX_ATTEMPTS), observed(Phase.LOST, message="Killed."), NOW)
    assert (last.resource.state, last.resource.failure_reason) == (State.FAILED, "WORKER_LOST")
    assert "5 times" in last.resource.failure_message


def test_a_named_error_ends_the_run_and_one_that_another_attempt_mends_does_not():
    failed = step(RUNNING, observed(Phase.FAILED, reason="LOSS_NOT_FINITE", message="NaN."), NOW)
    assert (failed.resource.state, failed.resource.failure_message) == (State.FAILED, "NaN.")
    stopped = step(RUNNING, observed(Phase.FAILED, reason="STOPPED", message="By a signal."), LATER)
    assert (stopped.resource.attempt, stopped.actions) == (2, (Action.START,))


def test_cancelling_asks_until_the_job_is_gone():
    cancelling = replace(RUNNING, cancel_requested=True)
    stopping = step(cancelling, observed(Phase.RUNNING), NOW)
    assert (stopping.resource.state, stopping.actions) == (State.CANCELLING, (Action.STOP,))
    gone = step(stopping.resource, observed(Phase.FAILED, reason="STOPPED"), NOW)
    assert (gone.resource.state, gone.events) == (State.CANCELLED, (Cancelled(),))
    assert (
        step(replace(QUEUED, cancel_requested=True), observed(Phase.ABSENT), NOW).resource.state
        is State.CANCELLED
    )


def test_a_run_that_is_to_stop_is_requested_until_its_result_comes():
    stopping = replace(RUNNING, stop_requested=True)
    finishing = step(stopping, observed(Phase.RUNNING, Progress(0.3, done=3, total=10)), NOW)
    assert (finishing.resource.state, finishing.actions) == (State.RUNNING, (Action.FINISH,))
    ended = step(finishing.resource, observed(Phase.SUCCEEDED, trained=TRAINED), NOW).resource
    assert (ended.state, ended.trained) == (State.SUCCEEDED, TRAINED)
    assert ended.progress.message.startswith("Stopped on request after 3 of 10 steps")


def test_a_run_that_fails_keeps_its_last_good_checkpoint():
    failed = step(
        RUNNING, observed(Phase.FAILED, trained=TRAINED, reason="LOSS_NOT_FINITE", message="NaN."), NOW
    )
    assert (failed.resource.state, failed.resource.trained) == (State.FAILED, TRAINED)
    assert failed.resource.diagnosis is None
    lost = step(RUNNING, observed(Phase.FAILED, trained=TRAINED, reason="STOPPED", message="Killed."), LATER)
    assert (lost.resource.state, lost.resource.trained) == (State.RUNNING, None)


def test_a_run_that_fails_without_a_model_is_diagnosed_by_its_reports():
    run = RUNNING
    for number in range(1, 21):
        run = reported(run, number, loss=1.0 + number, total=20)
    failed = step(run, observed(Phase.FAILED, reason="LOSS_NOT_FINITE", message="NaN."), NOW).resource
    assert failed.diagnosis is not None
    verdicts = [each.verdict for each in failed.diagnosis.findings]
    assert verdicts[:2] == ["loss-not-finite", "rate-too-high"]
    assert (
        step(RUNNING, observed(Phase.FAILED, reason="DATA_EMPTY", message="m"), NOW).resource.diagnosis
        is None
    )


def test_a_run_that_resumes_is_planned_again_and_may_lose_its_worker_as_often_as_before():
    failed = replace(RUNNING, attempt=5, state=State.FAILED, failure_reason="DISK_FULL", failure_message="m")
    waiting = resumed(replace(failed, cancel_requested=True, trained=TRAINED))
    assert (waiting.state, waiting.attempt, waiting.failure_reason) == (State.QUEUED, 6, "")
    assert (waiting.trained, waiting.cancel_requested) == (None, False)
    started = step(waiting, observed(Phase.ABSENT, plan=FITS), NOW)
    assert (started.resource.state, started.actions) == (State.PREPARING, (Action.START,))
    again = step(started.resource, observed(Phase.LOST, message="Killed."), LATER)
    assert (again.resource.state, again.resource.attempt) == (State.PREPARING, 7)
    last = replace(again.resource, attempt=10)
    assert step(last, observed(Phase.LOST, message="Killed."), LATER).resource.state is State.FAILED


observations = st.builds(
    observed,
    phase=st.sampled_from(Phase),
    progress=st.builds(Progress, fraction=st.floats(0, 1), done=st.integers(0, 10)),
    trained=st.sampled_from([None, TRAINED]),
    reason=st.sampled_from(["", "STOPPED", "WORKER_LOST", "LOSS_NOT_FINITE"]),
    message=st.just("m"),
    plan=st.sampled_from([None, FITS, ResourcePlan(reason="no")]),
)


@settings(max_examples=300)
@given(walk=st.lists(observations, max_size=30), cancel_at=st.integers(0, 40))
def test_whatever_is_observed_the_run_keeps_its_promises(walk, cancel_at):
    run, events = QUEUED, []
    for at, observation in enumerate(walk):
        if at == cancel_at and not run.state.ended:
            run = replace(run, cancel_requested=True)
        before = run
        moved = step(run, observation, LATER)
        run, events = moved.resource, [*events, *moved.events]
        if before.state.ended:
            assert moved.resource == before
            assert not moved.actions
        assert before.attempt <= run.attempt <= MAX_ATTEMPTS
        assert run.state is not State.SUCCEEDED or run.trained is not None
        assert run.state is not State.FAILED or (run.failure_reason and run.failure_message)
        assert not (run.cancel_requested and Action.START in moved.actions)
        assert run.state.ended == bool({Completed, Failed, Cancelled} & set(map(type, events)))
    assert sum(isinstance(event, Started) for event in events) <= 1


@given(phase=st.sampled_from([Phase.ABSENT, Phase.FAILED, Phase.LOST, Phase.SUCCEEDED]))
def test_a_cancelled_run_whose_job_is_gone_always_ends(phase):
    moved = step(replace(RUNNING, cancel_requested=True), observed(phase, trained=TRAINED), NOW)
    assert moved.resource.state is State.CANCELLED
