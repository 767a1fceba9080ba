"""Metrics of texts and numbers on values known from their papers, from other implementations, or by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.number_metrics import mae, mse, r2, rmse, spearman
from ratoon.tasks.text_metrics import (
    bleu,
    chrf,
    distinct_n,
    exact_match,
    json_field_f1,
    rouge_l,
    rouge_l_of_texts,
    token_f1,
    words,
)

CAT = ["the", "cat", "is", "on", "the", "mat"]
ANSWERS = ["The cat sat on the mat.", "Invoice overdue: please pay today", "你好 世界"]
REFERENCES = [
    ["The cat is on the mat.", "There is a cat on the mat"],
    ["Please pay the overdue invoice today", "Invoice overdue"],
    ["你好 世界 好", "你们好"],
]


def test_bleu_of_the_papers_example():
    the = ["the", "the", "the", "the", "the", "the", "the"]
    also = ["there", "is", "a", "cat", "on", "the", "mat"]
    assert bleu([the], [[CAT, also]], max_order=1) == pytest.approx(2 / 7)


def test_bleu_of_the_same_text_is_one_and_of_a_short_one_pays_for_brevity():
    assert bleu([CAT], [[CAT]]) == pytest.approx(1)
    assert bleu([CAT[:4]], [[CAT]]) == pytest.approx(math.exp(1 - 6 / 4))


def test_bleu_multiplies_the_orders():
    candidate = ["the", "cat", "the", "cat", "on", "the", "mat"]
    # unigrams 5/7 (two cats and three thes against one and two), bigrams 3/6
    assert bleu([candidate], [[CAT]], max_order=2) == pytest.approx(math.sqrt(5 / 7 * 3 / 6))


def test_bleu_of_two_references_is_sacrebleus():
    answers = ["the cat sat on the mat today", "please pay the invoice now"]
    references = [
        ["the cat is on the mat", "the cat sat on a mat today"],
        ["please pay the invoice today", "you must pay the invoice now"],
    ]
    split = [[each.split() for each in several] for several in references]
    assert 100 * bleu([each.split() for each in answers], split) == pytest.approx(78.25422900366438)


def test_bleu_without_a_match_is_zero():
    assert bleu([["dog"]], [[CAT]]) == 0


def test_chrf_is_sacrebleus():
    assert 100 * chrf(ANSWERS, REFERENCES) == pytest.approx(72.45631483577647)
    each = [100 * chrf([answer], [several]) for answer, several in zip(ANSWERS, REFERENCES, strict=True)]
    assert each == pytest.approx([67.17273492330233, 79.1516107968314, 72.57346393588602])


def test_chrf_at_its_ends():
    assert chrf(["same"], [["same"]]) == pytest.approx(1)
    assert chrf(["abc"], [["xyz"]]) == chrf([""], [["xyz"]]) == 0


def test_rouge_l_of_lins_example():
    reference = ["police", "killed", "the", "gunman"]
    assert rouge_l(["police", "kill", "the", "gunman"], reference) == pytest.approx(0.75)
    assert rouge_l(["the", "gunman", "kill", "police"], reference) == pytest.approx(0.5)
    assert rouge_l([], reference) == 0


def test_rouge_l_of_texts_is_that_of_the_rouge_score_package_and_of_the_best_reference():
    assert rouge_l_of_texts(ANSWERS[1], REFERENCES[1][:1]) == pytest.approx(0.5454545454545454)
    assert rouge_l_of_texts(ANSWERS[0], REFERENCES[0]) == pytest.approx(0.8333333333333334)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_rouge_l_is_symmetric_and_a_share(left, right):
    assert rouge_l(left, right) == rouge_l(right, left)
    assert 0 <= rouge_l(left, right) <= 1


def test_distinct_n_counts_over_all_texts():
    assert distinct_n([CAT], 1) == pytest.approx(5 / 6)
    assert distinct_n([CAT, CAT], 2) == pytest.approx(0.5)
    assert distinct_n([["one"]], 2) == 0


def test_words_of_any_script():
    assert words("Ça va? L'été_2024!") == ["ça", "va", "l", "été", "2024"]
    assert words("你好 world") == ["你", "好", "world"]


def test_exact_match_and_token_f1_leave_out_case_punctuation_and_articles():
    assert exact_match("The Eiffel Tower.", ["eiffel tower", "Paris"]) == 1
    assert exact_match("Eiffel", ["eiffel tower"]) == 0
    assert token_f1("the cat sat", ["a cat sat down", "dog"]) == pytest.approx(2 * 2 / 5)
    assert token_f1("?", ["!"]) == 1
    assert token_f1("?", ["word"]) == 0
    with pytest.raises(ValueError, match="no reference"):
        exact_match("x", [])


def test_json_fields_are_compared_by_path_and_value():
    right = '{"name": "Ann", "tags": ["a", "b"], "age": 3}'
    assert json_field_f1('{"age": 3, "tags": ["b", "a"], "name": "Ann"}', right) == 1
    assert json_field_f1('{"name": "Ann", "age": "3"}', right) == pytest.approx(2 * 1 / 6)
    assert json_field_f1("{", right) == 0
    assert json_field_f1("{}", "{}") == 1


def test_errors_of_numbers():
    assert mse([1, 2, 3], [1, 4, 6]) == pytest.approx(13 / 3)
    assert rmse([1, 2, 3], [1, 4, 6]) == pytest.approx(math.sqrt(13 / 3))
    assert mae([1, 2, 3], [1, 4, 6]) == pytest.approx(5 / 3)
    for metric in (mse, mae, rmse, r2, spearman):
        with pytest.raises(ValueError, match="no value"):
            metric([], [])
        with pytest.raises(ValueError):
            metric([1.0, 2.0], [1.0])


def test_r2_is_scikit_learns_and_spearman_is_scipys():
    truth, predicted = [1.0, 2.5, 2.5, 4.0, 5.5], [0.5, 3.0, 2.0, 2.0, 7.0]
    assert r2(truth, predicted) == pytest.approx(0.4017094017094017)
    assert spearman(truth, predicted) == pytest.approx(0.7631578947368421)
    assert spearman([1, 2, 3], [9, 5, 1]) == -1


def test_what_a_constant_side_leaves_undefined_is_none():
    assert r2([2, 2], [1, 3]) is None
    assert spearman([1, 2], [5, 5]) is None
