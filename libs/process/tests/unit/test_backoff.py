"""Delays between attempts."""

import pytest

from ratoon.process.backoff import Backoff


@pytest.mark.parametrize(("failures", "delay_s"), [(0, 0.2), (1, 0.2), (2, 0.4), (3, 0.8), (10_000, 5.0)])
def test_delays_double_up_to_the_maximum(failures, delay_s):
    assert Backoff(0.2, 5.0).delay_s(failures) == delay_s


def test_the_factor_can_be_chosen():
    assert [Backoff(1.0, 60.0, factor=10.0).delay_s(n) for n in (1, 2, 3)] == [1.0, 10.0, 60.0]


def test_equal_bounds_are_a_constant_delay():
    assert {Backoff(1.0, 1.0).delay_s(n) for n in range(1, 9)} == {1.0}


def test_jitter_shortens_a_delay_and_spreads_it():
    delays = {Backoff(8.0, 8.0, jitter=0.25).delay_s(1) for _ in range(200)}
    assert len(delays) > 100
    assert min(delays) >= 6.0
    assert max(delays) <= 8.0
