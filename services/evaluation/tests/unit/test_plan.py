"""Plans of evaluations: time by earlier runs, memory by the weights, cost by the operator's rates."""

import pytest

from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.errors import BadEvaluation, NoMeasuredRate
from ratoon_evaluation.domain.plan import PROCESS_BYTES, Demand, Measured, Weights, plan_evaluation

EARLIER = (Measured(100, 200, 50.0, 64), Measured(400, 400, 90.0, 64))
"""10 seconds, and 0.2 for each answer."""


def test_time_is_a_fixed_part_and_one_for_each_answer():
    plan = plan_evaluation(Demand(1_000, 2), EARLIER, None, Rates())
    assert plan.answer_count == 2_000
    assert plan.fixed_seconds == pytest.approx(10.0)
    assert plan.seconds == pytest.approx(410.0)
    assert "2 earlier runs" in plan.time_basis
    assert plan.cost is None
    assert plan.memory_bytes == 0


def test_without_a_number_of_records_the_newest_run_states_it():
    assert plan_evaluation(Demand(), EARLIER, None, Rates()).answer_count == 100


def test_runs_of_one_size_say_nothing_of_the_fixed_part():
    plan = plan_evaluation(Demand(200), EARLIER[:1], None, Rates())
    assert (plan.fixed_seconds, plan.seconds) == (0.0, pytest.approx(50.0))


def test_longer_answers_take_longer_in_proportion():
    plan = plan_evaluation(Demand(100, max_answer_tokens=128), EARLIER, None, Rates())
    assert plan.seconds == pytest.approx(10.0 + 100 * 0.4)
    assert "from 64 to 128 tokens" in plan.time_basis


def test_memory_is_a_process_and_the_weights_in_the_number_format():
    stored = Weights(200_000_000, 2)
    for dtype, each in ((Dtype.FLOAT32, 4), (Dtype.BFLOAT16, 2)):
        demand = Demand(1, compute=Compute(dtype=dtype))
        plan = plan_evaluation(demand, EARLIER, stored, Rates())
        assert plan.memory_bytes == PROCESS_BYTES + each * 100_000_000


def test_cost_is_that_of_the_hours_on_the_device():
    rates = Rates({Accelerator.CPU: 3.6}, "EUR")
    plan = plan_evaluation(Demand(1_000, 2), EARLIER, None, rates)
    assert plan.cost == pytest.approx(0.41)
    assert plan.currency == "EUR"


def test_a_plan_needs_a_rate_and_a_number_of_records():
    with pytest.raises(NoMeasuredRate, match="seconds_per_answer"):
        plan_evaluation(Demand(10), (), None, Rates())
    assert plan_evaluation(Demand(10, seconds_per_answer=2.0), (), None, Rates()).seconds == 20.0
    with pytest.raises(BadEvaluation, match="record_count"):
        plan_evaluation(Demand(seconds_per_answer=2.0), (), None, Rates())
    with pytest.raises(BadEvaluation, match="model_count"):
        plan_evaluation(Demand(10, -1), (), None, Rates())
