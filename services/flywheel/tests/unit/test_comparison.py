"""Two versions by what users thought of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_flywheel.domain.signals.comparison import Arm, Comparison


def test_newcombes_own_example():
    """Newcombe (1998), table II: 56/70 against 48/80 gives 0.2000 [0.0524, 0.3339] by method 10."""
    found = Comparison(Arm("a", 56, 14), Arm("b", 48, 32)).difference
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_few_votes_conclude_nothing():
    assert Comparison(Arm("a", 3, 0), Arm("b", 0, 1)).conclusive is False
    assert Comparison(Arm("a", 0, 0), Arm("b", 50, 50)).conclusive is False
    assert Comparison(Arm("a", 90, 10), Arm("b", 60, 40)).conclusive


_arms = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda votes: Arm("v", *votes))


@given(_arms, _arms)
def test_intervals_hold_their_values_and_turn_with_the_arms(a, b):
    for arm in (a, b):
        found = arm.satisfaction
        assert 0 <= found.low <= found.value + 1e-12 or not arm.votes
        assert found.low - 1e-12 <= found.value <= found.high + 1e-12
    there, back = Comparison(a, b).difference, Comparison(b, a).difference
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
