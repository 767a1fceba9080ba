"""Retention of training: runs and sweeps that failed or were cancelled. Those that succeeded are evidence and stay."""

from ratoon.storage.retention import Retention
from ratoon_training.adapters.tables import RESOURCES
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Sweep
from ratoon_training.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return how long runs and sweeps without a result are kept."""
    days = settings.failed_run_days
    return [
        Retention(TrainingRun, RESOURCES[TrainingRun], days, lambda run: run.state.without_result, newest=0),
        Retention(Sweep, RESOURCES[Sweep], days, lambda sweep: sweep.state.without_result, newest=0),
    ]
