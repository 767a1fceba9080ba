"""Freezes one label set: `python -m ratoon_labeling.worker <job folder>`."""

import sys

from ratoon.operations.warm import main

if __name__ == "__main__":
    sys.exit(main("ratoon_labeling.worker.job:run", sys.argv[1:]))
