"""The search for near duplicates, by the wording, over all records of a version.

MinHash over 5-word shingles, cut into bands (locality-sensitive hashing), and SimHash also name candidates; a pair
counts when the true Jaccard similarity of its shingles reaches the threshold. What is similar to a member of a cluster
belongs to it. Memory holds a few numbers a record; shingles are read where they stand.
"""

from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ratoon_ingestion.worker.arrays import Arrays, Numbers, blocks, equal_rows, is_new, sort_into
from ratoon_ingestion.worker.index.sketches import spans
from ratoon_ingestion.worker.shingle_sets import ShingleSets
from ratoon_ingestion.worker.shingles import PERMUTATIONS, Hashes, Offsets, keys_of_bands, similarity

_RECALL = 0.999
_SQUARE = 512
"""SimHashes that are compared with each other at a time."""
_COMPARED_PAIRS = 1 << 20
"""Places for pairs that are remembered, so that they are not compared again in another band."""
SIMHASH_BITS = 3
"""Texts whose SimHashes differ in at most this many of 64 bits are candidates."""


@dataclass
class Clusters:
    """A union-find over rows; the smallest row of a cluster is its root."""

    parents: MutableSequence[int] | memoryview
    verified: int = 0
    compared: memoryview = field(default_factory=lambda: np.zeros(2 * _COMPARED_PAIRS, np.int64).data)
    """Pairs of rows that were compared, each in the place of its hash, where a later one replaces it."""

    def root(self, row: int) -> int:
        """The smallest row of this row's cluster."""
        while self.parents[row] != row:
            self.parents[row] = self.parents[self.parents[row]]
            row = self.parents[row]
        return row

    def join(self, left: int, right: int) -> None:
        """Make two clusters one."""
        low, high = sorted((self.root(left), self.root(right)))
        self.parents[high] = low

    def was_compared(self, one: int, other: int) -> bool:
        """Return whether this pair is remembered, and remember it. `other` is greater than 0."""
        place = (one * 0x9E3779B1 + other * 0x85EBCA77) % _COMPARED_PAIRS * 2
        if self.compared[place] == one and self.compared[place + 1] == other:
            return True
        self.compared[place], self.compared[place + 1] = one, other
        return False

    def roots(self, arrays: Arrays | None = None) -> Numbers:
        """Return the root of each row."""
        parents = np.asarray(self.parents, np.int64)
        roots: Numbers = (arrays or Arrays())(len(parents), np.int64)
        for block in blocks(len(parents)):
            rows = parents[block]
            while ((further := parents[rows]) != rows).any():
                rows = further
            roots[block] = rows
        return roots


@dataclass(frozen=True)
class Similar:
    """Clusters of rows (each row's root); pairs compared, by the sketch that named them; pairs confirmed."""

    roots: Numbers
    candidates: dict[str, int]


def bands_for(threshold: float, permutations: int = PERMUTATIONS) -> tuple[int, int]:
    """Bands and rows a band: the longest that still find a pair at the threshold with probability 0.999."""
    for rows in (32, 16, 8, 4, 2):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands, rows
    return permutations, 1


def near_duplicates(
    shingles: ShingleSets,
    simhashes: Hashes,
    threshold: float,
    order: Numbers | None = None,
    scratch: Path | None = None,
) -> Similar:
    """Clusters among records by their shingles and SimHashes.

    `order`: the rows of `shingles` to compare, which are numbered by it; all in their order, unless given. The
    hashes of bands stand in a file in `scratch` meanwhile, so that memory holds those of one band.
    """
    rows, arrays = _Rows(shingles, order), Arrays(scratch)
    clusters = Clusters(arrays.numbers(len(rows)).data)
    named = {"minhash": 0, "simhash": 0}
    for bucket in _minhash_buckets(rows, threshold, arrays):
        named["minhash"] += _compare(clusters, rows, bucket, threshold)
    for bucket in _simhash_buckets(simhashes, arrays):
        named["simhash"] += _compare(clusters, rows, bucket, threshold)
    return Similar(clusters.roots(arrays), {**named, "confirmed": clusters.verified})


class _Rows:
    """The shingles of each row."""

    def __init__(self, shingles: ShingleSets, order: Numbers | None) -> None:
        self._shingles, self._order = shingles, order

    def __len__(self) -> int:
        return len(self._shingles if self._order is None else self._order)

    def __getitem__(self, place: int) -> Hashes:
        return self._shingles[place if self._order is None else int(self._order[place])]

    def slices(self) -> Iterator[tuple[slice, Hashes, Offsets]]:
        """Yield rows that are worked on at a time, their shingles, and where those of each begin."""
        for block in blocks(len(self)):
            rows = np.arange(block.start, block.stop) if self._order is None else self._order[block]
            for part in spans(self._shingles.counts[rows]):
                yield (
                    slice(block.start + part.start, block.start + part.stop),
                    *self._shingles.gathered(rows[part]),
                )


def _minhash_buckets(rows: _Rows, threshold: float, arrays: Arrays) -> Iterator[Numbers]:
    bands, width = bands_for(threshold)
    if len(rows) < 2:
        return
    keys = arrays(bands, np.uint32, len(rows))
    for part, flat, offsets in rows.slices():
        keys[:, part] = keys_of_bands(flat, offsets, bands, width)
    for band in range(bands):
        yield from equal_rows(keys[band], arrays)


def _simhash_buckets(simhashes: Hashes, arrays: Arrays) -> Iterator[Numbers]:
    """Rows of equal SimHashes, and rows of each two that differ in at most three bits.

    One of their four 16-bit quarters is equal (pigeonhole).
    """
    order, bounds = (arrays(len(simhashes) + extra, np.int64) for extra in (0, 1))
    values, count = arrays(len(simhashes), np.uint64), 0
    for part in sort_into(order, simhashes):
        in_order = simhashes[order[part]]
        first = np.flatnonzero(is_new(in_order))
        bounds[count : count + len(first)] = part.start + first
        values[count : count + len(first)] = in_order[first]
        count += len(first)
    bounds[count] = len(simhashes)
    distinct = values[:count]
    for part in blocks(count):
        longer = np.flatnonzero(np.diff(bounds[part.start : part.stop + 1]) > 1) + part.start
        for value in longer.tolist():
            yield np.array(order[bounds[value] : bounds[value + 1]])
    quarters = distinct.view(np.uint16).reshape(-1, SIMHASH_BITS + 1)
    for quarter in range(SIMHASH_BITS + 1):
        for bucket in equal_rows(quarters[:, quarter], arrays):
            for one, other in _close(bucket, distinct):
                members = [order[bounds[value] : bounds[value + 1]] for value in (one, other)]
                yield np.sort(np.concatenate(members))


def _close(bucket: Numbers, hashes: Hashes) -> Iterator[Numbers]:
    """Each two of a bucket whose SimHashes are close."""
    values = hashes[bucket]
    for start in range(0, len(bucket) - 1, _SQUARE):
        block = values[start : start + _SQUARE]
        for later in range(start, len(bucket), _SQUARE):
            others = values[later : later + _SQUARE]
            near = np.bitwise_count(block[:, None] ^ others) <= SIMHASH_BITS
            pairs = np.argwhere(near) + np.array([start, later])
            yield from bucket[pairs[pairs[:, 0] < pairs[:, 1]]]


def _compare(clusters: Clusters, rows: _Rows, bucket: Numbers, threshold: float) -> int:
    """Join what is similar in a bucket, each row against one row of each cluster; returns pairs compared."""
    met: list[int] = []
    count = 0
    for row in map(int, bucket):
        for other in met:
            if clusters.root(row) == clusters.root(other) or clusters.was_compared(other, row):
                continue
            count += 1
            if similarity(rows[other], rows[row]) >= threshold:
                clusters.join(other, row)
                clusters.verified += 1
        if all(clusters.root(row) != clusters.root(other) for other in met):
            met.append(row)
    return count
