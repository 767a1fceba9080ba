"""`python -m ratoon_ingestion.worker <job directory>`: one curation or one split, then the end."""

import sys

from ratoon.operations.warm import main

if __name__ == "__main__":
    sys.exit(main("ratoon_ingestion.worker.jobs:run", sys.argv[1:]))
