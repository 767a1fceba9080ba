"""Measure the steps of curation: MB/s on one core and texts removed, for each step alone.

Usage: POLARS_MAX_THREADS=1 python bench/curation/run.py TEXTS.jsonl [STEP …]   (one {"text": …} a line)
A STEP is `NAME` or `NAME:PARAMETER=VALUE;…`; default: all that need no parameters.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ratoon.tasks.curation import STEPS, parsed_steps
from ratoon_ingestion.worker.steps.registry import function_of

BATCH = 500


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the texts of a file in batches."""
    texts = [json.loads(line)["text"] for line in path.read_text().splitlines()]
    for start in range(0, len(texts), BATCH):
        yield pa.RecordBatch.from_pydict({"text": pa.array(texts[start : start + BATCH], pa.string())})


def main(path: str, *names: str) -> None:
    """Print one line a step."""
    data = list(batches(Path(path)))
    size = sum(batch.nbytes for batch in data) / 1e6
    optional = [name for name in STEPS if all(each.default is not None for each in STEPS[name].values())]
    for step in parsed_steps(names or optional):
        function = function_of(step)
        began = time.perf_counter()
        results = [function(batch) for batch in data]
        seconds = time.perf_counter() - began
        removed = sum(
            len(each.removed) - each.removed.null_count for each in results if each.removed is not None
        )
        print(f"{step.name:20} {size / seconds:8.1f} MB/s {removed:8,} removed")


if __name__ == "__main__":
    main(*sys.argv[1:])
