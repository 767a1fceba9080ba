"""Two versions by what users thought of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.votes import Votes, count_votes
from ratoon_flywheel.domain.signals.comparison import Arm, Comparison


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
