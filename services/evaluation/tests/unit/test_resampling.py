"""The vectorised bootstrap against resampling record by record, and its seed."""

import numpy as np
import pytest
from sklearn import metrics

from ratoon_evaluation.domain.kinds.classify import Confusion, macro_auc
from ratoon_evaluation.worker import resampling
from ratoon_evaluation.worker.resampling import Resampling

LABELS = ("ham", "spam")
HOW = Resampling(resamples=3000, seed=7)


def answers(seed, records=200, right=0.8):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, records)
    flips = random.random((2, records)) > right
    return truth, np.where(flips[0], 1 - truth, truth), np.where(flips[1], 2, truth)


def matrix(truth, predicted):
    counts = np.zeros((2, 3), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def naive(truth, statistic, resamples=1500):
    random = np.random.default_rng(3)
    draws = [statistic(random.integers(0, len(truth), len(truth))) for _ in range(resamples)]
    return np.quantile(draws, [0.025, 0.975])


def test_macro_f1_of_many_matrices_agrees_with_the_domain():
    truth, first, second = answers(1)
    both = np.stack([matrix(truth, first), matrix(truth, second)])
    for counts, value in zip(both, resampling.macro_f1(both), strict=True):
        confusion = Confusion(LABELS, tuple(map(tuple, counts.tolist())))
        assert value == pytest.approx(confusion.macro().f1)
    assert resampling.accuracy(both)[0] == pytest.approx(np.mean(truth == first))


def test_a_label_without_records_does_not_lower_the_interval():
    counts = np.array([[20, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    (interval,) = resampling.of_confusion(HOW, counts, resampling.macro_f1)
    assert (interval.value, interval.low, interval.high) == (1.0, 1.0, 1.0)
    truth, predicted = np.array([0, 0, 1]), np.array([0, 0, 1])
    assert resampling.difference(HOW, truth, predicted, predicted, 3).value == 0.0


def test_the_interval_agrees_with_resampling_record_by_record():
    truth, first, _ = answers(2)
    (interval,) = resampling.of_confusion(HOW, matrix(truth, first), resampling.macro_f1)
    low, high = naive(truth, lambda rows: resampling.macro_f1(matrix(truth[rows], first[rows])))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.012)
    assert interval.low < interval.value < interval.high


def test_the_paired_difference_agrees_with_resampling_record_by_record():
    truth, first, second = answers(4)
    interval = resampling.difference(HOW, truth, first, second, 2)

    def gain(rows):
        return resampling.macro_f1(matrix(truth[rows], first[rows])) - resampling.macro_f1(
            matrix(truth[rows], second[rows])
        )

    assert interval.value == pytest.approx(gain(np.arange(len(truth))))
    assert (interval.low, interval.high) == pytest.approx(tuple(naive(truth, gain)), abs=0.015)


def test_a_model_against_itself_differs_by_nothing():
    truth, first, _ = answers(5)
    interval = resampling.difference(HOW, truth, first, first, 2)
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_the_area_agrees_with_resampling_record_by_record():
    random = np.random.default_rng(6)
    truth = random.integers(0, 2, 150)
    score = np.round(truth * 0.4 + random.random(150), 1)
    value = macro_auc(LABELS, [LABELS[t] for t in truth], {"ham": (-score).tolist(), "spam": score.tolist()})
    interval = resampling.of_auc(HOW, value, truth, [-score, score])
    low, high = naive(truth, lambda rows: metrics.roc_auc_score(truth[rows], score[rows]), 800)
    assert interval.value == pytest.approx(metrics.roc_auc_score(truth, score))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02)


def test_the_seed_decides_every_draw():
    truth, first, second = answers(8)
    one = resampling.difference(HOW, truth, first, second, 2)
    assert resampling.difference(HOW, truth, first, second, 2) == one
    assert resampling.difference(Resampling(3000, seed=8), truth, first, second, 2) != one


def test_differences_of_several_metrics_come_from_the_same_draws():
    truth, first, second = answers(4)
    macro, accuracy = resampling.differences(
        HOW, truth, first, second, 2, resampling.macro_f1, resampling.accuracy
    )
    assert macro == resampling.difference(HOW, truth, first, second, 2)
    assert accuracy.value == pytest.approx(np.mean(truth == first) - np.mean(truth == second))
    low, high = naive(truth, lambda rows: np.mean((truth == first)[rows]) - np.mean((truth == second)[rows]))
    assert (accuracy.low, accuracy.high) == pytest.approx((low, high), abs=0.012)
