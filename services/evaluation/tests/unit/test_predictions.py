"""Which stored predictions an evaluation reuses."""

from dataclasses import replace
from datetime import UTC, datetime

from ratoon.tasks.generate import Generate
from ratoon_evaluation.domain.gate import Outcome, Verdict
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.predictions import stored_predictions
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question, Scored
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW, NEXT, PART = "a" * 64, "b" * 64, "c" * 64, "d" * 64
LABELS = ("ham", "spam")
NONE = Interval(0, 0, 0)


def scores(predictions: str) -> Scores:
    return Scores(0, NONE, NONE, 0, 0, None, None, (), Confusion(LABELS, ()), predictions=predictions)


def question(candidate: str, reference: str, labels: tuple[str, ...] = LABELS) -> Question:
    return Question(candidate, reference, (Domain("old", "projects/p/datasets/d/splits/s"),), labels, ())


def run(query: Question, candidate: str, reference: str) -> EvaluationRun:
    domain = DomainScores("old", PART, scores(candidate), scores(reference) if reference else None)
    scored = Scored(Outcome(Measurements((domain,)), Verdict(False, ())), "", "")
    return EvaluationRun("projects/p/evaluationRuns/e", NOW, NOW, query, scored=scored)


def test_stored_predictions_of_a_candidate_serve_a_later_reference():
    earlier = run(question(NEW, OLD), "new said", "old said")
    assert stored_predictions(question(NEXT, NEW), [earlier], str) == {(NEW, PART, ""): "new said"}
    assert stored_predictions(question(NEXT, OLD), [earlier], str) == {(OLD, PART, ""): "old said"}
    assert stored_predictions(question(NEXT, ""), [earlier], str) == {}


def test_a_model_is_known_again_by_what_it_answers_from():
    earlier = run(question(NEW, ""), "new said", "")
    registered = {NEW: "weights", NEXT: "weights"}
    assert stored_predictions(question(OLD, NEXT), [earlier], lambda model: registered.get(model, model)) == {
        (NEXT, PART, ""): "new said"
    }


def test_the_latest_counts_and_other_labels_and_runs_without_an_end_do_not():
    earlier = run(question(OLD, ""), "at first", "")
    later = run(question(OLD, ""), "then", "")
    other = run(question(OLD, "", ("spam", "ham")), "of others", "")
    assert stored_predictions(
        question(NEW, OLD), [earlier, later, other, replace(later, scored=None)], str
    ) == {(OLD, PART, ""): "then"}


def test_answers_of_other_settings_are_other_answers_and_those_of_the_base_model_are_reused():
    """T38: stored answers belong to a model and its settings."""
    query = replace(question(NEW, "", ()), task=Generate(), base=OLD)
    zero, few = (replace(scores(name), answer_settings=name) for name in ("zero", "few"))
    earlier = run(query, "new said", "")
    (domain,) = earlier.scored.outcome.measured.domains
    baselines = {"zero_shot": zero, "few_shot": few, "nearest_reference": scores("")}
    measured = Measurements((replace(domain, baselines=baselines),))
    earlier = replace(earlier, scored=Scored(Outcome(measured, Verdict(False, ())), "", ""))
    assert stored_predictions(replace(query, candidate=NEXT), [earlier], str) == {
        (OLD, PART, "zero"): "zero",
        (OLD, PART, "few"): "few",
    }
    assert stored_predictions(replace(query, task=Generate(stop=("x",))), [earlier], str) == {}
