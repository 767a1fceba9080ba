"""Serving plans: enough processes for a rate, from stated or measured rates, and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_serving.domain.capacity import GATEWAY_RATE, Demand, plan_capacity
from ratoon_serving.domain.errors import DemandInvalid, NoMeasuredRate


def test_ten_thousand_requests_a_second_from_measured_rates():
    plan = plan_capacity(Demand(10_000), 80.0, 64)
    assert plan.engines == 180
    assert plan.gateways == 10
    assert plan.gateway_requests_per_second == GATEWAY_RATE
    assert plan.expected_utilization == pytest.approx(10_000 / (180 * 80))
    assert "64 processes" in plan.notes[-1]


@given(st.floats(0.1, 1e6), st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0.05, 1), st.integers(0, 5))
def test_what_is_left_after_spare_processes_fail_still_answers(rate, engine, gateway, share, spare):
    plan = plan_capacity(Demand(rate, engine, gateway, share, spare), 0.0, 1)
    assert (plan.engines - spare) * engine * share >= rate * (1 - 1e-9)
    assert (plan.gateways - spare) * gateway * share >= rate * (1 - 1e-9)
    assert plan.expected_utilization <= share * (1 + 1e-9)


def test_a_stated_rate_counts_more_than_a_measured_one():
    assert plan_capacity(Demand(100, engine_requests_per_second=100), 5.0, 64).engines == 3


def test_a_rate_is_needed():
    with pytest.raises(NoMeasuredRate, match="engine_requests_per_second"):
        plan_capacity(Demand(100), 0.0, 64)


@pytest.mark.parametrize(
    ("demand", "field"),
    [
        (Demand(0), "requests_per_second"),
        (Demand(float("nan")), "requests_per_second"),
        (Demand(1, -1), "engine_requests_per_second"),
        (Demand(1, 1, 1, 1.5), "utilization"),
        (Demand(1, 1, 1, 1, -1), "spare"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(demand, field):
    with pytest.raises(DemandInvalid) as refused:
        plan_capacity(demand, 1.0, 1)
    assert refused.value.field == field
