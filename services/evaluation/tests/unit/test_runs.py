"""A run's state machine and what may be asked."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.chassis.ownership import digests_of
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, Verdict
from ratoon_evaluation.domain.runs import (
    Action,
    Cancelled,
    Completed,
    Domain,
    EvaluationRun,
    Failed,
    Observation,
    Phase,
    Progress,
    Question,
    Scored,
    Started,
    State,
    checked,
    step,
)
from ratoon_evaluation.domain.scores import DomainScores, Measurements, Scores

NOW = datetime(2026, 6, 1, tzinfo=UTC)
QUESTION = Question(
    candidate="a" * 64,
    reference="b" * 64,
    domains=(Domain("old", "projects/p/datasets/d/splits/s"),),
    labels=("ham", "spam"),
    rules=(Rule(RuleKind.BEATS_MAJORITY, "old"),),
)
QUEUED = EvaluationRun("projects/p/evaluationRuns/e", NOW, NOW, QUESTION)
SCORED = Scored(Outcome(Measurements(), Verdict(False, ())), "c" * 64, "d" * 64)


def test_a_queued_run_starts_and_says_so_once():
    after = step(QUEUED, Observation(Phase.ABSENT))
    assert (after.run.state, after.actions, after.events) == (State.RUNNING, (Action.START,), (Started(),))
    again = step(after.run, Observation(Phase.RUNNING, Progress(0.5, "half")))
    assert (again.run.progress.fraction, again.actions, again.events) == (0.5, (), ())


def test_a_lost_job_is_started_again():
    assert step(replace(QUEUED, state=State.RUNNING), Observation(Phase.LOST)).actions == (Action.RESTART,)


def test_a_job_that_loses_its_worker_each_time_fails_with_what_it_said_last():
    run, starts = step(QUEUED, Observation(Phase.ABSENT)).run, 1
    while not run.state.ended:
        after = step(run, Observation(Phase.LOST, reason="WORKER_LOST", message="Killed."))
        starts += after.actions == (Action.RESTART,)
        run = after.run
    assert (starts, run.state, run.failure_reason) == (5, State.FAILED, "WORKER_LOST")
    assert run.failure_message == "The worker was lost 5 times. Killed."


def test_a_refusal_is_a_success_of_the_run():
    after = step(QUEUED, Observation(Phase.SUCCEEDED, scored=SCORED))
    assert after.run.state is State.SUCCEEDED
    assert after.events == (Completed(passed=False),)
    assert after.run.progress.message.startswith("Refused")


def test_a_fault_is_told_with_its_reason():
    after = step(QUEUED, Observation(Phase.FAILED, reason="UNUSABLE_PART", message="empty"))
    assert (after.run.failure_reason, after.run.failure_message) == ("UNUSABLE_PART", "empty")
    assert after.events == (Failed("UNUSABLE_PART"),)


def test_a_wish_to_cancel_stops_the_job_first():
    wished = replace(QUEUED, state=State.RUNNING, cancel_requested=True)
    asked = step(wished, Observation(Phase.RUNNING))
    assert (asked.run.state, asked.actions) == (State.CANCELLING, (Action.STOP,))
    gone = step(asked.run, Observation(Phase.LOST))
    assert (gone.run.state, gone.events) == (State.CANCELLED, (Cancelled(),))


observations = st.builds(
    Observation,
    phase=st.sampled_from(Phase),
    progress=st.builds(Progress, fraction=st.floats(0, 1)),
    scored=st.sampled_from([None, SCORED]),
    reason=st.just("R"),
    message=st.just("m"),
)


@given(st.lists(st.tuples(observations, st.booleans()), max_size=30))
def test_any_history_keeps_the_rules(history):
    run, told = QUEUED, []
    for seen, cancel in history:
        before = run
        after = step(replace(run, cancel_requested=run.cancel_requested or cancel), seen)
        run = after.run
        told += after.events
        if before.state.ended:
            assert run.state is before.state
            assert not after.actions
            assert not after.events
        if run.cancel_requested and not before.state.ended:
            assert run.state in (State.CANCELLING, State.CANCELLED)
            assert set(after.actions) <= {Action.STOP}
        if run.state is State.SUCCEEDED:
            assert run.scored is not None
    ends = [event for event in told if isinstance(event, Completed | Failed | Cancelled)]
    assert len(ends) == run.state.ended
    assert sum(isinstance(event, Started) for event in told) <= 1


@given(st.booleans())
def test_every_run_ends_once_its_job_has(cancel):
    run = replace(QUEUED, cancel_requested=cancel)
    for seen in (
        Observation(Phase.ABSENT),
        Observation(Phase.RUNNING),
        Observation(Phase.FAILED, reason="R"),
    ):
        run = step(run, seen).run
    assert run.state.ended


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"candidate": "nonsense"}, "candidate_digest"),
        ({"reference": "A" * 64}, "reference_digest"),
        ({"domains": ()}, "domains"),
        ({"domains": QUESTION.domains * 2}, "domains"),
        ({"labels": ("ham",)}, "labels"),
        ({"labels": ("ham", "ham")}, "labels"),
        ({"rules": (Rule(RuleKind.BETTER, "new"),)}, "gate"),
    ],
)
def test_a_question_that_contradicts_itself_is_refused_with_its_field(change, field):
    with pytest.raises(BadEvaluation) as refused:
        checked(replace(QUESTION, **change))
    assert refused.value.field == field


def test_a_question_may_have_no_reference_and_no_gate():
    assert checked(replace(QUESTION, reference="", rules=()))


def test_reports_and_kept_answers_belong_to_the_project_of_the_run():
    assert set(digests_of(SCORED)) == {SCORED.report_json, SCORED.report_html}
    marked = {
        (kind.__name__, each.name)
        for kind in (Scores, DomainScores)
        for each in fields(kind)
        if each.metadata
    }
    assert marked == {("Scores", "predictions"), ("DomainScores", "wrong")}
