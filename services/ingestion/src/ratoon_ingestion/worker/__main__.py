"""`python -m ratoon_ingestion.worker <job folder>`: one curation or one split, then the end."""

import logging
import sys
from pathlib import Path

from ratoon.chassis.errors import described
from ratoon.chassis.jobs import JobFolder
from ratoon_ingestion.worker.jobs import run

_LOG = logging.getLogger("ratoon_ingestion.worker")


def main(path: Path) -> int:
    """Run the job of a folder; its result or its error stands in the folder afterwards."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    folder = JobFolder(path)
    try:
        folder.succeed(run(folder.spec(), path, folder.progress))
    except Exception as error:
        _LOG.exception("the job failed")
        told = described(error)
        folder.fail(told.reason, told.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
