"""Search for texts that models are tested on: sequences of 13 words, as in appendix C of the GPT-3 paper.

Words are compared in lower case, without punctuation. A character of a script without spaces is half a word. Items
that are shorter than a sequence are compared as a whole. Other than there, a record with one match is removed as a
whole, and sequences that are frequent in the records count too.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.ingestion_jobs_pb2 import DecontaminationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.records import from_json
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.shingles import Hashes

TEST_PARTS = "test_parts"
"""Name in reports of the test parts of splits."""
_DENSE = (
    r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}]+")
_FIRST_DENSE = "\u0e00"
_APOSTROPHES = str.maketrans("", "", "'’")
_SEED = 13
_BASE = np.uint64(0x9E3779B97F4A7C15)
_ARRAYS = ("grams", "gram_items", "wholes", "whole_items")
_NO_HASHES: Hashes = np.empty(0, np.uint64)

Item = tuple[str, Record | str]
"""An item of a benchmark: its ID and its text or conversation."""
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sizes:
    """Words of a sequence, and of the shortest item that is searched."""

    gram_words: int = 13
    min_item_words: int = 5


@dataclass(frozen=True)
class Match:
    """A record holds text of an item of a benchmark."""

    benchmark: str
    item: str


@dataclass(frozen=True)
class Benchmark:
    """Hashes of the sequences and of the short items of a benchmark, each with the place of its item."""

    name: str
    items: Sequence[str]
    grams: Hashes
    gram_items: Offsets
    wholes: Hashes
    whole_items: Offsets
    unchecked: int
    """Number of items that are too short to be searched."""

    def item_of(self, grams: Hashes, whole: int) -> str | None:
        """Return the ID of the first item that a text holds, or None."""
        for hashes, items, searched in (
            (self.grams, self.gram_items, grams),
            (self.wholes, self.whole_items, np.array([whole], np.uint64)),
        ):
            if not hashes.size or not searched.size:
                continue
            places = np.minimum(np.searchsorted(hashes, searched), hashes.size - 1)
            hits = places[hashes[places] == searched]
            if hits.size:
                return self.items[int(items[hits[0]])]
        return None


def write_index(
    spec: DecontaminationSpec,
    benchmarks: Iterable[tuple[str, Iterable[Item]]],
    store: ArtifactStore,
    sizes: Sizes,
    folder: Path,
) -> None:
    """Write the hashes of all test parts and benchmarks to a directory, which each process maps into memory."""
    folder.mkdir(parents=True)
    named = [*benchmarks]
    if spec.test_parts:
        named.insert(0, (TEST_PARTS, _tested(spec.test_parts, store)))
    names = []
    for number, (name, items) in enumerate(named):
        benchmark = benchmark_of(name, items, sizes)
        for part in _ARRAYS:
            np.save(folder / f"{number}-{part}.npy", getattr(benchmark, part))
        names.append({"name": name, "items": benchmark.items, "unchecked": benchmark.unchecked})
    (folder / "benchmarks.json").write_text(json.dumps(names))


@lru_cache(maxsize=1)
def read_index(folder: str) -> tuple[Benchmark, ...]:
    """Return the benchmarks of a directory, their hashes mapped into memory; none without a directory."""
    if not folder:
        return ()
    place = Path(folder)
    entries = json.loads((place / "benchmarks.json").read_text())
    return tuple(_mapped(place, number, entry) for number, entry in enumerate(entries))


def _mapped(place: Path, number: int, entry: Mapping[str, Any]) -> Benchmark:
    grams, gram_items, wholes, whole_items = (
        np.load(place / f"{number}-{part}.npy", mmap_mode="r") for part in _ARRAYS
    )
    return Benchmark(
        entry["name"], entry["items"], grams, gram_items, wholes, whole_items, entry["unchecked"]
    )


def unchecked(benchmarks: Iterable[Benchmark]) -> Counter[str]:
    """Return the number of items that are too short to be searched, by benchmark, for reports."""
    return Counter({f"{each.name}.unchecked": each.unchecked for each in benchmarks if each.unchecked})


def benchmark_of(name: str, items: Iterable[Item], sizes: Sizes) -> Benchmark:
    """Return the hashes of a benchmark."""
    ids, grams, wholes = list[str](), list[tuple[Hashes, int]](), list[tuple[int, int]]()
    too_short = 0
    for place, (id_, item) in enumerate(items):
        ids.append(id_)
        is_checked = False
        for text, is_prompt in _pieces(item):
            hashes, whole, words = hashes_of(text, sizes.gram_words)
            if hashes.size:
                grams.append((hashes, place))
            elif is_prompt and words >= sizes.min_item_words:
                wholes.append((whole, place))
            else:
                continue
            is_checked = True
        too_short += not is_checked
    whole_hashes = np.array([whole for whole, _ in wholes], np.uint64)
    whole_items = np.array([place for _, place in wholes], np.int64)
    gram_hashes = np.concatenate([_NO_HASHES, *(hashes for hashes, _ in grams)])
    gram_items = np.repeat(
        np.array([place for _, place in grams], np.int64), [hashes.size for hashes, _ in grams]
    )
    return Benchmark(
        name, ids, *_distinct(gram_hashes, gram_items), *_distinct(whole_hashes, whole_items), too_short
    )


def matches(item: Record | str, benchmarks: Sequence[Benchmark], sizes: Sizes) -> list[Match]:
    """Return the benchmarks of which a record holds text, each with the first item."""
    if not benchmarks:
        return []
    first: dict[str, Match] = {}
    for text, _ in _pieces(item):
        grams, whole, _ = hashes_of(text, sizes.gram_words)
        for benchmark in benchmarks:
            if benchmark.name not in first and (id_ := benchmark.item_of(grams, whole)) is not None:
                first[benchmark.name] = Match(benchmark.name, id_)
    return [first[each.name] for each in benchmarks if each.name in first]


def hashes_of(text: str, gram_words: int) -> tuple[Hashes, int, float]:
    """Return hashes of the sequences of a text, the hash of all its words, and their number."""
    tokens = _TOKEN.findall(comparable(text).lower().translate(_APOSTROPHES))
    if not tokens:
        return _NO_HASHES, 0, 0.0
    hashes = pl.Series(tokens, dtype=pl.String).hash(_SEED).to_numpy()
    dense = np.array([token >= _FIRST_DENSE and len(token) == 1 for token in tokens])
    before = np.concatenate([[0], np.cumsum(dense)])
    windows = [
        _windows(hashes, size)[_is_dense(before, size) == (size > gram_words)]
        for size in (gram_words, 2 * gram_words)
        if len(tokens) >= size
    ]
    whole = int(_windows(hashes, len(tokens))[0]) ^ len(tokens)
    return np.concatenate([_NO_HASHES, *windows]), whole, len(tokens) - float(before[-1]) / 2


def _windows(hashes: Hashes, size: int) -> Hashes:
    """Return the hash of each window of this many tokens."""
    count = len(hashes) - size + 1
    total = np.zeros(count, np.uint64)
    for place in range(size):
        total = total * _BASE + hashes[place : place + count]
    return total


def _is_dense(before: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.bool_]:
    """Return whether half or more of the tokens of each window are characters of scripts without spaces."""
    dense: npt.NDArray[np.bool_] = (before[size:] - before[:-size]) * 2 >= size
    return dense


def _distinct(hashes: Hashes, items: Offsets) -> tuple[Hashes, Offsets]:
    distinct, first = np.unique(hashes, return_index=True)
    return distinct, items[first]


def _pieces(item: Record | str) -> Iterator[tuple[str, bool]]:
    """Yield the texts of an item, and whether each is a prompt: short answers are in texts of all kinds."""
    if isinstance(item, str):
        yield item, True
        return
    for turn in item.turns:
        if turn.role is not Role.SYSTEM:
            yield turn.content, turn.role is Role.USER
    yield from ((answer, False) for answer in item.answers)
    if item.rejected:
        yield item.rejected, False


def _tested(digests: Iterable[str], store: ArtifactStore) -> Iterator[Item]:
    for digest in digests:
        with store.open(digest) as stream:
            file = pq.ParquetFile(stream)
            names = [name for name in ("record_id", "text", "example") if name in file.schema_arrow.names]
            for batch in file.iter_batches(columns=names):
                yield from items_of(batch, "record_id")


def items_of(batch: pa.RecordBatch, id_column: str) -> Iterator[Item]:
    """Yield the records of a batch as items."""
    ids, texts = batch.column(id_column).to_pylist(), batch.column("text").to_pylist()
    examples = batch.column("example").to_pylist() if "example" in batch.schema.names else [None] * len(ids)
    for id_, text, example in zip(ids, texts, examples, strict=True):
        yield id_, text if example is None else from_json(example)
