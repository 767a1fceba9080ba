"""Generation and regression scores on values known from their papers or computed by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_evaluation.domain.generation import bleu, distinct_n, rouge_l
from ratoon_evaluation.domain.regression import mae, mse

CAT = ["the", "cat", "is", "on", "the", "mat"]


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


def test_bleu_without_a_match_is_zero():
    assert bleu([["dog"]], [[CAT]]) == 0


def test_rouge_l_of_lins_example():
    reference = ["police", "killed", "the", "gunman"]
    assert rouge_l(["police", "kill", "the", "gunman"], reference) == pytest.approx(0.75)
    assert rouge_l(["the", "gunman", "kill", "police"], reference) == pytest.approx(0.5)
    assert rouge_l([], reference) == 0


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_rouge_l_is_symmetric_and_a_share(left, right):
    assert rouge_l(left, right) == rouge_l(right, left)
    assert 0 <= rouge_l(left, right) <= 1


def test_distinct_n_counts_over_all_texts():
    assert distinct_n([CAT], 1) == pytest.approx(5 / 6)
    assert distinct_n([CAT, CAT], 2) == pytest.approx(0.5)
    assert distinct_n([["one"]], 2) == 0


def test_errors_of_numbers():
    assert mse([1, 2, 3], [1, 4, 6]) == pytest.approx(13 / 3)
    assert mae([1, 2, 3], [1, 4, 6]) == pytest.approx(5 / 3)
    with pytest.raises(ValueError, match="no value"):
        mse([], [])
