"""Memory of a curation and a split by their records: peak of anonymous memory, each size in a process of its own.

    python bench/duplicates/memory.py [COUNT …]   (default: 2000 10000 60000)

The records are synthetic and skip the steps: a tenth repeat another word for word, a tenth nearly. The search for
duplicates, the order of the records, the tree of the version and its index are those of a curation. Memory follows from
the records that are held at a time and about 100 bytes of each; pages of mapped files, which the system takes back when
it needs them, are not counted.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import complete
from ratoon_ingestion.worker import curate as curation
from ratoon_ingestion.worker.batches import CURATED, REJECTED
from ratoon_ingestion.worker.split import split
from ratoon_ingestion.worker.stages import CuratedBatch
from ratoon_ingestion.worker.steps.apply import Report

BATCH, SHINGLES, CHARS = 500, 150, 1_000
SIZES = (2_000, 10_000, 60_000)


class SyntheticRecords:
    """An executor that yields synthetic curated records, whatever the batches."""

    def __init__(self, count: int) -> None:
        self._count = count

    def curated(
        self, batches: Iterable[Any], settings: object, waits: Callable[[str], None]
    ) -> Iterator[CuratedBatch]:
        """Yield records in batches."""
        for _ in batches:
            pass
        for start in range(0, self._count, BATCH):
            numbers = np.arange(start, min(start + BATCH, self._count))
            nothing = pa.RecordBatch.from_pylist([], schema=REJECTED)
            reports = tuple(Report(step.name) for step in complete(()))
            yield CuratedBatch(synthetic(numbers), nothing, reports=reports)


def synthetic(numbers: Any) -> pa.RecordBatch:
    """Return records; of ten, the fourth repeats the first, and the eighth nearly the fifth."""
    originals = numbers - np.where(numbers % 10 == 3, 3, np.where(numbers % 10 == 7, 3, 0))
    sets = [np.sort(np.random.default_rng(int(each)).integers(0, 2**63, SHINGLES)) for each in originals]
    sets = [each[4:] if number % 10 == 7 else each for number, each in zip(numbers, sets, strict=True)]
    contents = np.where(numbers % 10 == 3, originals, numbers)
    texts = [f"{each:08}" * (CHARS // 8) for each in contents.tolist()]
    filler = {field.name: [field.name] * len(numbers) for field in CURATED if field.type == pa.string()}
    columns = {
        **filler,
        "record_id": [f"{int(each) * 0x9E3779B97F4A7C15 % 2**64:016x}{each:048x}" for each in numbers],
        "content_digest": [f"{int(each) * 0xD6E8FEB86659FD93 % 2**64:016x}{each:048x}" for each in contents],
        "text": texts,
        "source_path": [f"part/{each}" for each in numbers],
        "tokens": [CHARS // 8] * len(numbers),
        "chars": [CHARS] * len(numbers),
        "steps": [["cleaned"]] * len(numbers),
        "received_time": [None] * len(numbers),
        "attributes": [[("number", str(each))] for each in numbers],
        "example": [None] * len(numbers),
        "shingles": sets,
        "simhash": [int(each[0]) for each in sets],
        "answers": [""] * len(numbers),
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) for field in CURATED], schema=CURATED
    )


def anonymous_mib() -> float:
    """Return the anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measured(count: int) -> dict[str, float]:
    """Run a curation of this many records in this process."""
    peak, before, done = [0.0], anonymous_mib(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_mib())

    curation.executor_of = lambda spec, store: SyntheticRecords(count)  # type: ignore[assignment, return-value]
    curation._check_counted = lambda counts, config: None
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-memory-") as name:
        store = ArtifactStore(f"{name}/artifacts")
        source = {"name": "s", "digest": store.put_bytes(b'{"text": "x"}\n'), "format": "JSONL"}
        spec = from_json(CurationSpec, {"record_key": "00" * 32, "sources": [source], "processes": 1})
        threading.Thread(target=watch, daemon=True).start()
        began = time.perf_counter()
        result = curation.curate(spec, store, Path(name), lambda *_, **__: None)
        seconds, of_curation = time.perf_counter() - began, peak[0]
        peak[0] = 0
        request = {
            "dataset_version": result.artifact_digest,
            "version_index": result.index,
            "mode": "STRATIFIED",
            "threshold": 0.8,
            "ratios": {"train": 0.8, "validation": 0.1, "test": 0.1},
        }
        began = time.perf_counter()
        split(from_json(SplitSpec, request), store, lambda *_, **__: None)
        of_split = time.perf_counter() - began
    done.set()
    return {
        "records": count,
        "left": result.records,
        "seconds": seconds,
        "peak_mib": of_curation,
        "split_seconds": of_split,
        "split_peak_mib": peak[0],
        "before_mib": before,
    }


def main(*counts: str) -> None:
    """Print one line a size."""
    print(
        f"{'records':>10}{'left':>10}{'s':>8}{'peak, MiB':>11}{'split, s':>10}{'peak, MiB':>11}{'before':>9}"
    )
    for count in counts or map(str, SIZES):
        command = [sys.executable, __file__, "--one", count]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        each = json.loads(printed.splitlines()[-1])
        print(
            f"{each['records']:>10,}{each['left']:>10,}{each['seconds']:>8.1f}{each['peak_mib']:>11.0f}"
            f"{each['split_seconds']:>10.1f}{each['split_peak_mib']:>11.0f}{each['before_mib']:>9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(int(sys.argv[2]))))
    else:
        main(*sys.argv[1:])
