"""`python -m ratoon_evaluation.worker <job folder>`: run one evaluation job, or compare a judge with people."""

import sys
from pathlib import Path

from ratoon.operations import warm
from ratoon.operations.jobs import JobFolder

ENTRY = "ratoon_evaluation.worker.job:run"
AGREEMENT_ENTRY = "ratoon_evaluation.worker.judges.agreement_job:run"
"""What compares a judge with people: it loads no library of models, whose import takes seconds."""


def _entry(folder: Path) -> str:
    """Return what runs the job."""
    return AGREEMENT_ENTRY if JobFolder(folder).spec().get("task") == "agreement" else ENTRY


if __name__ == "__main__":
    sys.exit(warm.main(_entry(Path(sys.argv[1])), sys.argv[1:]))
