"""The budget of a project, which pipeline runs of 30 days use up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute
from ratoon_flywheel.domain.errors import SettingNotSupported
from ratoon_flywheel.domain.pipelines.budget import Rates, check_rates, exhausted
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage, StageId, StageState
from ratoon_flywheel.domain.project_settings import Budget, StageCompute
from ratoon_flywheel.domain.projects import Project

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROJECT = Project("projects/p", NOW, NOW, Classify(("ham", "spam")))


def run(days_ago: float, hours: float | None = 1.0) -> PipelineRun:
    begun = NOW - timedelta(days=days_ago)
    ended = None if hours is None else begun + timedelta(hours=hours)
    return replace(PipelineRun("projects/p/pipelineRuns/r", begun, begun, PROJECT), end_time=ended)


RUNS = [run(40, 100), run(29, 2), run(10, 0.5), run(0.25, None)]
"""Of the last 30 days: three runs of 2, 0.5 and 6 hours, the last one under way."""


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (Budget(), ""),
        (Budget(4, 8.6), ""),
        (Budget(3), "the project's budget of 3 runs in 30 days is spent"),
        (Budget(max_hours=8.5), "the project's budget of 8.5 hours of runs in 30 days is spent (8.5 hours)"),
    ],
)
def test_runs_of_thirty_days_count_and_one_under_way_until_now(budget, sentence):
    assert exhausted(budget, RUNS, NOW) == sentence


def test_without_runs_no_budget_is_spent():
    assert exhausted(Budget(1, 0.1), [], NOW) == ""


def test_the_time_that_a_run_waits_for_people_does_not_count():
    waited = Stage(StageId.QUEUE, StageState.SUCCEEDED, start_time=NOW - timedelta(hours=5), end_time=NOW)
    waiting = replace(run(0.25, None), stages=(waited,))
    assert exhausted(Budget(max_hours=1.1), [waiting], NOW) == ""
    assert "(1.0 hours)" in exhausted(Budget(max_hours=1), [waiting], NOW)


TRAINED = replace(PROJECT, compute=StageCompute(training=Compute(Accelerator.CUDA, devices=2)))
RATES = Rates(
    "EUR", {Accelerator.CPU: 0.5, Accelerator.CUDA: 3.0}, {Accelerator.CPU: 100, Accelerator.CUDA: 700}
)


def staged(hours_of: dict[StageId, float]) -> PipelineRun:
    stages = tuple(
        Stage(id, StageState.SUCCEEDED, start_time=NOW - timedelta(hours=hours), end_time=NOW)
        for id, hours in hours_of.items()
    )
    return replace(run(0.5, 6), project=TRAINED, stages=stages)


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (Budget(max_cost=13.1, currency="EUR"), ""),
        (
            Budget(max_cost=13, currency="EUR"),
            "the project's budget of 13 EUR in 30 days is spent (about 13.00 EUR)",
        ),
        (Budget(max_energy_kwh=3.1), ""),
        (Budget(max_energy_kwh=3), "the project's budget of 3 kWh in 30 days is spent (about 3.00 kWh)"),
    ],
)
def test_cost_and_energy_are_device_hours_times_the_rate_of_the_operator(budget, sentence):
    """Two hours on two GPUs at 3 EUR and 700 W, two on the CPU at 0.5 EUR and 100 W; people cost nothing."""
    hours = {StageId.DATASET: 2, StageId.QUEUE: 50, StageId.TRAINING: 2, StageId.APPROVAL: 20}
    assert exhausted(budget, [staged(hours)], NOW, RATES) == sentence


@pytest.mark.parametrize(
    ("budget", "rates", "field", "setting"),
    [
        (Budget(max_cost=5, currency="USD"), RATES, "budget.currency", "RATOON_FLYWHEEL_CURRENCY"),
        (Budget(max_cost=5, currency="USD"), Rates(), "budget.currency", "RATOON_FLYWHEEL_CURRENCY"),
        (
            Budget(max_cost=5, currency="EUR"),
            Rates("EUR", {Accelerator.CPU: 1}),
            "budget.max_cost",
            "a rate of cuda: the operator sets it with RATOON_FLYWHEEL_HOURLY_COSTS",
        ),
        (Budget(max_energy_kwh=5), Rates(), "budget.max_energy_kwh", "RATOON_FLYWHEEL_WATTS"),
    ],
)
def test_a_limit_without_a_rate_is_refused(budget, rates, field, setting):
    with pytest.raises(SettingNotSupported, match=setting) as caught:
        check_rates(replace(TRAINED, budget=budget), rates)
    assert caught.value.field == field


def test_limits_with_rates_are_accepted():
    check_rates(replace(TRAINED, budget=Budget(max_cost=5, currency="EUR", max_energy_kwh=1)), RATES)
    check_rates(TRAINED, Rates())
