"""Runs one job: `python -m ratoon_flywheel.worker <job folder>`."""

import sys

from ratoon.operations.warm import main

if __name__ == "__main__":
    sys.exit(main("ratoon_flywheel.worker.profile:run", sys.argv[1:]))
