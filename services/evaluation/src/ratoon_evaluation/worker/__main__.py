"""`python -m ratoon_evaluation.worker <job folder>`: run one evaluation job."""

import sys

from ratoon.operations import warm

if __name__ == "__main__":
    sys.exit(warm.main("ratoon_evaluation.worker.job:run", sys.argv[1:]))
