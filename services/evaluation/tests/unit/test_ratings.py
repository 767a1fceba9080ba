"""People are asked about answers: which records, in which order, and what is left out."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.regress import Regress
from ratoon_evaluation.application.commands import RequestRatings
from ratoon_evaluation.application.ports import AnsweredRecord, Parts
from ratoon_evaluation.application.ratings import request_ratings
from ratoon_evaluation.domain.errors import BadEvaluation, NotEvaluated
from ratoon_evaluation.domain.gate import Outcome, Verdict
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question, Scored, State
from ratoon_evaluation.domain.scores import DomainScores, Measurements, Scores

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = "projects/p/evaluationRuns/r"
NEW, OLD, SPLIT = "a" * 64, "b" * 64, "projects/p/datasets/d/splits/s"
VERSION = "projects/p/datasets/d/versions/v1"
IDS = [f"{n:064x}" for n in range(200)]
ANSWERS = {
    "new": {each: f"new {n}" for n, each in enumerate(IDS)},
    "old": {each: f"old {n}" for n, each in enumerate(IDS)},
}


def run_of(task=None, reference=OLD, state=State.SUCCEEDED):
    question = Question(NEW, reference, (Domain("d", SPLIT),), (), (), task=task or Generate())
    scores = DomainScores(
        "d",
        "t" * 64,
        Scores(200, predictions="new"),
        Scores(200, predictions="old") if reference else None,
    )
    scored = Scored(Outcome(Measurements((scores,)), Verdict(True, ())), "", "")
    return EvaluationRun(NAME, NOW, NOW, question, state, scored=scored if state is State.SUCCEEDED else None)


class FakeRun:
    """A run, its stored answers, and what is created."""

    def __init__(self, run, answers=ANSWERS, erased=()):
        self.run, self.answers, self.erased = run, answers, erased
        self.readings, self.created, self.request_ids = [], [], []

    def open(self, split, readers, purpose):
        self.readings.append((split, tuple(readers), purpose))
        return Parts("t" * 64, "", "", VERSION)

    def answered_ids(self, digest):
        return list(self.answers[digest])

    def predicted(self, digest, record_ids):
        return {each: self.answers[digest][each] for each in record_ids}

    def records(self, part, record_ids):
        return {each: AnsweredRecord("?") for each in record_ids if each not in self.erased}

    def get(self, kind, name):
        assert (kind, name) == (EvaluationRun, NAME)
        return self.run

    def create(self, project, tasks, request_id):
        assert project == "projects/p"
        self.created += tasks
        self.request_ids.append(request_id)


COMPARE = RequestRatings(NAME, "d", JudgeKind.PAIRWISE, 60, 2, (), "engineer")


def request(fake, command=COMPARE):
    return request_ratings(command, fake, fake, fake, fake)


def test_pairs_of_a_random_sample_come_in_random_order():
    fake = FakeRun(run_of())
    requested = request(fake)
    assert (requested.tasks, requested.left_out) == (60, 0)
    first = Counter(task.origins[0] for task in fake.created)
    assert min(first[NEW], first[OLD]) > 15
    for task in fake.created:
        assert task.answers == tuple(
            f"{'new' if o == NEW else 'old'} {int(task.record_id, 16)}" for o in task.origins
        )
        assert (task.dataset_version, task.overlap, task.task) == (VERSION, 2, Generate())
    assert [task.record_id for task in fake.created] != IDS[:60]
    assert fake.readings == [(SPLIT, (NAME,), "Answers given to people to rate, by engineer")]


def test_a_repeated_call_asks_the_same_and_another_one_does_not():
    fake = FakeRun(run_of())
    request(fake)
    request(fake, replace(COMPARE, principal="another"))
    request(fake, replace(COMPARE, overlap=3))
    assert fake.created[:60] == fake.created[60:120]
    first, again, other = fake.request_ids
    assert first == again != other


def test_what_people_cannot_compare_is_left_out_and_counted():
    ids = IDS[:5]
    answers = {
        "new": dict(zip(ids, ("same", " ", "x" * 65_537, "a", "b"), strict=True)),
        "old": dict(zip(ids, ("same ", "y", "y", "y", "c"), strict=True)),
    }
    fake = FakeRun(run_of(), answers, erased={ids[3]})
    requested = request(fake)
    assert (requested.tasks, requested.left_out) == (1, 4)
    assert set(fake.created[0].answers) == {"b", "c"}


def test_documents_that_do_not_fit_the_task_are_left_out():
    answers = {"new": {IDS[0]: "{broken", IDS[1]: '{"b": 1}'}, "old": {IDS[0]: "{}", IDS[1]: "{}"}}
    fake = FakeRun(run_of(Generate(Form.JSON)), answers)
    assert request(fake).left_out == 1
    assert set(fake.created[0].answers) == {'{"b":1}', "{}"}


def test_each_answer_is_rated_alone():
    fake = FakeRun(run_of())
    command = replace(COMPARE, kind=JudgeKind.RUBRIC, max_count=0, overlap=0, scales=("tone",))
    assert request(fake, command).tasks == 200
    assert Counter(task.origins for task in fake.created) == {(NEW,): 100, (OLD,): 100}
    assert {(task.overlap, task.scales) for task in fake.created} == {(1, ("tone",))}
    alone = FakeRun(run_of(reference=""))
    assert request(alone, command).tasks == 100


@pytest.mark.parametrize(
    ("run", "change", "field"),
    [
        (run_of(), {"kind": None}, "work"),
        (run_of(), {"domain": ""}, "domain"),
        (run_of(), {"domain": "other"}, "domain"),
        (run_of(), {"max_count": 1001}, "max_record_count"),
        (run_of(), {"overlap": 21}, "overlap"),
        (run_of(reference=""), {}, "work"),
        (run_of(Regress()), {}, "name"),
    ],
)
def test_what_a_run_cannot_ask_is_refused_before_anything_is_read(run, change, field):
    fake = FakeRun(run)
    with pytest.raises(BadEvaluation) as refused:
        request(fake, replace(COMPARE, **change))
    assert refused.value.field == field
    assert fake.readings == fake.created == []


def test_a_run_without_results_asks_no_one():
    with pytest.raises(NotEvaluated):
        request(FakeRun(run_of(state=State.RUNNING)))
