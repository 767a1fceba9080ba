"""The report of a profile: time and memory at two sizes, on texts of Python's standard library.

    python bench/profiles.py [--quick] [--json FILE]

A record is five lines of a module, its label is the package. To reach the size, the lines are repeated with a number.
Each report is computed by a process of its own on one core; time is processor time, memory the highest resident size.
The records are written before and do not count.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.dataset_jobs_pb2 import ReportSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.batches import RECORDS
from ratoon_ingestion.worker.reports.report import report_of

_SIZES, _QUICK = (100_000, 1_000_000), (5_000, 20_000)
_SHARD, _GROUP, _LINES = 50_000, 500, 5


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, ten seconds")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--tree", nargs=2, metavar=("STORE", "DIGEST"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tree:
        print(json.dumps(_measured(*arguments.tree)))
        return
    metrics = [_of_size(size) for size in (_QUICK if arguments.quick else _SIZES)]
    print(f"{'records':>10} {'seconds':>8} {'records/s':>10} {'peak MiB':>9}")
    for each in metrics:
        rate = each["records"] / each["seconds"]
        print(f"{each['records']:>10,} {each['seconds']:>8.1f} {rate:>10,.0f} {each['peak_mib']:>9,.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(metrics, indent=2))


def _of_size(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(f"{folder}/artifacts")
        digest = _written(store, Path(folder) / "tree", size)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        command = [sys.executable, __file__, "--tree", store.url, digest]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    metrics: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return metrics


def _measured(url: str, digest: str) -> dict[str, Any]:
    began = time.process_time()
    result = report_of(ReportSpec(version=digest, topics=8), ArtifactStore(url), lambda *_, **__: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"records": result.records, "seconds": time.process_time() - began, "peak_mib": peak}


def _written(store: ArtifactStore, folder: Path, size: int) -> str:
    """Write a tree of records in the order of their ids, as a curation does."""
    folder.mkdir()
    texts = list(_texts())
    ids = sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(size))
    rows = (_row(record_id, *texts[int(record_id[:12], 16) % len(texts)]) for record_id in ids)
    for shard in range(-(-size // _SHARD)):
        with pq.ParquetWriter(folder / f"records-{shard:05d}.parquet", RECORDS, compression="zstd") as file:
            left = min(_SHARD, size - shard * _SHARD)
            while left:
                block = list(islice(rows, min(left, 5_000)))
                file.write_table(pa.Table.from_pylist(block, schema=RECORDS), row_group_size=_GROUP)
                left -= len(block)
    return store.put_tree(folder)


def _texts() -> Iterator[tuple[str, str]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] in ("site-packages", "test", "dist-packages") or len(relative.parts) < 2:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for start in range(0, len(lines), _LINES):
            if text := "\n".join(lines[start : start + _LINES]).strip():
                yield text, relative.parts[0]


def _row(record_id: str, text: str, package: str) -> dict[str, Any]:
    number = int(record_id[:8], 16)
    text = f"{text}\n{number}"
    return {
        "record_id": record_id,
        "content_digest": hashlib.sha256(text.encode()).hexdigest(),
        "text": text,
        "source": "stdlib",
        "source_path": package,
        "source_label": package,
        "licence": "PSF-2.0",
        "language": "en",
        "tokens": len(text.split()),
        "chars": len(text),
        "cluster": record_id if number % 20 else f"{number % 997:064x}",
        "steps": [],
        "received_time": None,
        "attributes": [
            ("lines", str(text.count("\n"))),
            ("indent", str(number % 7)),
            ("key", record_id[:12]),
        ],
        "label_votes": [],
        "example": None,
    }


if __name__ == "__main__":
    main()
