"""Outcomes of a run, and the validation of questions."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from ratoon.operations.job_machine import Action, Failed, Failure, JobObservation, Phase, Transition
from ratoon.storage.ownership import digests_of
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, Verdict
from ratoon_evaluation.domain.runs import (
    Completed,
    Domain,
    EvaluationRun,
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


def after(run: EvaluationRun, observation: JobObservation[Scored]) -> Transition[EvaluationRun]:
    return step(run, observation, NOW)


def test_a_queued_run_starts_and_says_so_once():
    started = after(QUEUED, JobObservation(Phase.ABSENT))
    assert (started.resource.state, started.actions) == (State.RUNNING, (Action.START,))
    assert started.events == (Started(),)
    running = after(started.resource, JobObservation(Phase.RUNNING, Progress(0.5, "half")))
    assert (running.resource.progress.fraction, running.actions, running.events) == (0.5, (), ())
    assert after(QUEUED, JobObservation(Phase.RUNNING)).events == (Started(),)


def test_a_run_that_ends_before_it_was_observed_running_reports_only_its_end():
    for ends in (
        JobObservation(Phase.SUCCEEDED, result=SCORED),
        JobObservation(Phase.FAILED, failure=Failure("REASON", "Why.")),
    ):
        ended = after(QUEUED, ends)
        assert ended.resource.state.ended
        assert not any(isinstance(event, Started) for event in ended.events)


def test_a_refusal_is_a_success_of_the_run():
    succeeded = after(QUEUED, JobObservation(Phase.SUCCEEDED, result=SCORED))
    assert (succeeded.resource.state, succeeded.resource.scored) == (State.SUCCEEDED, SCORED)
    assert succeeded.events == (Completed(passed=False),)
    assert succeeded.resource.progress.message.startswith("Refused")


def test_a_failure_carries_its_reason():
    failed = after(QUEUED, JobObservation(Phase.FAILED, failure=Failure("UNUSABLE_PART", "empty")))
    assert (failed.resource.failure_reason, failed.resource.failure_message) == ("UNUSABLE_PART", "empty")
    assert failed.events == (Failed("UNUSABLE_PART"),)


def test_a_row_of_an_older_release_is_read_and_keeps_its_field_names():
    rows = TypeAdapter(EvaluationRun)
    running = replace(QUEUED, progress=Progress(0.5, "half", 1, 2, "records", 30.0))
    row = json.loads(rows.dump_json(running))
    assert row["progress"]["remaining_s"] == 30.0
    assert rows.validate_python(row) == running


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


def test_reports_and_stored_answers_belong_to_the_project_of_the_run():
    assert set(digests_of(SCORED)) == {SCORED.report_json, SCORED.report_html}
    marked = {
        (kind.__name__, each.name)
        for kind in (Scores, DomainScores)
        for each in fields(kind)
        if each.metadata
    }
    assert marked == {("Scores", "predictions"), ("DomainScores", "wrong")}
