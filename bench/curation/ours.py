"""Measure the steps of curation on texts: each alone, and the list of them as curation runs it.

    python bench/curation/ours.py TEXTS.jsonl [STEP …]

Prints JSON: for each name the CPU seconds, and for each text whether it is kept. A STEP is `NAME:PARAMETER=VALUE;…`.
"""

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from texts import read

from ratoon.tasks.curation import Step, parsed_steps
from ratoon_ingestion.worker.batches import ATTRIBUTES
from ratoon_ingestion.worker.steps.apply import reported, run_step

BATCH = 256
_COLUMNS = ("record_id", "source", "source_path", "source_label", "licence", "language", "example")


def batches(texts: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield texts as batches of records."""
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        columns = {name: pa.nulls(len(part), pa.string()) for name in _COLUMNS}
        columns["record_id"] = pa.array([str(start + row) for row in range(len(part))])
        columns |= {
            "text": pa.array(part, pa.string()),
            "steps": pa.array([[]] * len(part), pa.list_(pa.string())),
            "attributes": pa.array([[]] * len(part), ATTRIBUTES),
        }
        yield pa.RecordBatch.from_pydict(columns)


def passing(batch: pa.RecordBatch, steps: list[Step]) -> list[str]:
    """Return the ids of the records that pass all steps."""
    for step in steps:
        outcome, _ = reported(step.name, batch, partial(run_step, step))
        batch = outcome.accepted
    ids: list[str] = batch.column("record_id").to_pylist()
    return ids


def main(path: str, *names: str) -> None:
    """Measure."""
    texts = read(Path(path))
    data, steps = list(batches(texts)), list(parsed_steps(names))
    passing(data[0], steps)
    result = {}
    for name, parts in (*((step.name, [step]) for step in steps), ("all", steps)):
        began = time.process_time()
        ids = {each for batch in data for each in passing(batch, parts)}
        seconds = time.process_time() - began
        result[name] = {"seconds": seconds, "passed": [str(row) in ids for row in range(len(texts))]}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
