"""Scores of texts and numbers against the metrics of one list, scikit-learn and scipy, and what is counted apart."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from ratoon.tasks import text_metrics
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.regress import Regress
from ratoon_evaluation.worker.answer_scores import Answered, NumberScores, TextScores

ANSWERS = [
    "The cat sat on the mat today.",
    "I'm sorry, but I can't help with that.",
    "",
    "Pay the invoice now, please, or else",
]
REFERENCES = [
    ("The cat is on the mat.", "A cat sat on the mat"),
    ("The train leaves at nine.",),
    ("Nothing",),
    ("Please pay the invoice now or else",),
]


def values(scores, rows=None):
    count = len(scores.wrong)
    rows = np.arange(count) if rows is None else np.array(rows)
    statistics = scores.statistics(rows, np.arange(len(rows)))
    return {name: float(each(np.ones((1, len(rows))))[0]) for name, each in statistics.items()}


def test_texts_are_scored_by_the_metrics_of_the_library():
    scores = TextScores(Answered(Generate(), REFERENCES, ANSWERS, "13a"))
    measured = values(scores)
    pairs = list(zip(ANSWERS, REFERENCES, strict=True))
    for name, metric in (
        ("rouge_l", text_metrics.rouge_l_of_texts),
        ("exact_match", text_metrics.exact_match),
        ("token_f1", text_metrics.token_f1),
    ):
        assert measured[name] == pytest.approx(np.mean([metric(answer, each) for answer, each in pairs]))
    split = [[text_metrics.bleu_tokens(text, "13a") for text in each] for each in REFERENCES]
    answers = [text_metrics.bleu_tokens(text, "13a") for text in ANSWERS]
    assert measured["bleu"] == pytest.approx(text_metrics.bleu(answers, split))
    assert measured["chrf"] == pytest.approx(text_metrics.chrf(ANSWERS, REFERENCES))
    words = [text_metrics.words(answer) for answer in ANSWERS]
    assert measured["distinct_1"] == pytest.approx(text_metrics.distinct_n(words, 1))
    assert measured["distinct_2"] == pytest.approx(text_metrics.distinct_n(words, 2))
    assert measured["answer_length"] == np.mean([len(answer) for answer in ANSWERS])
    assert measured["refusal_rate"] == 0.25
    assert scores.unanswered == 1
    assert "perplexity" not in measured
    assert "json_validity" not in measured


def test_a_slice_is_scored_as_its_records_alone():
    scores = TextScores(Answered(Generate(), REFERENCES, ANSWERS, "13a"))
    alone = TextScores(Answered(Generate(), REFERENCES[2:], ANSWERS[2:], "13a"))
    assert values(scores, [2, 3]) == pytest.approx(values(alone))


def test_perplexity_is_over_tokens_and_not_over_records():
    nll, tokens = np.array([3.0, 40.0, 0.0, 5.0]), np.array([3.0, 10.0, 0.0, 7.0])
    scores = TextScores(Answered(Generate(), REFERENCES, ANSWERS, "13a", nll, tokens))
    assert values(scores)["perplexity"] == pytest.approx(np.exp(48 / 20))
    assert scores.of_record("perplexity") == [
        pytest.approx(np.e),
        pytest.approx(np.exp(4)),
        None,
        pytest.approx(np.exp(5 / 7)),
    ]


def test_records_without_a_reference_count_only_where_none_is_needed():
    some = TextScores(Answered(Generate(), [REFERENCES[0], (), (), ()], ANSWERS, "13a"))
    one = TextScores(Answered(Generate(), REFERENCES[:1], ANSWERS[:1], "13a"))
    for name in ("rouge_l", "exact_match", "token_f1", "bleu", "chrf"):
        assert values(some)[name] == pytest.approx(values(one)[name])
    assert values(some)["refusal_rate"] == 0.25
    none = TextScores(Answered(Generate(), [()] * 4, ANSWERS, "13a", np.zeros(4), np.zeros(4)))
    assert set(none.unmeasured) == {"rouge_l", "exact_match", "token_f1", "bleu", "chrf", "perplexity"}
    assert not set(none.unmeasured) & set(none.columns)
    assert not any(none.wrong)


def test_json_answers_are_valid_or_not_and_compared_by_their_fields():
    task = Generate(form=Form.JSON)
    answers = ['{"a": 1, "b": 2}', "no JSON", "NaN"]
    references = [('{"b":2,"a":1}',), ('{"a":1}',), ("3",)]
    scores = TextScores(Answered(task, references, answers, "13a"))
    measured = values(scores)
    assert measured["json_validity"] == pytest.approx(1 / 3)
    assert measured["json_field_f1"] == pytest.approx(1 / 3)
    assert scores.unanswered == 2
    assert scores.wrong == [False, True, True]


def test_json_answers_fit_the_schema_of_the_task():
    task = Generate(Form.JSON, '{"required": ["a"], "properties": {"a": {"type": "integer"}}}')
    answers = ['{"a": 1}', '{"b": 1}', '{"a": "1"}', "no JSON"]
    scores = TextScores(Answered(task, [('{"a": 1}',)] * 4, answers, "13a"))
    assert values(scores)["json_validity"] == 0.25
    assert (scores.unanswered, scores.wrong) == (3, [False, True, True, True])


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [("Paris \n", "Paris"), ("\n\n42", "42"), ("\u22123", "-3")],
)
def test_white_space_and_the_minus_sign_do_not_make_an_answer_wrong(predicted, gold):
    scores = TextScores(Answered(Generate(), [(gold,), ("x",)], [predicted, "x"], "13a"))
    assert scores.of_record("exact_match") == [1, 1]


TRUTH = np.array([1.0, 2.5, 2.5, 4.0, 5.5])


def test_numbers_are_scored_as_scikit_learn_and_scipy_do():
    answers = ["0.5", "3", "2", "2.00", "7 "]
    scores = NumberScores(Regress(), TRUTH, answers)
    numbers = [float(answer) for answer in answers]
    measured = values(scores)
    assert measured["mae"] == pytest.approx(mean_absolute_error(TRUTH, numbers))
    assert measured["mse"] == pytest.approx(mean_squared_error(TRUTH, numbers))
    assert measured["rmse"] == pytest.approx(np.sqrt(mean_squared_error(TRUTH, numbers)))
    assert measured["r2"] == pytest.approx(r2_score(TRUTH, numbers))
    assert measured["spearman"] == pytest.approx(spearmanr(TRUTH, numbers).statistic)
    assert (scores.unanswered, scores.unmeasured) == (0, {})


def test_an_answer_that_is_no_number_counts_as_the_worst_of_the_range():
    scores = NumberScores(Regress(min=0, max=10), TRUTH, ["one", "", "2.5", "1,5", "11"])
    assert scores.unanswered == 4
    assert scores.of_record("mae") == [9, 7.5, 0, 6, 5.5]
    assert scores.wrong == [True, True, False, True, True]


def test_without_a_range_the_worst_is_that_of_the_right_numbers():
    scores = NumberScores(Regress(), TRUTH, ["?"] * 5)
    assert scores.of_record("mae") == [4.5, 3, 3, 3, 4.5]
    same = NumberScores(Regress(), np.array([2.0, 2.0]), ["?", "2"])
    assert same.of_record("mae") == [2, 0]


def test_metrics_without_a_value_say_why():
    same = NumberScores(Regress(), np.array([2.0, 2.0, 2.0]), ["1", "2", "3"])
    assert set(same.unmeasured) == {"r2", "spearman"}
    assert np.isnan(values(same)["r2"])
    constant = NumberScores(Regress(), TRUTH, ["3"] * 5)
    assert set(constant.unmeasured) == {"spearman"}
