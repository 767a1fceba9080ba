"""The amounts of a mixture: shares by ratio and temperature, balances of languages and labels, budgets, repetitions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon_ingestion.domain.errors import BadMixture
from ratoon_ingestion.domain.mixtures import (
    Cell,
    Component,
    LeftOut,
    Mixture,
    Strategy,
    amounts,
    cell_of,
    repetitions,
)

A, B = Component("projects/p/datasets/d/versions/v1"), Component("projects/p/datasets/d/versions/v2")


def shares(targets, key):
    total = sum(targets.values())
    return {
        name: sum(value for cell, value in targets.items() if key(cell) == name) / total
        for name in {key(cell) for cell in targets}
    }


@pytest.mark.parametrize(
    ("temperature", "share"),
    # p ∝ n^(1/T), as multilingual models sample languages (Devlin et al. 2019, T = 1/0.7; Xue et al. 2021, T = 1/0.3)
    [(1, 0.9), (2, 0.75), (1 / 0.7, 0.9**0.7 / (0.9**0.7 + 0.1**0.7)), (1e9, 0.5)],
)
def test_temperature_flattens_the_shares(temperature, share):
    mixture = Mixture((A, B), temperature=temperature)
    result = amounts(mixture, {Cell(0): 900, Cell(1): 100})
    assert shares(result.targets, lambda cell: cell.component)[0] == pytest.approx(share)
    assert result.max_budget == pytest.approx(min(900 / share, 100 / (1 - share)))


def test_weights_multiply_shares_of_temperature_and_are_those_of_a_ratio():
    heavy = Component(B.dataset_version, weight=3)
    by_size = amounts(Mixture((A, heavy)), {Cell(0): 300, Cell(1): 100})
    assert shares(by_size.targets, lambda cell: cell.component)[1] == pytest.approx(0.5)
    by_ratio = amounts(Mixture((A, heavy), Strategy.RATIO), {Cell(0): 300, Cell(1): 100})
    assert shares(by_ratio.targets, lambda cell: cell.component)[1] == pytest.approx(0.75)


def test_a_budget_beyond_the_repeats_is_refused_with_what_would_do():
    mixture = Mixture((A, B), Strategy.RATIO, budget=400)
    result = amounts(mixture, {Cell(0): 1000, Cell(1): 100})
    assert not result.targets
    assert "needs each 2.0 times, and max_repeats is 1" in result.problem
    assert "lower the budget to at most 200" in result.problem
    repeated = Mixture((A, Component(B.dataset_version, max_repeats=2)), Strategy.RATIO, budget=400)
    assert sum(amounts(repeated, {Cell(0): 1000, Cell(1): 100}).targets.values()) == pytest.approx(400)


def test_languages_and_labels_are_balanced_at_once():
    mixture = Mixture((A, B), language_shares={"zh": 1, "en": 1}, balance_labels=True)
    sizes = {
        Cell(0, "zh", "spam"): 100,
        Cell(0, "en", "spam"): 300,
        Cell(0, "en", "ham"): 500,
        Cell(1, "zh", "ham"): 50,
        Cell(1, "en", "ham"): 250,
        Cell(1, "zh", "spam"): 70,
    }
    result = amounts(mixture, sizes)
    for key, expected in (
        (lambda cell: cell.language, {"zh": 0.5, "en": 0.5}),
        (lambda cell: cell.label, {"spam": 0.5, "ham": 0.5}),
        (lambda cell: cell.component, {0: 900 / 1270, 1: 370 / 1270}),
    ):
        assert shares(result.targets, key) == pytest.approx(expected, rel=1e-4)
    assert all(result.targets[cell] <= sizes[cell] * (1 + 1e-9) for cell in sizes)


def test_balances_that_contradict_each_other_are_a_problem_in_words():
    mixture = Mixture((A, B), Strategy.RATIO, language_shares={"zh": 0.9, "en": 0.1})
    result = amounts(mixture, {Cell(0, "zh"): 100, Cell(1, "en"): 100})
    assert "contradict each other" in result.problem
    lacking = amounts(mixture, {Cell(0, "zh"): 100, Cell(1, "zh"): 100})
    assert lacking.problem == "No record of the components has the language 'en'."
    assert "Leave it out" in amounts(mixture, {Cell(0, "zh"): 100}).problem


def test_records_in_other_languages_or_without_a_label_are_left_out():
    mixture = Mixture((A,), language_shares={"zh": 1}, label_shares={"spam": 1, "ham": 2})
    assert cell_of(mixture, 0, "en", "spam") is LeftOut.OTHER_LANGUAGE
    assert cell_of(mixture, 0, "zh", "other") is LeftOut.OTHER_LABEL
    assert cell_of(mixture, 0, "zh", None) is LeftOut.OTHER_LABEL
    assert cell_of(mixture, 0, "zh", "spam") == Cell(0, "zh", "spam")
    assert cell_of(Mixture((A,)), 0, "zh", "spam") == Cell(0)


def occurrences(sizes, target):
    times, more = repetitions(iter(sizes), sum(sizes), target)
    return [times + (place < more) for place in range(len(sizes))]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.floats(0, 4))
@settings(deadline=None)
def test_repetitions_meet_the_target_to_within_half_a_record(sizes, factor):
    target = factor * sum(sizes)
    counts = occurrences(sizes, target)
    total = sum(size * count for size, count in zip(sizes, counts, strict=True))
    assert abs(total - target) <= max(sizes) / 2 + 1e-3 * sum(sizes)
    assert max(counts) - min(counts) <= 1
    assert max(counts) <= math.ceil(factor + 1e-6)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.floats(0, 4), st.floats(0, 4))
@settings(deadline=None)
def test_a_larger_budget_holds_all_of_a_smaller_one(sizes, first, second):
    low, high = sorted((first, second))
    small, large = (occurrences(sizes, factor * sum(sizes)) for factor in (low, high))
    assert all(before <= after for before, after in zip(small, large, strict=True))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"components": ()}, "1 to 100 components"),
        ({"components": (A, A)}, "named twice"),
        ({"components": (A, Component(A.dataset_version, "projects/p/sources/s"))}, "named twice"),
        ({"components": (Component(A.dataset_version, weight=-1.0),)}, "must be above 0"),
        ({"components": (Component(A.dataset_version, weight=math.nan),)}, "must be above 0"),
        ({"components": (Component(A.dataset_version, max_repeats=0.5),)}, "from 1 to 100"),
        ({"components": (Component(A.dataset_version, max_repeats=math.inf),)}, "from 1 to 100"),
        ({"components": (A,), "temperature": 0.5}, "1 or more"),
        ({"components": (A,), "temperature": math.inf}, "1 or more"),
        ({"components": (A,), "budget": -1}, "0 .* or more"),
        ({"components": (A,), "language_shares": {"zh": 0.0}}, "must be above 0"),
        ({"components": (A,), "label_shares": {"x": 1.0}, "balance_labels": True}, "not both"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence):
    with pytest.raises(BadMixture, match=sentence):
        Mixture(**settings)


def test_two_sources_of_a_version_are_two_components():
    sources = (Component(A.dataset_version, f"projects/p/sources/{name}") for name in "ab")
    assert len(Mixture(tuple(sources)).components) == 2
