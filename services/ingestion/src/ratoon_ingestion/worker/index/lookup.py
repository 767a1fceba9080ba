"""Look-ups in segments: which records of the past are, equal or are near duplicates of new ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.duplicates import SIMHASH_BITS
from ratoon_ingestion.worker.index.segment import QUARTERS, Segment
from ratoon_ingestion.worker.index.sketches import Sketches, band_keys, quarters
from ratoon_ingestion.worker.names import hexadecimal
from ratoon_ingestion.worker.shingles import Hashes

_BLOCK = 10_000
"""New records that are looked up at a time."""
_RELEASED = 256
"""New records after which the pages that were read are given back."""
_COMPARED = 1_024
"""Candidates of one record that are compared at a time."""

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """A record of the past that a new one repeats: its id, and whether it is the same record or has equal content."""

    record_id: str
    is_equal: bool


def matches(
    new: Sketches, segments: Sequence[Segment], threshold: float, *, same_answers: bool = False
) -> dict[int, Match]:
    """Return the match with the smallest id, by row of the new records.

    The candidates are those of a search over all records together: a common band, or SimHashes that differ in few bits.
    They are compared by the Jaccard similarity of their shingles. `same_answers`: examples with other answers are no
    near duplicates. The segments have bands that suffice for the threshold.
    """
    matched: dict[int, Match] = {}
    for start in range(0, len(new), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(new)))
        block = new.take(rows)
        for segment in segments:
            for row, match in _in_segment(block, segment, threshold, same_answers):
                before = matched.get(start + row)
                if before is None or match.record_id < before.record_id:
                    matched[start + row] = match
            segment.release()
    return matched


def _in_segment(
    new: Sketches, segment: Segment, threshold: float, same_answers: bool
) -> Iterator[tuple[int, Match]]:
    ids = segment.array("ids")
    equal = _equal(new, segment)
    candidates = _Candidates(new, segment)
    for row in range(len(new)):
        if row % _RELEASED == 0:
            segment.release()
        first = equal.get(row, len(segment))
        rows = candidates.of(row)
        rows = rows[rows < first]
        if same_answers:
            rows = rows[segment.array("answers")[rows] == new.answers[row]]
        similar = _first_similar(new.shingles_at(row), rows, segment, threshold)
        if similar is not None:
            yield row, Match(hexadecimal(ids[similar]), False)
        elif row in equal:
            yield row, Match(hexadecimal(ids[first]), True)


def _equal(new: Sketches, segment: Segment) -> dict[int, int]:
    """Return the first row with the id or the digest of each new record that has one."""
    matched: dict[int, int] = {}
    id_keys, ids, digests = (segment.array(name) for name in ("id_keys", "ids", "digests"))
    digest_keys, digest_rows = segment.table("digest")
    for low, high, row in _hits(id_keys, new.ids[:, 0]):
        same = np.flatnonzero((ids[low:high] == new.ids[row]).all(axis=1))
        if same.size:
            matched[row] = low + int(same[0])
    for low, high, row in _hits(digest_keys, new.digests[:, 0]):
        rows = digest_rows[low:high].astype(np.int64)
        same = rows[(digests[rows] == new.digests[row]).all(axis=1)]
        if same.size:
            matched[row] = min(matched.get(row, len(segment)), int(same.min()))
    return matched


class _Candidates:
    """Rows of a segment to compare new records with."""

    def __init__(self, new: Sketches, segment: Segment) -> None:
        layout = segment.layout
        self._segment, self._simhashes = segment, new.simhashes
        keys: list[npt.NDArray[Any]] = [
            *band_keys(new, layout.bands, layout.width),
            *quarters(new.simhashes),
        ]
        names = layout.tables[: layout.bands + QUARTERS]
        self._bands = layout.bands
        self._tables = [segment.table(name)[1] for name in names]
        bounds = [_table_bounds(segment, name, values) for name, values in zip(names, keys, strict=True)]
        self._lows = np.stack([low for low, _ in bounds], axis=1)
        self._highs = np.stack([high for _, high in bounds], axis=1)
        self._all_simhashes = segment.array("simhashes")

    def of(self, row: int) -> RowNumbers:
        """Return the candidates of a new record in ascending order, each once."""
        lows, highs = self._lows[row], self._highs[row]
        hits = np.flatnonzero(lows < highs)
        in_bands = [self._rows(table, row) for table in hits if table < self._bands]
        in_quarters = [self._rows(table, row) for table in hits if table >= self._bands]
        close = self._close(in_quarters, row)
        return np.unique(np.concatenate([*in_bands, close])) if in_bands else np.unique(close)

    def _rows(self, table: int, row: int) -> RowNumbers:
        rows: RowNumbers = self._tables[table][self._lows[row, table] : self._highs[row, table]].astype(
            np.int64
        )
        return rows

    def _close(self, parts: Sequence[RowNumbers], row: int) -> RowNumbers:
        if not parts:
            return np.empty(0, np.int64)
        rows = np.concatenate(parts)
        differing = np.bitwise_count(self._all_simhashes[rows] ^ self._simhashes[row])
        close: RowNumbers = rows[differing <= SIMHASH_BITS]
        return close


def _table_bounds(segment: Segment, name: str, values: npt.NDArray[Any]) -> tuple[RowNumbers, RowNumbers]:
    bounds = _bounds(segment.table(name)[0], values)
    segment.release()
    return bounds


def _bounds(keys: npt.NDArray[Any], values: npt.NDArray[Any]) -> tuple[RowNumbers, RowNumbers]:
    """Return where the entries with each key begin and end; keys are looked up in ascending order, page by page."""
    order = np.argsort(values)
    low, high = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    low[order] = np.searchsorted(keys, values[order], "left")
    high[order] = np.searchsorted(keys, values[order], "right")
    return low, high


def _hits(keys: npt.NDArray[Any], values: npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    low, high = _bounds(keys, values)
    for row in np.flatnonzero(low < high):
        yield int(low[row]), int(high[row]), int(row)


def _first_similar(shingles: Hashes, rows: RowNumbers, segment: Segment, threshold: float) -> int | None:
    """Return the first of some rows whose shingles are similar enough."""
    offsets = segment.array("offsets")
    sizes = offsets[rows + 1] - offsets[rows]
    low, high = np.minimum(sizes, shingles.size), np.maximum(sizes, shingles.size)
    rows = rows[low >= threshold * high - 1]  # the similarity is at most the quotient of the sizes
    for start in range(0, len(rows), _COMPARED):
        block = rows[start : start + _COMPARED]
        similar = np.flatnonzero(_similarities(shingles, block, segment) >= threshold)
        if similar.size:
            return int(block[similar[0]])
    return None


def _similarities(shingles: Hashes, rows: RowNumbers, segment: Segment) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of each row with a set of shingles; that of two empty sets is 1."""
    others = segment.sketches(rows)
    sizes = np.diff(others.offsets)
    if not shingles.size:
        is_empty: npt.NDArray[np.float64] = (sizes == 0).astype(np.float64)
        return is_empty
    places = np.minimum(np.searchsorted(shingles, others.shingles), shingles.size - 1)
    is_shared = np.concatenate([np.zeros(1, np.int64), np.cumsum(shingles[places] == others.shingles)])
    shared = is_shared[others.offsets[1:]] - is_shared[others.offsets[:-1]]
    similarity: npt.NDArray[np.float64] = shared / (sizes + shingles.size - shared)
    return similarity
