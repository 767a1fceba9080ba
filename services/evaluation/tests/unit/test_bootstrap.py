"""The paired bootstrap over groups: coverage, clusters, ranks, shares of different n-grams."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from ratoon_evaluation.worker.bootstrap import Linearised, OfSums, Spearman, drawn
from ratoon_evaluation.worker.resampling import Resampling

HOW = Resampling(resamples=2000, seed=3)


def mean_of(values, units):
    return OfSums(
        lambda sums: sums[..., 0] / sums[..., 1], np.stack([values, np.ones(len(values))], axis=1), units
    )


def interval(statistic, units):
    (draws,) = drawn(HOW, int(units.max()) + 1, [{"x": statistic}])
    return draws.intervals(HOW)["x"]


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(1).normal(5, 2, 400)
    each = np.arange(400)
    measured = interval(mean_of(values, each), each)
    reach = 1.96 * values.std() / 20
    assert measured.value == pytest.approx(values.mean())
    assert (measured.low, measured.high) == pytest.approx(
        (measured.value - reach, measured.value + reach), abs=0.03
    )


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(1.0, 60)
        (draws,) = drawn(Resampling(500, 0.95, seed), 60, [{"x": mean_of(values, np.arange(60))}])
        measured = draws.intervals(Resampling(500, 0.95, seed))["x"]
        covered += measured.low <= 1.0 <= measured.high
    assert 0.88 <= covered / 200 <= 0.99


def test_copies_of_a_record_add_no_certainty():
    values = np.random.default_rng(2).normal(0, 1, 40)
    alone = interval(mean_of(values, np.arange(40)), np.arange(40))
    copies, units = np.repeat(values, 9), np.repeat(np.arange(40), 9)
    together = interval(mean_of(copies, units), units)
    apart = interval(mean_of(copies, np.arange(360)), np.arange(360))
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert apart.high - apart.low < 0.4 * (alone.high - alone.low)


def test_differences_are_paired():
    values = np.random.default_rng(4).normal(0, 10, 100)
    units = np.arange(100)
    ours, theirs = drawn(
        HOW,
        100,
        [{"x": mean_of(values + 1, units)}, {"x": mean_of(values, units), "y": mean_of(values, units)}],
    )
    (name, measured), *others = ours.differences(theirs, HOW).items()
    assert (name, others) == ("x", [])
    assert (measured.value, measured.low, measured.high) == pytest.approx((1, 1, 1))


def test_the_correlation_of_ranks_is_scipys_in_every_draw():
    generator = np.random.default_rng(5)
    truth, predicted = generator.integers(0, 6, 30).astype(float), generator.integers(0, 6, 30).astype(float)
    statistic = Spearman(truth, predicted, np.arange(30))
    weights = generator.multinomial(30, np.ones(30) / 30, size=20).astype(float)
    for draw, value in zip(weights.astype(int), statistic(weights), strict=True):
        drawn_truth, drawn_predicted = np.repeat(truth, draw), np.repeat(predicted, draw)
        assert value == pytest.approx(spearmanr(drawn_truth, drawn_predicted).statistic)


def test_a_constant_side_has_no_correlation_and_no_interval():
    units = np.arange(5)
    (draws,) = drawn(HOW, 5, [{"x": Spearman(np.ones(5), np.arange(5.0), units)}])
    assert np.isnan(draws.values["x"])
    assert draws.intervals(HOW) == {}


def test_a_linearised_share_moves_as_its_mean_does():
    """Of a mean, leaving out one value is exact, so its interval is the bootstrap's."""
    values = np.random.default_rng(6).uniform(0.3, 0.6, 200)
    left_out = (values.sum() - values) / 199
    units = np.arange(200)
    measured = interval(Linearised(values.mean(), left_out), units)
    exact = interval(mean_of(values, units), units)
    assert (measured.low, measured.high) == pytest.approx((exact.low, exact.high), abs=1e-3)
