"""`python scoring_job.py <folder>`: run the evaluation job of `spec.json`, and write `result.json`."""

import json
import sys
from pathlib import Path

from ratoon.operations.jobs import JobFolder
from ratoon_evaluation.worker import job

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    result = job.run(json.loads((folder / "spec.json").read_text()), JobFolder(folder))
    (folder / "result.json").write_text(json.dumps(result))
