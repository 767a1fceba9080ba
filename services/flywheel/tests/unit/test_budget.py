"""The budget of a project, which pipeline runs of 30 days use up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.tasks.classify import Classify
from ratoon_flywheel.domain.pipelines.budget import exhausted
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage, StageId, StageState
from ratoon_flywheel.domain.project_settings import Budget
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
