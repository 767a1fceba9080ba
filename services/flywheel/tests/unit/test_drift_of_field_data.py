"""D44: drift on empty, constant, small and large windows, and of a class that the training data lack."""

import random

import pytest

from ratoon_flywheel.domain.signals.drift import Baseline, Feature, Measure, baseline, measure
from ratoon_flywheel.domain.signals.features import ExchangeFeatures, features

TEXT = features("a text of some words", 0)
THRESHOLD = 1.5
"""Noise bands at which a policy acts by default."""


def window(ham: int, spam: int, other: int = 0) -> list[ExchangeFeatures]:
    answers = ["ham"] * ham + ["spam"] * spam + ["other"] * other
    random.Random(1).shuffle(answers)
    return [ExchangeFeatures(TEXT.words, TEXT.length, TEXT.language, each, None) for each in answers]


@pytest.fixture(scope="module")
def trained() -> Baseline:
    return baseline(window(600, 200), 7, (Feature.LABELS,))


def labels(base: Baseline, *counts: int) -> Measure:
    (measured,) = measure(base, window(*counts), (Feature.LABELS,))
    return measured


def test_d44_an_empty_window_is_neither_drift_nor_none(trained):
    assert measure(trained, [], (Feature.LABELS,)) == ()


def test_d44_equal_shares_do_not_drift_whatever_the_counts(trained):
    for counts in ((300, 100), (3000, 1000), (60, 20)):
        assert labels(trained, *counts).ratio < 0.5


def test_d44_a_class_that_is_new_and_a_class_that_is_gone_drift(trained):
    assert labels(trained, 300, 100, 40).ratio > THRESHOLD
    assert labels(trained, 400, 0).ratio > THRESHOLD


def test_d44_constant_data_do_not_drift_from_constant_data():
    constant = baseline(window(400, 0), 7, (Feature.LABELS,))
    assert labels(constant, 100, 0).ratio < THRESHOLD
    assert labels(constant, 50, 50).ratio > THRESHOLD


def test_d44_eight_rows_decide_nothing_and_many_rows_no_trifle(trained):
    assert labels(trained, 5, 3).ratio < THRESHOLD
    assert labels(trained, 15_000 - 20, 5_000 + 20).ratio < THRESHOLD


def test_d44_answers_that_are_missing_or_not_valid_are_a_signal_of_their_own():
    def statuses(valid: int, invalid: int) -> list[ExchangeFeatures]:
        each = ["VALID"] * valid + ["INVALID"] * invalid
        random.Random(2).shuffle(each)
        return [
            ExchangeFeatures(TEXT.words, TEXT.length, TEXT.language, "1", None, status) for status in each
        ]

    base = baseline(statuses(400, 0), 7, (Feature.ANSWER_STATUS,))
    (half,) = measure(base, statuses(100, 100), (Feature.ANSWER_STATUS,))
    (same,) = measure(base, statuses(200, 0), (Feature.ANSWER_STATUS,))
    assert half.ratio > THRESHOLD > same.ratio
