"""Retention of evaluation: runs that failed or were cancelled. Runs that succeeded are evidence and stay."""

from ratoon.storage.retention import Retention
from ratoon_evaluation.adapters.tables import RESOURCES
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return how long runs without a result are kept."""
    table, days = RESOURCES[EvaluationRun], settings.failed_run_days
    return [Retention(EvaluationRun, table, days, lambda run: run.state.without_result, newest=0)]
