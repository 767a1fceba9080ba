"""Whether the pipeline runs of a project used its budget."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.domain.project_settings import Budget

PERIOD = timedelta(days=30)
"""Time over which a budget counts what runs used."""
_HOUR = timedelta(hours=1)


def exhausted(budget: Budget, runs: Sequence[PipelineRun], now: datetime) -> str:
    """Return which limit the runs of the last 30 days reached, as a part of a sentence; empty if none."""
    recent = [run for run in runs if run.create_time > now - PERIOD]
    if 0 < budget.max_runs <= len(recent):
        return f"the project's budget of {budget.max_runs} runs in 30 days is spent"
    hours = sum(
        ((run.end_time or now) - run.create_time - run.waited_for_people(now)) / _HOUR for run in recent
    )
    if 0 < budget.max_hours <= hours:
        return f"the project's budget of {budget.max_hours:g} hours of runs in 30 days is spent ({hours:.1f} hours)"
    return ""
