"""Metrics that cannot be computed: each says why, and passes no rule of a gate, for every metric of every kind."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from ratoon.tasks import generate, regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon_evaluation.domain.gate import Rule, RuleKind, judge
from ratoon_evaluation.domain.kinds import generate as generate_kind
from ratoon_evaluation.domain.scores import DomainScores, Measurements, SuiteScores, TestScores
from ratoon_evaluation.worker import scoring
from ratoon_evaluation.worker.answer_scores import Answered, AnswerScores, NumberScores, TextScores
from ratoon_evaluation.worker.measuring import Answerer, measure
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import Domain
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.suites.tests import of_documents

HOW = Resampling(resamples=400, seed=3)
JSON = Generate(Form.JSON)
OF_REFERENCES = {"rouge_l", "exact_match", "token_f1", "bleu", "chrf", "json_field_f1"}
TEXT = '{"name": "Ann", "age": 3}'
LOW, HIGH = -1e9, 1e9


def domain(scores: AnswerScores, count: int, primary: str, clusters: Sequence[str] = ()) -> DomainScores:
    """Scores of a candidate and of a reference with the same answers."""
    ids = tuple(map(str, range(count)))
    part = Part("0" * 64, ids, ids, ids, ids, ("",) * count, ({},) * count, clusters=tuple(clusters or ids))
    metric = {**generate.METRICS, **regress.METRICS}[primary]
    answerers = {"candidate": Answerer(scores), "reference": Answerer(scores), "same": Answerer(scores)}
    return measure(Domain("new", part, None), answerers, metric, HOW)


def passed(task: TaskSpec, metric: str, measured: DomainScores) -> list[tuple[RuleKind, str]]:
    """The rules on a metric that let the candidate through, and all sentences of those that do not."""
    bounds = {RuleKind.MIN_VALUE: LOW, RuleKind.MAX_VALUE: HIGH}
    rules = [Rule(kind, "new", bounds.get(kind, -HIGH), metric, "same") for kind in RuleKind]
    verdict = judge(rules, Measurements((measured,)), task)
    return [(each.rule.kind, each.sentence) for each in verdict.findings if each.passed]


def refusals(task: TaskSpec, metric: str, measured: DomainScores) -> list[str]:
    verdict = judge([Rule(RuleKind.MIN_VALUE, "new", LOW, metric)], Measurements((measured,)), task)
    return [each.sentence for each in verdict.findings]


def check(task: TaskSpec, names: Sequence[str], measured: DomainScores) -> set[str]:
    """Return the metrics without a value, after each was seen to say why and to pass no rule."""
    scores = measured.candidate
    for name in names:
        if name in scores.measured:
            interval = scores.measured[name]
            assert all(map(math.isfinite, (interval.value, interval.low, interval.high))), name
            assert interval.low <= interval.high
            assert name not in scores.unmeasured
            continue
        why = scores.unmeasured[name]
        assert why.endswith(".")
        assert passed(task, name, measured) == []
        assert f"({why[:-1]})" in refusals(task, name, measured)[0]
    return set(names) - scores.measured.keys()


def texts(
    references: Sequence[Sequence[str]],
    answers: Sequence[str],
    nll: float = 1.0,
    clusters: Sequence[str] = (),
) -> set[str]:
    """The metrics of texts that have no value."""
    count = len(answers)
    known = np.array([float(bool(each)) for each in references])
    scores = TextScores(Answered(JSON, references, answers, "13a", nll * known, known))
    return check(JSON, generate_kind.METRICS, domain(scores, count, "rouge_l", clusters))


ALL = set(generate_kind.METRICS)


def test_all_metrics_of_texts_have_a_value_where_there_is_something_to_compare():
    assert texts([(TEXT,)] * 5, [TEXT] * 5) == set()


def test_texts_without_a_reference():
    assert texts([()] * 5, [TEXT] * 5) == OF_REFERENCES | {"perplexity"}


def test_texts_of_one_record_and_of_one_group():
    assert texts([(TEXT,)], [TEXT]) == ALL
    assert texts([(TEXT,)] * 5, [TEXT] * 5, clusters=["one"] * 5) == ALL


@pytest.mark.parametrize("count", [2, 3, 9, 60])
def test_a_single_record_with_a_reference_gives_no_interval(count):
    """Each resample has its value or none, so the interval would be a point."""
    references = [(TEXT,), *[()] * (count - 1)]
    assert texts(references, [TEXT] * count) == OF_REFERENCES | {"perplexity"}


@pytest.mark.parametrize("count", [2, 9, 60])
def test_two_records_with_references_give_one(count):
    assert texts([(TEXT,), (TEXT,), *[()] * (count - 2)], [TEXT] * count) == set()


def test_answers_without_words():
    assert texts([("ja",)] * 5, [""] * 5) == {"bleu", "distinct_1", "distinct_2"}
    assert texts([("ja",)] * 5, ["ja"] * 5) == {"bleu", "distinct_2"}


@pytest.mark.parametrize("nll", [math.nan, math.inf, 1e6])
def test_a_likelihood_that_is_no_number(nll):
    assert texts([(TEXT,)] * 5, [TEXT] * 5, nll) == {"perplexity"}


def test_a_resample_beyond_all_numbers_is_not_left_out():
    """One record of many has a likelihood that no number holds once it is drawn often enough."""
    nll = np.array([3_000.0, *[1.0] * 4])
    scores = TextScores(Answered(JSON, [(TEXT,)] * 5, [TEXT] * 5, "13a", nll, np.ones(5)))
    assert check(JSON, generate_kind.METRICS, domain(scores, 5, "rouge_l")) == {"perplexity"}


NUMBERS = tuple(regress.METRICS)


def numbers(truth: Sequence[float], answers: Sequence[str], clusters: Sequence[str] = ()) -> set[str]:
    """The metrics of numbers that have no value."""
    scores = NumberScores(Regress(), np.array(truth), answers)
    return check(Regress(), NUMBERS, domain(scores, len(answers), "mae", clusters))


SPREAD = [1.0, 2.0, 3.0, 4.0, 5.0]


def test_metrics_of_numbers_have_a_value_where_both_sides_vary():
    assert numbers(SPREAD, ["1", "2", "2", "4", "5"]) == set()


@pytest.mark.parametrize("answer", ["3", "no number", "", "NaN", "1e999"])
def test_constant_predictions_have_no_correlation(answer):
    unmeasured = numbers(SPREAD, [answer] * 5)
    assert unmeasured <= {"spearman"}
    assert unmeasured or answer != "3"


def test_numbers_that_are_all_the_same():
    assert numbers([2.0] * 5, ["1", "2", "3", "4", "5"]) == {"r2", "spearman"}


def test_numbers_of_one_record_and_of_one_group():
    assert numbers([2.0], ["2"]) == set(NUMBERS)
    assert numbers(SPREAD, ["1", "2", "3", "4", "5"], ["one"] * 5) == set(NUMBERS)


def test_two_numbers_have_an_error_and_no_correlation():
    assert numbers([1.0, 2.0], ["1", "2"]) == {"r2", "spearman"}


LABELS = ("ham", "spam")
CLASSIFY = Classify(LABELS)


def labels(truth: Sequence[str], predicted: Sequence[str]) -> set[str]:
    """The metrics of labels that have no value."""
    count, ids = len(truth), tuple(map(str, range(len(truth))))
    part = Part("0" * 64, ids, ids, ids, tuple(truth), ("",) * count, ({},) * count)
    shares = np.array([[0.9, 0.1] if each == "ham" else [0.1, 0.9] for each in predicted])
    scores = scoring.answer_scores(truth, LABELS, predicted, shares, HOW)
    gains = scoring.gains(part, LABELS, predicted, predicted, HOW)
    measured = DomainScores(
        "new", "0" * 64, scores, scores, {"same": scores}, differences=gains, best_baseline="same",
        baseline_differences=gains,
    )  # fmt: skip
    return check(CLASSIFY, ("macro_f1", "accuracy", "auc"), measured)


def test_labels():
    assert labels(["ham", "spam", "ham"], ["ham", "spam", "spam"]) == set()
    assert labels(["ham", "spam", "ham"], ["ham"] * 3) == set()
    assert labels(["ham", "ham", "ham"], ["ham", "spam", "spam"]) == {"auc"}
    assert labels(["ham"], ["ham"]) == {"macro_f1", "accuracy", "auc"}


def test_a_document_whose_value_is_no_number_ends_the_mean_of_its_suite():
    documents = {"candidate": {"acc": [1.0, math.nan, 1.0], "acc_norm": [1.0, 0.0, 1.0]}}
    broken = of_documents(documents, HOW, {"candidate": ""}, 0)
    assert set(broken.candidate) == {"acc_norm"}
    assert "not a number" in broken.unmeasured["acc"]
    whole = of_documents(
        {"candidate": {"acc": [1.0, 1.0], "acc_norm": [1.0, 1.0]}}, HOW, {"candidate": ""}, 0
    )
    suite = SuiteScores("s", tests=(broken, whole))
    assert suite.mean("acc") is None
    assert suite.mean("acc_norm") is not None
    verdict = judge([Rule(RuleKind.MIN_VALUE, "", LOW, "suite:s.acc")], Measurements(suites=(suite,)), JSON)
    assert not verdict.passed
    assert "The value of a document is not a number" in verdict.sentence


def test_one_document_gives_no_interval():
    one = of_documents({"candidate": {"acc": [1.0]}}, HOW, {"candidate": ""}, 0)
    assert (dict(one.candidate), set(one.unmeasured)) == ({}, {"acc"})
    assert SuiteScores("s", tests=(one, TestScores("t"))).mean("acc") is None


def test_a_refusal_names_the_side_that_has_no_value():
    candidate = TextScores(Answered(JSON, [(TEXT,)] * 5, [TEXT] * 5, "13a"))
    silent = TextScores(Answered(JSON, [(TEXT,)] * 5, [""] * 5, "13a"))
    ids = tuple(map(str, range(5)))
    part = Part("0" * 64, ids, ids, ids, ids, ("",) * 5, ({},) * 5, clusters=ids)
    answerers = {"candidate": Answerer(candidate), "reference": Answerer(silent)}
    measured = measure(Domain("new", part, None), answerers, generate.METRICS["rouge_l"], HOW)
    verdict = judge([Rule(RuleKind.NOT_WORSE, "new", -1.0, "distinct_1")], Measurements((measured,)), JSON)
    assert not verdict.passed
    assert "No answer has 1 word" in verdict.sentence
