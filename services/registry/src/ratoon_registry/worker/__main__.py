"""`python -m ratoon_registry.worker <job folder>`: verify one model artifact."""

import sys

from ratoon.operations import warm

if __name__ == "__main__":
    sys.exit(warm.main("ratoon_registry.worker.job:run", sys.argv[1:]))
