"""Memory of a training run by the size of its data: a part is prepared a few records at a time, and stays in its file.

    python bench/training/memory.py [--samples 10000 100000 1000000] [--tokens 128]
    python bench/training/memory.py --prepare PRETRAIN SFT DPO labels [--samples 10000 100000 1000000]

For each number of samples it writes a part as training prepares it, and opens it in a process of its own: once as
workers do, once by `numpy.load`, which reads all of it. Each process plans an epoch and makes 200 batches of 16.
Printed is the memory that these took beyond an empty worker, in MiB: anonymous pages, since those of a file belong to
no process.

With `--prepare`, records of some ten words are prepared in a process of their own, tokenizer included. Printed is its
highest resident memory beyond what it had before, and the seconds of its processor for a thousand records.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Array = npt.NDArray[Any]

_MEBI = 1024 * 1024
_BATCHES, _BATCH = 200, 16
_WORDS = [
    f"{first}{second}"
    for first in ("ba", "de", "fi", "lo", "nu", "so")
    for second in ("r", "st", "m", "n", "t")
]
_LABELS = ("even", "odd")
_OBJECTIVES = ("PRETRAIN", "SFT", "DPO", "labels")
_AT_ONCE = 4096


def write(path: Path, samples: int, tokens: int) -> None:
    """Write a part of texts, each of `tokens` tokens of which the last ones are the answer."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:

        def member(name: str, dtype: str, length: int, parts: Iterable[Array]) -> None:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as sink:
                header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (length,)}
                np.lib.format.write_array_header_2_0(sink, header)
                for part in parts:
                    sink.write(np.ascontiguousarray(part, dtype=dtype).tobytes())

        sizes = [min(_AT_ONCE, samples - at) for at in range(0, samples, _AT_ONCE)]
        mark = np.arange(tokens) >= tokens - 8
        member("tokens", "i4", samples * tokens, (rng.integers(3, 4000, size * tokens) for size in sizes))
        member("targets", "?", samples * tokens, (np.tile(mark, size) for size in sizes))
        member("offsets", "i8", samples + 1, [np.arange(samples + 1) * tokens])
        member("weights", "f4", samples, [np.ones(samples)])
        names = (
            np.array(
                [hashlib.sha256(f"{at + n}".encode()).hexdigest() for n in range(min(_AT_ONCE, samples - at))]
            )
            for at in range(0, samples, _AT_ONCE)
        )
        member("record_ids", "<U64", samples, names)


def measured(path: Path, way: str) -> dict[str, float]:
    """Return the memory that a part takes in this process, in MiB, after batches were made of it."""
    from ratoon_training.domain import schedule
    from ratoon_training.worker.corpus import Corpus

    before = _anonymous()
    held = dict(np.load(path)) if way == "numpy.load" else {}
    corpus = Corpus(path)
    epoch = schedule.Epoch(corpus.record_ids, corpus.lengths, 0, 0, _BATCH)
    step = max(1, len(epoch) // _BATCHES)
    batches = [corpus.batch(epoch[at]).rows for at in range(0, len(epoch), step)]
    assert sum(batches) and len(held) in (0, 5)
    return {"mebibytes": (_anonymous() - before) / _MEBI}


def write_records(path: Path, records: int, kind: str) -> None:
    """Write a part of a split with short records, in the order of their ids."""
    schema = pa.schema([(name, pa.string()) for name in ("record_id", "text", "label", "example")])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, records, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, records))
            writer.write_table(pa.Table.from_pylist([_record(at, kind) for at in numbers], schema=schema))


def _record(number: int, kind: str) -> dict[str, str | None]:
    words = [_WORDS[byte % len(_WORDS)] for byte in hashlib.sha256(f"{number}".encode()).digest()]
    text, answer, worse = (" ".join(words[begin:end]) for begin, end in ((0, 10), (10, 14), (14, 18)))
    row = {"record_id": f"{number:064d}", "text": text, "label": None, "example": None}
    if kind == "labels":
        return {**row, "label": _LABELS[number % 2]}
    if kind == "PRETRAIN":
        return row
    messages = [{"role": "user", "content": text}]
    rejected = {"rejected": worse} if kind == "DPO" else {}
    return {
        **row,
        "label": answer,
        "example": json.dumps({"messages": messages, "answers": [answer], **rejected}),
    }


def prepared(folder: Path, kind: str, records: int) -> dict[str, float]:
    """Return the memory that preparing a part takes in this process, in MiB, and the processor's seconds."""
    from ratoon.jobs.v1.training_jobs_pb2 import TrainingSpec
    from ratoon.storage.artifacts import ArtifactStore
    from ratoon.tasks.generate import Generate
    from ratoon_training.domain.recipes import Architecture, Objective, Recipe
    from ratoon_training.worker.prepare import tokenize

    shape = Architecture(vocab_size=400, hidden_size=32, layers=1, heads=1, max_positions=256)
    recipe = Recipe(labels=_LABELS, architecture=shape)
    if kind != "labels":
        recipe = Recipe(task=Generate(), objective=Objective(kind), architecture=shape, max_tokens=128)
    store = ArtifactStore(str(folder / "artifacts"))
    for name, count in (("train", records), ("validation", 100)):
        write_records(folder / f"{name}.parquet", count, kind)
    digests = [store.put_file(folder / f"{name}.parquet") for name in ("train", "validation")]
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = _resident("VmRSS"), time.process_time()
    into = folder / "prepared"
    into.mkdir()
    tokenize(TrainingSpec(train=digests[0], validation=digests[1]), store, recipe, into, lambda _: None)
    seconds = time.process_time() - begun
    return {
        "mebibytes": (_resident("VmHWM") - before) / _MEBI,
        "seconds": seconds * 1000 / records,
        "file": (into / "train.npz").stat().st_size / _MEBI,
    }


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _in_a_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    values: dict[str, float] = json.loads(lines[-1])
    return values


def _prepare_all(kinds: Sequence[str], sizes: Sequence[int]) -> None:
    print(
        f"{'objective':>10} {'records':>10} {'file, MiB':>10} {'peak, MiB':>10} {'s a 1,000':>10}", flush=True
    )
    for kind in kinds:
        for records in sizes:
            with tempfile.TemporaryDirectory() as folder:
                row = _in_a_process("--measure-prepare", folder, kind, str(records))
            size, peak, seconds = (row[name] for name in ("file", "mebibytes", "seconds"))
            print(f"{kind:>10} {records:>10,} {size:>10.1f} {peak:>10.1f} {seconds:>10.3f}", flush=True)


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def main() -> None:
    """Print a row for each number of samples."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--tokens", type=int, default=128)
    options.add_argument("--prepare", nargs="+", choices=_OBJECTIVES, metavar="OBJECTIVE")
    options.add_argument("--measure-prepare", nargs=3, help=argparse.SUPPRESS)
    options.add_argument("--measure", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(Path(chosen.measure[0]), chosen.measure[1])))
        return
    if chosen.measure_prepare:
        folder, kind, records = chosen.measure_prepare
        print(json.dumps(prepared(Path(folder), kind, int(records))))
        return
    if chosen.prepare:
        _prepare_all(chosen.prepare, chosen.samples)
        return
    print(f"{'samples':>10} {'file':>10} {'worker':>10} {'numpy.load':>10}   MiB")
    for samples in chosen.samples:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.npz"
            write(path, samples, chosen.tokens)
            row = []
            for way in ("worker", "numpy.load"):
                row.append(_in_a_process("--measure", str(path), way)["mebibytes"])
            size = path.stat().st_size / _MEBI
            print(f"{samples:>10,} {size:>10.1f} {row[0]:>10.1f} {row[1]:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
