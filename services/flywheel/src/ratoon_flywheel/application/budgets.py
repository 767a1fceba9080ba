"""Budget of a project, held against its pipeline runs."""

from datetime import datetime

from ratoon.storage.store import Transaction
from ratoon_flywheel.application.ports import RunIndex
from ratoon_flywheel.domain.pipelines.budget import PERIOD, Rates, exhausted
from ratoon_flywheel.domain.project_settings import Budget
from ratoon_flywheel.domain.projects import Project


def spent_budget(project: Project, runs: RunIndex, rates: Rates, tx: Transaction, now: datetime) -> str:
    """Return which limit of the project's budget is reached, as a part of a sentence; empty if none."""
    if project.budget == Budget():
        return ""
    return exhausted(project.budget, runs.since(tx, project.name, now - PERIOD), now, rates)
