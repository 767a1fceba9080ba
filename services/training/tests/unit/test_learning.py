"""Diagnosis, the learning-rate procedure, initialisation and scores."""

import math

import pytest

from ratoon_training.domain import learning_rate
from ratoon_training.domain.diagnosis import REMEDIES, diagnose
from ratoon_training.domain.errors import ConstantWeights
from ratoon_training.domain.initialisation import refuse_constant, standard_deviation
from ratoon_training.domain.learning_rate import Trend, Trial

FALLING = [10 * 0.97**step for step in range(100)]
STABLE = [1.0] * 100


@pytest.mark.parametrize(
    ("losses", "norms", "validation", "verdict"),
    [
        (FALLING, STABLE, [5.0, 2.0, 1.99], "healthy"),
        (FALLING, STABLE, [2.0, 2.05], "healthy"),
        (FALLING, STABLE, [5.0], "healthy"),
        (FALLING, STABLE, [5.0, 2.0], "still-improving"),
        (FALLING, STABLE, [5.0, 2.0, 2.1, 1.5], "still-improving"),
        ([5.0] * 100, STABLE, [5.0, 5.0], "underfit"),
        (FALLING, STABLE, [2.0, 1.0, 1.5], "overfit"),
        ([5.0] * 100, [1e-7] * 100, [5.0], "vanishing-gradients"),
        (FALLING, [1.0] * 75 + [900.0] * 25, [5.0], "exploding-gradients"),
        ([*FALLING, math.nan], STABLE, [5.0], "loss-not-finite"),
        ([1.0 + step / 50 for step in range(100)], STABLE, [5.0], "rate-too-high"),
        (
            [*[2.0 - step / 50 for step in range(50)], *[1.0 + step / 60 for step in range(50)]],
            STABLE,
            [],
            "rate-too-high",
        ),
        ([9.0 if step // 10 % 2 else 4.0 for step in range(100)], STABLE, [5.0], "rate-too-high"),
        ([5.0 - step / 400 for step in range(100)], STABLE, [5.0], "rate-too-low"),
        ([-0.1 + step / 500 for step in range(100)], STABLE, [], "healthy"),
        (FALLING, [500.0] * 100, [5.0], "exploding-gradients"),
        ([], [], [], "underfit"),
    ],
)
def test_the_curves_say_what_is_wrong_and_what_to_do(losses, norms, validation, verdict):
    diagnosis = diagnose(losses, norms, validation)
    assert (diagnosis.verdict, diagnosis.remedy) == (verdict, REMEDIES[verdict])
    first = diagnosis.findings[0]
    assert (first.verdict, first.remedy, first.evidence) == (verdict, diagnosis.remedy, diagnosis.evidence)
    assert diagnosis.evidence or not losses or min(losses) < 0


def test_all_findings_are_listed_the_most_severe_one_first():
    several = diagnose([5.0] * 100, [500.0] * 100, [5.0, 5.0], dead_share=0.6)
    assert [each.verdict for each in several.findings] == ["exploding-gradients", "dead-units", "underfit"]
    assert "60%" in several.findings[1].evidence
    assert "500" in several.evidence
    assert diagnose(FALLING, STABLE, [5.0], dead_share=0.1).verdict == "healthy"


def test_the_rate_starts_at_a_hundredth_and_is_divided_by_ten_until_the_loss_falls_steadily():
    trace: list[Trial] = []
    tried = []
    while (rate := learning_rate.next_rate(trace)) is not None:
        losses = FALLING[:30] if rate < 0.005 else [8.0 + (3 if step % 2 else -3) for step in range(30)]
        tried.append(rate)
        trace.append(Trial(rate, tuple(losses), learning_rate.trend_of(losses)))
    assert tried == [0.01, 0.001]
    assert learning_rate.chosen(trace) == 0.001
    assert trace[0].trend is Trend.SWINGS


def test_what_the_thresholds_say():
    assert learning_rate.trend_of([1.0, math.inf]) is Trend.DIVERGES
    assert learning_rate.trend_of([1.0, 1.1, 1.2, 1.3]) is Trend.DIVERGES
    assert learning_rate.trend_of([1.0, 0.98, 0.97, 0.96]) is Trend.FALLS
    assert learning_rate.trend_of([1.0] * 6) is Trend.FLAT


def test_the_search_ends_even_when_nothing_falls():
    trace = [Trial(0.01 / 10**n, (1.0, 2.0), Trend.DIVERGES) for n in range(learning_rate.TRIALS)]
    assert learning_rate.next_rate(trace) is None


def test_he_before_relu_like_functions_and_xavier_before_the_others():
    assert standard_deviation("silu", 128, 320) == math.sqrt(2 / 128)
    assert standard_deviation("relu", 8, 8) == 0.5
    assert standard_deviation("tanh", 128, 128) == math.sqrt(2 / 256)
    assert standard_deviation("sigmoid", 100, 100) == 0.1
    assert standard_deviation("linear", 100, 100) == 0.02


def test_constant_weights_are_refused():
    with pytest.raises(ConstantWeights, match=r"model\.layer are 0\.5: its neurons would stay identical"):
        refuse_constant("model.layer", 0.5, 0.5, (4, 4))
    refuse_constant("norm", 1.0, 1.0, (4,))
    refuse_constant("model.layer", -0.5, 0.5, (4, 4))
