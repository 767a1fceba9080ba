"""Retention of training: runs, sweeps and compressions that failed or were cancelled. Those that succeeded stay."""

from ratoon.storage.retention import Retention
from ratoon_training.adapters.tables import RESOURCES
from ratoon_training.domain.compressions import Compression
from ratoon_training.domain.model_exports import ModelExport
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Sweep
from ratoon_training.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return how long runs, sweeps and compressions without a result are kept."""
    days = settings.failed_run_days
    return [
        Retention(TrainingRun, RESOURCES[TrainingRun], days, lambda run: run.state.without_result, newest=0),
        Retention(Sweep, RESOURCES[Sweep], days, lambda sweep: sweep.state.without_result, newest=0),
        Retention(
            Compression, RESOURCES[Compression], days, lambda each: each.state.without_result, newest=0
        ),
        Retention(
            ModelExport, RESOURCES[ModelExport], days, lambda each: each.state.without_result, newest=0
        ),
    ]
