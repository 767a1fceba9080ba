"""`python -m ratoon_training.worker <job folder>`: hands a run to the driver, which owns Ray and stays warm.

This process is small and dies with its run. Asked to end (SIGTERM), it asks the run to stop and lets it end by itself.
"""

import signal
import sys
from pathlib import Path
from types import FrameType

from ratoon.chassis.warm import main

ENTRY = "ratoon_training.worker.driver:run"


def _stop_run(folder: Path) -> None:
    """On SIGTERM, wish the run to stop: it ends within a step, and this process with it."""

    def wish(_signal: int, _frame: FrameType | None) -> None:
        (folder / "stop").touch()

    signal.signal(signal.SIGTERM, wish)


if __name__ == "__main__":
    _stop_run(Path(sys.argv[1]))
    sys.exit(main(ENTRY, sys.argv[1:]))
