"""Memory of a curation, a split and a mixture by their records: peak of anonymous memory, each in a process of its own.

    python bench/duplicates/memory.py [COUNT …] [--quick] [--chars N] [--shingles N] [--stages curate,split,mix]
    python bench/duplicates/memory.py [COUNT …] --real [--stages curate,split,mix]

With `--real` a record is 30 words of a module of the Python library, in another order from the second time on, and
passes all steps. Otherwise the records are synthetic and skip the steps: a tenth repeat another word for word, a tenth
nearly. The search for duplicates, the order of the records, the tree of the version and its index are those of a
curation; the split is of that version, and the mixture holds half of it. Memory follows from the records that are held
at a time; pages of mapped files, which the system takes back when it needs them, are not counted. `--quick`: 2,000 and
20,000 records (30 s).
"""

import argparse
import json
import random
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon.ingestion.v1.mixture_pb2 import Mixture
from ratoon.jobs.v1.dataset_jobs_pb2 import MixtureSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import complete
from ratoon_ingestion.worker import curate as curation
from ratoon_ingestion.worker.batches import CURATED, REJECTED
from ratoon_ingestion.worker.mix import mix
from ratoon_ingestion.worker.split import split
from ratoon_ingestion.worker.stages import CuratedBatch
from ratoon_ingestion.worker.steps.apply import Report

BATCH = 500
SIZES, QUICK = ("10000", "60000", "300000", "1000000"), ("2000", "20000")
STAGES = ("curate", "split", "mix")
KEY = "00" * 32
WORDS = 30
JSON = dict[str, Any]


class SyntheticRecords:
    """An executor that yields synthetic curated records, whatever the batches."""

    def __init__(self, count: int, chars: int, shingles: int) -> None:
        self._count, self._chars, self._shingles = count, chars, shingles

    def curated(
        self, batches: Iterable[Any], settings: object, waits: Callable[[str], None]
    ) -> Iterator[CuratedBatch]:
        """Yield records in batches."""
        for _ in batches:
            pass
        for start in range(0, self._count, BATCH):
            numbers = np.arange(start, min(start + BATCH, self._count), dtype=np.uint64)
            nothing = pa.RecordBatch.from_pylist([], schema=REJECTED)
            reports = tuple(Report(step.name) for step in complete(()))
            records = synthetic(numbers, self._chars, self._shingles)
            yield CuratedBatch(records, nothing, reports=reports)


def synthetic(numbers: Any, chars: int, shingles: int) -> pa.RecordBatch:
    """Return records; of ten, the fourth repeats the first, and the eighth nearly the fifth."""
    last = numbers % 10
    originals = numbers - np.where((last == 3) | (last == 7), 3, 0).astype(np.uint64)
    sets = np.sort(
        mixed(originals[:, None] * np.uint64(shingles) + np.arange(shingles, dtype=np.uint64)), axis=1
    )
    first = np.where(last == 7, max(1, shingles // 40), 0)
    flat = sets[np.arange(shingles) >= first[:, None]]
    offsets = np.concatenate([[0], np.cumsum(shingles - first)]).astype(np.int32)
    contents = np.where(last == 3, originals, numbers)
    filler = {field.name: [field.name] * len(numbers) for field in CURATED if field.type == pa.string()}
    columns = {
        **filler,
        "record_id": names(numbers, 0x9E3779B97F4A7C15),
        "content_digest": names(contents, 0xD6E8FEB86659FD93),
        "text": [f"{each:08}" * (chars // 8) for each in contents.tolist()],
        "source_path": [f"part/{each}" for each in numbers],
        "tokens": [chars // 8] * len(numbers),
        "chars": [chars] * len(numbers),
        "steps": [["cleaned"]] * len(numbers),
        "received_time": [None] * len(numbers),
        "attributes": [[("number", str(each))] for each in numbers],
        "example": [None] * len(numbers),
        "simhash": mixed(originals),
        "answers": [""] * len(numbers),
    }
    arrays = {
        name: pa.array(column, CURATED.field(name).type)
        for name, column in columns.items()
        if name in CURATED.names
    }
    arrays["shingles"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
    return pa.RecordBatch.from_arrays([arrays[field.name] for field in CURATED], schema=CURATED)


def mixed(numbers: Any) -> Any:
    """Return pseudo-random numbers of 64 bits (the finalizer of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def names(numbers: Any, factor: int) -> list[str]:
    """Return 64 hexadecimal digits for each number, in no order."""
    return [f"{each * factor % 2**64:016x}{each:048x}" for each in numbers.tolist()]


def anonymous_mib() -> float:
    """Return the anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measured(run: Callable[[], JSON]) -> JSON:
    """Return what a stage returns, its seconds and the peak of its memory."""
    before, peak, done = anonymous_mib(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_mib())

    threading.Thread(target=watch, daemon=True).start()
    began = time.perf_counter()
    result = run()
    done.set()
    return {**result, "seconds": time.perf_counter() - began, "peak": peak[0], "before": before}


def curated(folder: Path, store: ArtifactStore, version: JSON, options: argparse.Namespace) -> JSON:
    """Curate records."""
    source = {"name": "s", "digest": store.put_bytes(b'{"text": "x"}\n'), "format": "JSONL"}
    if options.real:
        path = folder / "texts.jsonl"
        with path.open("w") as sink:
            sink.writelines(real_lines(options.one))
        source["digest"] = store.put_file(path)
    else:
        executor = SyntheticRecords(options.one, options.chars, options.shingles)
        vars(curation)["executor_of"] = lambda spec, store, folder: executor
        vars(curation)["_check_counted"] = lambda counts, config: None
    spec = from_json(CurationSpec, {"record_key": KEY, "sources": [source], "processes": 1})
    result = curation.curate(spec, store, folder, silent)
    return {"digest": result.artifact_digest, "index": result.index, "records": result.records}


def real_lines(count: int) -> Iterator[str]:
    """Yield records of 30 words as lines of JSON."""
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    shuffle, done, repetition = random.Random(7), 0, 0
    while True:
        for path in paths:
            words = path.read_text(encoding="utf-8", errors="replace").split()
            for start in range(0, len(words), WORDS):
                record = words[start : start + WORDS]
                if repetition:
                    shuffle.shuffle(record)
                yield json.dumps({"text": " ".join(record)}) + "\n"
                done += 1
                if done == count:
                    return
        repetition += 1


def parted(folder: Path, store: ArtifactStore, version: JSON, options: argparse.Namespace) -> JSON:
    """Split the version, then once more with that test part known."""
    request = {
        "dataset_version": version["digest"],
        "version_index": version["index"],
        "mode": "STRATIFIED",
        "threshold": 0.8,
        "ratios": {"train": 0.8, "validation": 0.1, "test": 0.1},
    }
    first = split(from_json(SplitSpec, request), store, silent)
    request |= {
        "earlier_tests": [first.parts["TEST"].digest],
        "earlier_indexes": [first.test_index],
        "seed": 1,
    }
    second = split(from_json(SplitSpec, request), store, silent)
    return {"records": sum(part.records for part in second.parts.values())}


def composed(folder: Path, store: ArtifactStore, version: JSON, options: argparse.Namespace) -> JSON:
    """Mix half of the version."""
    mixture = Mixture(
        components=[Mixture.Component(dataset_version="v")],
        strategy=Mixture.STRATEGY_RATIO,
        unit=Mixture.UNIT_RECORDS,
        budget=version["records"] // 2,
    )
    spec = MixtureSpec(
        version="m", mixture=mixture, digests=[version["digest"]], record_key=KEY, threshold=0.8
    )
    return {"records": mix(spec, store, folder, silent).records}


def silent(fraction: float, message: str, **counts: object) -> None:
    """Report nothing."""


def main() -> None:
    """Print one line a size and stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", nargs="*", help=f"numbers of records [{' '.join(SIZES)}]")
    parser.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} records")
    parser.add_argument("--chars", type=int, default=1_000, help="characters of a text [1000]")
    parser.add_argument("--shingles", type=int, default=150, help="shingles of a record [150]")
    parser.add_argument(
        "--stages", default=",".join(STAGES), help="stages, of which the first makes the version"
    )
    parser.add_argument("--real", action="store_true", help="records of 30 words, through all steps")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run = {"curate": curated, "split": parted, "mix": composed}[options.stages]
        stated = options.folder / "version.json"
        version = json.loads(stated.read_text()) if stated.exists() else {}
        store = ArtifactStore(f"{options.folder}/artifacts")
        result = measured(lambda: run(options.folder, store, version, options))
        if not version:
            stated.write_text(json.dumps(result))
        print(json.dumps(result))
        return
    print(f"{'records':>10} {'stage':<7}{'result':>10}{'s':>8}{'peak, MiB':>11}{'before':>8}", flush=True)
    for count in options.counts or (QUICK if options.quick else SIZES):
        with tempfile.TemporaryDirectory(prefix="ratoon-bench-memory-") as folder:
            for stage in options.stages.split(","):
                print(line(count, stage, folder, options), flush=True)


def line(count: str, stage: str, folder: str, options: argparse.Namespace) -> str:
    """Run a stage in a process of its own; return its line."""
    settings = ["--chars", str(options.chars), "--shingles", str(options.shingles)]
    settings += ["--real"] * options.real
    command = [sys.executable, __file__, "--one", count, "--stages", stage, "--folder", folder, *settings]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise SystemExit(f"{stage} of {count} records failed: {child.stderr[-2000:]}")
    each = json.loads(child.stdout.splitlines()[-1])
    return (
        f"{int(count):>10,} {stage:<7}{each['records']:>10,}{each['seconds']:>8.1f}{each['peak']:>11.0f}"
        f"{each['before']:>8.0f}"
    )


if __name__ == "__main__":
    main()
