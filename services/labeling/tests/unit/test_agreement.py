"""Krippendorff's alpha against the worked example of his 2011 paper, and what must always hold."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_labeling.domain.agreement import interval_alpha, nominal_alpha

# Four observers, twelve units; `.` was not observed.
PUBLISHED = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
UNITS = [[int(value) for value in unit if value != "."] for unit in zip(*PUBLISHED, strict=True)]

units = st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=12)


def test_the_published_example():
    assert nominal_alpha(UNITS) == pytest.approx(0.743, abs=5e-4)
    assert interval_alpha(UNITS) == pytest.approx(0.849, abs=5e-4)


def test_binary_data_of_two_observers():
    """The paper's example A: ten units, two observers, alpha 0.095."""
    first, second = "0100000010", "1110010000"
    assert nominal_alpha(list(zip(first, second, strict=True))) == pytest.approx(0.095, abs=5e-4)


def test_alpha_is_undefined_without_two_values_of_a_record_or_with_one_label_only():
    assert nominal_alpha([]) is None
    assert nominal_alpha([["ham"], ["spam"], []]) is None
    assert nominal_alpha([["ham", "ham"], ["ham", "ham"]]) is None
    assert interval_alpha([[2.0, 2.0]]) is None


@given(units)
def test_alpha_is_at_most_one_and_one_means_that_all_agree(drawn_units):
    alpha = nominal_alpha(drawn_units)
    agree = all(len(set(unit)) <= 1 for unit in drawn_units)
    assert alpha is None or alpha <= 1
    assert alpha is None or (alpha == 1) == agree


@given(units, st.randoms(use_true_random=False))
def test_neither_the_order_of_annotators_nor_of_records_matters(drawn_units, chance: random.Random):
    shuffled = [chance.sample(unit, len(unit)) for unit in chance.sample(drawn_units, len(drawn_units))]
    for alpha in (nominal_alpha, interval_alpha):
        assert (
            alpha(shuffled) == pytest.approx(alpha(drawn_units)) if alpha(drawn_units) is not None else True
        )


@given(st.lists(st.lists(st.integers(0, 1), max_size=4), max_size=10))
def test_two_labels_are_an_interval_scale_of_one_step(drawn_units):
    nominal, interval = nominal_alpha(drawn_units), interval_alpha(drawn_units)
    assert nominal == (interval if interval is None else pytest.approx(interval))
