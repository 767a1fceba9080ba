"""Curated records as the duplicate search sees them: a few numbers a record; the rest is read where it stands.

The columns by which all records are compared are copied to files that are mapped into memory. Texts, attributes and
shingles stay in the Arrow file of the curation.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.tasks.labels import label_key
from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.batches import SKETCHES
from ratoon_ingestion.worker.index.sketches import Sketches
from ratoon_ingestion.worker.names import Names, Numbers, is_first, names_of, order_of
from ratoon_ingestion.worker.shingle_sets import ShingleSets, placed
from ratoon_ingestion.worker.shingles import Hashes
from ratoon_ingestion.worker.stored_batches import StoredBatches, batches_of

_CUT = pa.array(["length", "time", "disconnect", "unspecified"])
"""Values of the attribute `truncated`: why a crawler cut a page (WARC 1.1, section 5.13)."""
_TIED = ("source_label", "source", "source_path")
"""Columns that order records of equal id and digest."""


_BLOCK_BYTES = 32 << 20
"""Size of the records that are copied at a time."""


class Curated:
    """Curated records of schema CURATED, by their rows."""

    def __init__(self, records: StoredBatches | pa.Table, folder: Path | None = None) -> None:
        """`folder`: for the files of columns; without one they are held in memory."""
        self.batches = batches_of(records) if isinstance(records, pa.Table) else records
        self.arrays = Arrays(folder)
        column = partial(self.arrays, len(self.batches))
        self.ids: Names = column(np.uint64, 4)
        self.digests: Names = column(np.uint64, 4)
        self.simhashes: Hashes = column(np.uint64)
        self.answers: Hashes = column(np.uint64)
        """A hash of the answers, tools and system messages of an example; 0 for a text."""
        self.labels: Hashes = column(np.uint64)
        """A hash of the label, the same for spellings of one; 0 for none, and for examples."""
        self.priority: npt.NDArray[np.uint8] = column(np.uint8)
        """Which of several equal records stays: labelled ones before others, then whole ones before cut ones."""
        self.shingles = ShingleSets(self.batches.numbers, column(np.int64), column(np.int32))
        self.bytes_of_records = 0
        """The size of all records without their sketches."""
        for start, batch in self.batches:
            self._add(batch, slice(start, start + batch.num_rows))

    def __len__(self) -> int:
        return len(self.batches)

    def _add(self, batch: pa.RecordBatch, rows: slice) -> None:
        self.ids[rows] = names_of(batch.column("record_id").to_pylist())
        self.digests[rows] = names_of(batch.column("content_digest").to_pylist())
        self.simhashes[rows] = batch.column("simhash").to_numpy()
        answers = batch.column("answers").to_pylist()
        self.answers[rows] = np.array([int(each[:16] or "0", 16) for each in answers], np.uint64)
        labels = batch.column("source_label").to_pylist()
        hashes = [
            0 if answer or label is None else _hash(label)
            for answer, label in zip(answers, labels, strict=True)
        ]
        self.labels[rows] = np.array(hashes, np.uint64)
        unlabelled = np.array([label is None for label in labels], np.uint8)
        cut = pc.is_in(pc.map_lookup(batch.column("attributes"), "truncated", "first"), _CUT)
        self.priority[rows] = 2 * unlabelled + cut.to_numpy(zero_copy_only=False)
        sets = self.shingles
        sets.starts[rows], sets.counts[rows] = placed(batch.column("shingles"), sets.flat)
        self.bytes_of_records += int(_without_sketches(batch).nbytes)

    def sketches(self, rows: Numbers, ids: Names) -> Sketches:
        """Return the sketches of some records, under these ids."""
        return Sketches(
            ids,
            np.array(self.digests[rows]),
            *self.shingles.gathered(rows),
            np.array(self.simhashes[rows]),
            np.array(self.answers[rows]),
        )

    def in_order(self) -> Numbers:
        """Return the rows in an order that does not depend on that in which they were read.

        By digest, id, label, source and path.
        """
        order = order_of(self.digests, self.ids, arrays=self.arrays)
        same = ~(is_first(self.digests, order) | is_first(self.ids, order))
        for start, stop in _spans(same):
            rows = order[start:stop].tolist()
            order[start:stop] = sorted(rows, key=self._tie)
        return order

    def blocks(self, rows: Numbers, size: int) -> Iterator[tuple[Numbers, pa.Table]]:
        """Yield the records of some rows without sketches, in ascending order, in tables of about this size.

        They are copies; long records are in smaller tables.
        """
        rows = self._ascending(rows)
        starts = self.batches.starts
        bounds = np.searchsorted(rows, starts)
        waiting: list[pa.RecordBatch] = []
        start = held = 0
        for number, (first, low, high) in enumerate(
            zip(starts[:-1].tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ):
            if low < high:
                records = _without_sketches(self.batches.at(number))
                waiting.append(records.take(pa.array(rows[low:high] - first)))
                held += records.nbytes * (high - low) // len(records)
            is_full = high - start >= size or held >= _BLOCK_BYTES
            if (is_full or high == len(rows)) and start < high:
                yield rows[start:high], pa.Table.from_batches(waiting)
                waiting, start, held = [], high, 0

    def _ascending(self, rows: Numbers) -> Numbers:
        """Return a copy of some rows in ascending order."""
        ascending: Numbers = self.arrays(len(rows), np.int64)
        ascending[:] = rows
        ascending.sort()
        return ascending

    def _tie(self, row: int) -> tuple[str, ...]:
        batch, place = self.batches.of_row(row)
        return tuple(batch.column(name)[place].as_py() or "" for name in _TIED)


def _without_sketches(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.drop_columns(SKETCHES.names)


def _spans(same: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs whose members, but for the first, are the same as the one before."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    yield from zip((edges[::2] - 1).tolist(), edges[1::2].tolist(), strict=True)


@lru_cache(10_000)
def _hash(label: str) -> int:
    """Return a hash of a label that is not 0."""
    digest = hashlib.blake2b(str(label_key(label)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") | 1
