"""Scaling: the number of processes stays within bounds, changes with delays, and goes to zero and back."""

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from ratoon_serving.domain.errors import BoundsInvalid
from ratoon_serving.domain.scaling import Bounds, Load, Policy, scale, woken

LONG = 10_000.0
loads = st.builds(
    Load,
    st.floats(0, 1e4),
    st.none() | st.integers(0, 10_000),
    st.none() | st.floats(0, 1),
    st.floats(0, 1e5),
)
bounds = st.tuples(st.integers(0, 8), st.integers(1, 8)).map(lambda pair: Bounds(min(pair), max(pair)))


@given(loads, bounds, st.integers(1, 8), st.floats(0, 1e6))
def test_it_stays_within_its_bounds(load, bounds, current, waited):
    current = min(bounds.max_replicas, max(bounds.min_replicas, current))
    desired = scale(load, bounds, current, waited)
    assert bounds.min_replicas <= desired <= bounds.max_replicas
    assert desired <= 2 * current


@mark.parametrize(
    ("load", "waited", "desired"),
    [
        (Load(waiting=40), LONG, 4),
        (Load(waiting=40), 5.0, 2),
        (Load(waiting=9), LONG, 3),
        (Load(waiting=8), LONG, 2),
        (Load(waiting=0, cache_used=1.0), LONG, 3),
        (Load(waiting=0, cache_used=0.1), LONG, 1),
        (Load(waiting=0, cache_used=0.1), 100.0, 2),
        (Load(), LONG, 2),
    ],
)
def test_two_processes_become_more_at_once_and_fewer_after_a_while(load, waited, desired):
    assert scale(load, Bounds(1, 8), 2, waited) == desired


def test_requests_a_second_count_where_the_policy_sets_their_number_per_replica():
    rules = Policy(requests_per_s=10.0)
    assert scale(Load(requests_per_s=45.0), Bounds(1, 8), 3, LONG, rules) == 5
    assert scale(Load(requests_per_s=30.0), Bounds(1, 8), 3, LONG, rules) == 3


def test_zero_processes_need_permission_and_a_long_time_without_requests():
    quiet, idle = Load(waiting=0, idle_s=599.0), Load(waiting=0, idle_s=600.0)
    assert scale(quiet, Bounds(0, 4), 1, LONG) == 1
    assert scale(idle, Bounds(0, 4), 1, LONG) == 0
    assert scale(idle, Bounds(1, 4), 1, LONG) == 1
    assert scale(quiet, Bounds(0, 4), 0, LONG) == 0  # Only a request wakes it.
    assert woken(Bounds(0, 4)) == 1


def test_equal_bounds_are_a_number():
    assert scale(Load(waiting=1000), Bounds(2, 2), 1, 0.0) == 2


@mark.parametrize("pair", [(-1, 1), (2, 1), (0, 0), (1, 65)])
def test_bounds_that_make_no_sense_are_refused(pair):
    with raises(BoundsInvalid):
        Bounds(*pair)
