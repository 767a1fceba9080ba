"""Two versions by what users thought of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.kind import Kind
from ratoon.tasks.kinds import KINDS
from ratoon.tasks.votes import Votes, count_votes
from ratoon_flywheel.domain.signals.comparison import Arm, Comparison, MetricComparison, Scores, loss_against


def arm(positive: int, negative: int) -> Arm:
    """Votes of as many callers."""
    return Arm("v", Votes(positive, negative))


def test_newcombes_own_example():
    """Newcombe (1998), table II: 56/70 against 48/80 gives 0.2000 [0.0524, 0.3339] by method 10."""
    interval = Comparison(arm(56, 14), arm(48, 32)).difference
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_few_votes_conclude_nothing():
    assert Comparison(arm(3, 0), arm(0, 1)).conclusive is False
    assert Comparison(arm(0, 0), arm(50, 50)).conclusive is False
    assert Comparison(arm(90, 10), arm(60, 40)).conclusive


def test_many_votes_of_few_callers_are_few():
    fans = Arm("a", count_votes((f"fan {number}", 100, 0) for number in range(19)))
    assert fans.callers == 19
    assert (fans.satisfaction.value, fans.satisfaction.low) == (1.0, arm(19, 0).satisfaction.low)
    assert Comparison(fans, arm(0, 100)).conclusive is False
    assert Comparison(Arm("a", count_votes([*fans.votes.rows, ("one more", 1, 0)])), arm(0, 100)).conclusive


_arms = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda votes: arm(*votes))


@given(_arms, _arms)
def test_intervals_contain_their_values_and_are_antisymmetric(a, b):
    for arm in (a, b):
        interval = arm.satisfaction
        assert 0 <= interval.low <= interval.value + 1e-12 or not arm.callers
        assert interval.low - 1e-12 <= interval.value <= interval.high + 1e-12
    forward, backward = Comparison(a, b).difference, Comparison(b, a).difference
    assert (forward.value, forward.low, forward.high) == pytest.approx(
        (-backward.value, -backward.high, -backward.low)
    )


def scores(*means: float, per_caller: int = 1) -> Scores:
    """Scores of as many callers."""
    return Scores({f"caller {number}": [mean] * per_caller for number, mean in enumerate(means)})


def test_a_lower_error_is_a_gain_and_a_caller_with_many_answers_counts_once():
    mae = KINDS[Kind.REGRESS].METRICS["mae"]
    careful = scores(*[0.4, 0.6] * 15)
    comparison = MetricComparison(mae, careful, scores(*[1.4, 1.6] * 15))
    assert comparison.gain.value == pytest.approx(1.0)
    assert comparison.gain.low > 0.9
    assert comparison.conclusive
    many = scores(*[0.4, 0.6] * 15, per_caller=50)
    assert (many.answers, many.interval) == (1500, careful.interval)
    assert MetricComparison(mae, scores(*[1.4, 1.6] * 15), careful).gain.high < 0


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    interval = scores(1.0, 2.0, 3.0, 4.0).interval
    assert (interval.value, interval.high - interval.value) == pytest.approx((2.5, 1.959964 * 1.290994 / 2))


@pytest.mark.parametrize("few", [(), (0.5,), (0.5,) * 19])
def test_few_callers_conclude_nothing_by_a_metric(few):
    rouge = KINDS[Kind.GENERATE].METRICS["rouge_l"]
    comparison = MetricComparison(rouge, scores(*few), scores(*[0.1, 0.2] * 20))
    assert comparison.conclusive is False
    assert (len(few) < 2) == (comparison.gain.low == float("-inf"))


def test_a_loss_is_shown_only_beyond_chance_and_by_enough_callers():
    mae, rouge = KINDS[Kind.REGRESS].METRICS["mae"], KINDS[Kind.GENERATE].METRICS["rouge_l"]
    bad, good = scores(*[0.8, 1.0] * 15), scores(*[0.2, 0.4] * 15)
    assert loss_against(mae, bad, 0.4, "v1.0") == (
        "By the corrections of 30 callers, MAE is 0.9 (0.864 to 0.936), worse than 0.4 of v1.0."
    )
    assert loss_against(mae, bad, 0.87, "v1.0") == "", "it may be chance"
    assert loss_against(mae, good, 0.4, "v1.0") == ""
    assert loss_against(rouge, good, 0.5, "v1.0").startswith(
        "By the corrections of 30 callers, ROUGE-L is 0.3"
    )
    assert loss_against(rouge, bad, 0.5, "v1.0") == ""
    assert loss_against(mae, scores(*[9.0, 8.0] * 9), 0.4, "v1.0") == "", "18 callers are few"
