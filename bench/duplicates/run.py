"""Near duplicates: signatures from texts beside rensa and datasketch, and look-ups in an index of many old records.

    python bench/duplicates/run.py [--quick] [--old N] [--json FILE]

Signatures: text chunks of the Python library, and near duplicates of them with replaced words. All three compute 5-word
shingles and 128 permutations; recall is the share of pairs of a Jaccard similarity of 0.8 or more that have
a band in common. The peers build shingles as Python strings. Index: `--old` records with random signatures in one
segment, nine versions of 1,000 records after it, and the time of the tenth. `--quick`: 100,000 old records and 2,000
texts. By default 10,000,000 old records take 3.6 GB of disk in the temporary directory.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rensa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environments import environment
from python_shingles import shingles

from ratoon.storage.artifacts import ArtifactStore, file_digest
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD
from ratoon_ingestion.worker.duplicates import bands_for
from ratoon_ingestion.worker.index.lookup import matches
from ratoon_ingestion.worker.index.segment import QUARTERS, Segment, file_header
from ratoon_ingestion.worker.index.sketches import Sketches
from ratoon_ingestion.worker.index.stored import StoredSegment, index_store, layout_for
from ratoon_ingestion.worker.index.write import build
from ratoon_ingestion.worker.shingles import shingled, signatures

CHUNK_CHARS = 1_700
NEW_RECORDS, VERSIONS = 1_000, 10
SHINGLES = 3
"""Shingles of a synthetic record."""
Signatures = npt.NDArray[np.uint64]


def texts_with_pairs(count: int) -> tuple[list[str], list[tuple[int, int]]]:
    """Return texts, and pairs of them with a Jaccard similarity of 0.8 or more."""
    rng = random.Random(1)
    texts: list[str] = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        whole = path.read_text(errors="replace")
        texts += [whole[start : start + CHUNK_CHARS] for start in range(0, len(whole), CHUNK_CHARS)]
        if len(texts) >= count // 2:
            break
    originals = len(texts)
    pairs = []
    for number in range(originals):
        words = texts[number].split(" ")
        for _ in range(rng.randint(0, 5)):
            words[rng.randrange(len(words))] = f"word{rng.randrange(10**6)}"
        texts.append(" ".join(words))
        one, other = set(shingles(texts[number])), set(shingles(texts[-1]))
        if one and len(one & other) >= CLUSTER_THRESHOLD * len(one | other):
            pairs.append((number, len(texts) - 1))
    return texts, pairs


def by_ratoon(texts: Sequence[str]) -> tuple[float, Signatures]:
    """Return CPU seconds and signatures."""
    shingled(texts[:10])
    began = time.process_time()
    result = signatures(*shingled(texts))
    return time.process_time() - began, result.T.astype(np.uint64)


def by_rensa(texts: Sequence[str]) -> tuple[float, Signatures]:
    """Return CPU seconds and signatures; shingles are Python strings."""
    began = time.process_time()
    rows = rensa.RMinHash.digests_from_token_sets(list(map(shingles, texts)), 128, 1)
    return time.process_time() - began, np.array(rows, np.uint64)


def by_datasketch(texts: Sequence[str], folder: Path) -> tuple[float, Signatures]:
    """Return CPU seconds and signatures of datasketch in its own environment."""
    (folder / "texts.json").write_text(json.dumps(texts))
    peer = [
        environment("datasketch") / "bin/python",
        Path(__file__).with_name("peers.py"),
        folder / "texts.json",
        folder / "signatures.npy",
    ]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    printed = subprocess.run(peer, check=True, capture_output=True, text=True, env=one_core)
    return float(printed.stdout), np.load(folder / "signatures.npy")


def recall(values: Signatures, pairs: Sequence[tuple[int, int]]) -> float:
    """Return the share of pairs that have a band in common."""
    bands, width = bands_for(CLUSTER_THRESHOLD)
    cut = values[:, : bands * width].reshape(-1, bands, width)
    one, other = (cut[[pair[side] for pair in pairs]] for side in (0, 1))
    return float((one == other).all(axis=2).any(axis=1).mean())


def old_segment(count: int, path: Path, version: str) -> None:
    """Write a segment of records with random signatures, whose ids are in order; what is never read is a hole."""
    rng, layout = np.random.default_rng(1), layout_for(CLUSTER_THRESHOLD, version)
    tables = {f"band{number}": "<u4" for number in range(layout.bands)}
    tables |= {f"quarter{number}": "<u2" for number in range(QUARTERS)} | {"digest": "<u8"}
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {
        **dict.fromkeys(("ids", "digests"), ("<u8", (count, 4))),
        **dict.fromkeys(("id_keys", "simhashes", "answers"), ("<u8", (count,))),
        "offsets": ("<i8", (count + 1,)),
        "shingles": ("<u8", (count * SHINGLES,)),
        **{f"{name}_keys": (dtype, (count,)) for name, dtype in tables.items()},
        **{f"{name}_rows": ("<u4", (count,)) for name in tables},
    }
    header, places = file_header(arrays, layout)
    with path.open("wb") as file:
        file.write(header)
        last = max(places, key=lambda name: places[name])
        dtype, shape = arrays[last]
        file.truncate(places[last] + int(np.prod(shape)) * np.dtype(dtype).itemsize)

    def write(name: str, values: npt.NDArray[Any]) -> None:
        dtype, shape = arrays[name]
        np.memmap(path, dtype, "r+", places[name], shape)[...] = values

    keys = np.sort(rng.integers(0, 2**64, count, np.uint64))
    write("id_keys", keys)
    np.memmap(path, "<u8", "r+", places["ids"], (count, 4))[:, 0] = keys
    write("simhashes", rng.integers(0, 2**64, count, np.uint64))
    write("offsets", np.arange(count + 1, dtype=np.int64) * SHINGLES)
    for name, dtype in tables.items():
        limit = 8 * np.dtype(dtype).itemsize
        values = rng.integers(0, 2**limit, count, np.uint64).astype(dtype)
        values.sort()
        write(f"{name}_keys", values)
        write(f"{name}_rows", rng.integers(0, count, count, np.uint32))


def tenth_version(count: int, folder: Path) -> dict[str, float]:
    """Return seconds and CPU seconds of the tenth version of new records, and the size of the old segment."""
    store, rng = ArtifactStore(str(folder / "artifacts")), np.random.default_rng(2)
    versions = [f"{number:064x}" for number in range(VERSIONS + 1)]
    path = folder / "segment.idx"
    old_segment(count, path, versions[0])
    gigabytes = path.stat().st_blocks * 512 / 1e9
    digest = file_digest(path)
    blob = Path(str(store.folder), "sha256", digest[:2], digest)
    blob.parent.mkdir(parents=True)
    path.rename(blob)
    with blob.open("rb") as stream, index_store(store, folder) as indexes:
        index = indexes.put([StoredSegment(Segment(stream), digest)])
        for version in versions[1:]:
            new = sketches(rng, NEW_RECORDS)
            began, used = time.perf_counter(), time.process_time()
            stored = indexes.covering([index], versions)
            matches(new, [each.segment for each in stored], CLUSTER_THRESHOLD)
            own = build([new], layout_for(CLUSTER_THRESHOLD, version), indexes.path())
            index = indexes.grown(stored, own)
            seconds, cpu = time.perf_counter() - began, time.process_time() - used
    blob.unlink()
    return {"seconds": seconds, "cpu": cpu, "gigabytes": gigabytes}


def sketches(rng: np.random.Generator, count: int) -> Sketches:
    """Return random sketches."""
    ids, digests = (rng.integers(0, 2**64, (count, 4), np.uint64) for _ in range(2))
    shingle_sets = np.sort(rng.integers(0, 2**64, (count, SHINGLES), np.uint64), axis=1).ravel()
    offsets = np.arange(count + 1, dtype=np.int64) * SHINGLES
    simhashes = rng.integers(0, 2**64, count, np.uint64)
    return Sketches(ids, digests, shingle_sets, offsets, simhashes, np.zeros(count, np.uint64))


def main() -> None:
    """Print both tables and a line of JSON."""
    parser = argparse.ArgumentParser(description="Near duplicates.")
    parser.add_argument(
        "--quick", action="store_true", help="2,000 texts, 100,000 old records, no datasketch"
    )
    parser.add_argument("--old", type=int, help="records in the index [10,000,000]")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    texts, pairs = texts_with_pairs(2_000 if options.quick else 12_000)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-duplicates-") as name:
        folder = Path(name)
        measured = {"ratoon": by_ratoon(texts), "rensa": by_rensa(texts)}
        if not options.quick:
            measured["datasketch"] = by_datasketch(texts, folder)
        print(f"{len(texts):,} texts, {size:.1f} MB, {len(pairs):,} planted pairs\n")
        print(f"{'':12}{'MB/CPU s':>10}{'recall':>9}")
        for peer, (seconds, values) in measured.items():
            print(f"{peer:12}{size / seconds:>10.1f}{recall(values, pairs):>9.4f}")
            results[peer] = {"mb_per_cpu_s": size / seconds, "recall": recall(values, pairs)}
        large = options.old or (100_000 if options.quick else 10_000_000)
        print(f"\n{'old records':>12}{'tenth version, s':>18}{'CPU s':>8}{'GB':>7}")
        for count in (large // 100, large // 10, large):
            (folder / str(count)).mkdir()
            tenth = tenth_version(count, folder / str(count))
            print(f"{count:>12,}{tenth['seconds']:>18.2f}{tenth['cpu']:>8.2f}{tenth['gigabytes']:>7.2f}")
            results[f"{count} old records"] = tenth
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
