"""The search for near duplicates, by the wording, over all records of a version.

MinHash (rensa) over 5-word shingles, cut into bands (locality-sensitive hashing), and SimHash also name
candidates; a pair counts when the true Jaccard similarity of its shingles reaches the threshold. What is
similar to a member of a cluster belongs to it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rensa

from ratoon_ingestion.worker.words import Hashes, similarity

PERMUTATIONS = 128
_SEED = 1
_RECALL = 0.999
_SLICE = 20_000
SIMHASH_BITS = 3
"""Texts whose SimHashes differ in at most this many of 64 bits are candidates."""


@dataclass
class Clusters:
    """A union-find over rows; the smallest row of a cluster is its root."""

    parents: list[int]
    verified: int = 0
    compared: set[tuple[int, int]] = field(default_factory=set)

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


@dataclass(frozen=True)
class Similar:
    """Clusters of rows (each row's root); pairs compared, by the sketch that named them; pairs confirmed."""

    roots: tuple[int, ...]
    candidates: dict[str, int]


def bands_for(threshold: float, permutations: int = PERMUTATIONS) -> tuple[int, int]:
    """Bands and rows a band: the longest that still find a pair at the threshold with probability 0.999."""
    for rows in (32, 16, 8, 4, 2):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands, rows
    return permutations, 1


def near_duplicates(
    shingles: pa.ChunkedArray,
    simhashes: Sequence[int],
    threshold: float,
    order: Sequence[int] | None = None,
    scratch: Path | None = None,
) -> Similar:
    """Clusters among rows of shingle hashes (list<uint64>, each sorted) and their SimHashes.

    `order`: the rows of `shingles` to compare, which are numbered by it; all in their order, unless given. The
    signatures stand in a file in `scratch` meanwhile, so that memory holds those of one band.
    """
    rows = _Rows(shingles, order)
    clusters = Clusters(list(range(len(rows))))
    named = {"minhash": 0, "simhash": 0}
    for bucket in _minhash_buckets(rows, threshold, scratch):
        named["minhash"] += _compare(clusters, rows, bucket, threshold)
    for bucket in _simhash_buckets(simhashes):
        named["simhash"] += _compare(clusters, rows, bucket, threshold)
    roots = tuple(clusters.root(row) for row in range(len(rows)))
    return Similar(roots, {**named, "confirmed": clusters.verified})


class _Rows:
    """Random access to each row's shingle hashes, without copies."""

    def __init__(self, shingles: pa.ChunkedArray, order: Sequence[int] | None) -> None:
        self._views = [(chunk.offsets.to_numpy(), chunk.values.to_numpy()) for chunk in shingles.chunks]
        lengths = [len(chunk) for chunk in shingles.chunks]
        self._starts = np.concatenate([[0], np.cumsum(lengths)]) if lengths else np.zeros(1, dtype=np.int64)
        self._order = np.arange(self._starts[-1]) if order is None else np.array(order, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Hashes:
        row = int(self._order[place])
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        offsets, flat = self._views[chunk]
        local = row - int(self._starts[chunk])
        hashes: Hashes = flat[offsets[local] : offsets[local + 1]]
        return hashes


def _minhash_buckets(rows: _Rows, threshold: float, scratch: Path | None) -> Iterator[npt.NDArray[np.int64]]:
    bands, width = bands_for(threshold)
    if len(rows) < 2:
        return
    with tempfile.TemporaryFile(dir=scratch) as file:
        file.truncate(4 * bands * len(rows) * width)
        for start, signatures in _signatures(rows):
            for band in range(bands):
                part = np.ascontiguousarray(signatures[:, band * width : (band + 1) * width])
                file.seek(4 * width * (band * len(rows) + start))
                file.write(part.tobytes())
        for band in range(bands):
            file.seek(4 * width * band * len(rows))
            keys = np.frombuffer(file.read(4 * width * len(rows)), np.uint32).reshape(-1, width)
            yield from _equal(keys)


def _signatures(rows: _Rows) -> Iterator[tuple[int, npt.NDArray[np.uint32]]]:
    """Signatures of the rows in blocks, each with the number of its first row."""
    for start in range(0, len(rows), _SLICE):
        members = [rows[row] for row in range(start, min(start + _SLICE, len(rows)))]
        offsets = np.cumsum([0, *(member.size for member in members)], dtype=np.int64)
        yield start, signatures_of(np.concatenate(members), offsets)


def signatures_of(shingles: Hashes, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """MinHash signatures of records whose shingles stand end to end, one row a record."""
    if len(offsets) < 2:
        return np.empty((0, PERMUTATIONS), dtype=np.uint32)
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        shingles, offsets.astype(np.uint64), PERMUTATIONS, _SEED
    )
    return np.array(matrix.to_rows(), dtype=np.uint32)


def _simhash_buckets(simhashes: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Of numbers that differ in at most three bits, one of four 16-bit quarters is equal (pigeonhole)."""
    hashes = np.array(simhashes, dtype=np.uint64)
    quarters = (
        hashes.view(np.uint16).reshape(-1, SIMHASH_BITS + 1) if hashes.size else np.empty((0, 4), np.uint16)
    )
    for quarter in range(SIMHASH_BITS + 1):
        for bucket in _equal(np.ascontiguousarray(quarters[:, [quarter]])):
            yield from _close(bucket, hashes)


def _close(bucket: npt.NDArray[np.int64], hashes: Hashes) -> Iterator[npt.NDArray[np.int64]]:
    """Each row of a bucket with the later ones whose SimHash is close."""
    for place, row in enumerate(bucket[:-1]):
        later = bucket[place + 1 :]
        near = later[np.bitwise_count(hashes[later] ^ hashes[row]) <= SIMHASH_BITS]
        for other in near:
            yield np.array([row, other])


def _equal(keys: npt.NDArray[np.unsignedinteger]) -> Iterator[npt.NDArray[np.int64]]:
    """Groups of two or more rows with equal keys, each in ascending order."""
    if len(keys) < 2:
        return
    packed = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, group_of, sizes = np.unique(packed, return_inverse=True, return_counts=True)
    order = np.argsort(group_of, kind="stable")
    ends = np.cumsum(sizes)
    for group in np.flatnonzero(sizes > 1):
        yield order[ends[group] - sizes[group] : ends[group]]


def _compare(clusters: Clusters, rows: _Rows, bucket: npt.NDArray[np.int64], threshold: float) -> int:
    """Join what is similar in a bucket, each row against one row of each cluster; returns pairs compared."""
    met: list[int] = []
    count = 0
    for row in map(int, bucket):
        for other in met:
            if clusters.root(row) == clusters.root(other) or (other, row) in clusters.compared:
                continue
            clusters.compared.add((other, row))
            count += 1
            if similarity(rows[other], rows[row]) >= threshold:
                clusters.join(other, row)
                clusters.verified += 1
        if all(clusters.root(row) != clusters.root(other) for other in met):
            met.append(row)
    return count
