"""Memory of a training worker by the size of its data: the prepared part stays in its file.

    python bench/training/memory.py [--samples 10000 100000 1000000] [--tokens 128]

For each number of samples it writes a part as training prepares it, and opens it in a process of its own: once as
workers do, once by `numpy.load`, which reads all of it. Each process plans an epoch and makes 200 batches of 16.
Printed is the memory that these took beyond an empty worker, in MiB: anonymous pages, since those of a file belong to
no process.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MEBI = 1024 * 1024
_BATCHES, _BATCH = 200, 16
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
    options.add_argument("--measure", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(Path(chosen.measure[0]), chosen.measure[1])))
        return
    print(f"{'samples':>10} {'file':>10} {'worker':>10} {'numpy.load':>10}   MiB")
    for samples in chosen.samples:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.npz"
            write(path, samples, chosen.tokens)
            row = []
            for way in ("worker", "numpy.load"):
                command = [sys.executable, __file__, "--measure", str(path), way]
                line = subprocess.run(
                    command, check=True, capture_output=True, text=True
                ).stdout.splitlines()[-1]
                row.append(json.loads(line)["mebibytes"])
            size = path.stat().st_size / _MEBI
            print(f"{samples:>10,} {size:>10.1f} {row[0]:>10.1f} {row[1]:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
