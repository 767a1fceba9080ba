"""`python -m ratoon_training.worker <job folder>`: hands a run to the driver, which owns Ray and stays warm.

This process is small and dies with its run. On SIGTERM it asks the run to stop and waits for its end.
"""

import signal
import sys
from pathlib import Path
from types import FrameType

from ratoon.operations.jobs import JobFolder
from ratoon.operations.warm import main

ENTRY = "ratoon_training.worker.driver:run"
ESTIMATE_ENTRY = "ratoon_training.worker.estimating:run"
COMPRESSION_ENTRY = "ratoon_training.worker.compression.job:run"
EXPORT_ENTRY = "ratoon_training.worker.exporting.job:run"
SMALL_ENTRIES = {
    "CLASSICAL": "ratoon_training.worker.classical_job:run",
    "NEURAL": "ratoon_training.worker.neural_job:run",
}
"""What trains small models, by method: neither needs Ray."""


def _stop_run(folder: Path) -> None:
    """On SIGTERM, request the run to stop: it ends within a step, and this process with it."""

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        (folder / "stop").touch()

    signal.signal(signal.SIGTERM, request_stop)


def _entry(folder: Path) -> str:
    """Return what runs the job."""
    spec = JobFolder(folder).spec()
    if spec.get("estimate"):
        return ESTIMATE_ENTRY
    if spec.get("compress"):
        return COMPRESSION_ENTRY
    if spec.get("export"):
        return EXPORT_ENTRY
    recipe = spec.get("recipe") or {}
    return SMALL_ENTRIES.get(str(recipe.get("method")), ENTRY)


if __name__ == "__main__":
    _stop_run(Path(sys.argv[1]))
    sys.exit(main(_entry(Path(sys.argv[1])), sys.argv[1:]))
