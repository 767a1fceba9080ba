"""Retention of training: runs that failed or were cancelled. Runs that succeeded are evidence and stay."""

from ratoon.storage.retention import Retention
from ratoon_training.adapters.tables import RESOURCES
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return how long runs without a result are kept."""
    table, days = RESOURCES[TrainingRun], settings.failed_run_days
    return [Retention(TrainingRun, table, days, lambda run: run.state.without_result, newest=0)]
