"""Sketches of records: their ids, content digests, shingles and SimHashes, by which near duplicates are found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.names import Names, names_of
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.shingles import Hashes, Offsets, keys_of_bands, shingled, simhashes
from ratoon_ingestion.worker.words import spaced_text

BLOCK = 10_000
"""Records that are worked on at a time."""
BLOCK_SHINGLES = 2_000_000
"""Shingles that are worked on at a time, if the records are long."""


@dataclass(frozen=True)
class Sketches:
    """Sketches of some records, in any order.

    `shingles` holds those of all records end to end, `offsets` where each begins and the last ends. `answers` is a hash
    of the answers of an example, 0 for a text.
    """

    ids: Names
    digests: Names
    shingles: Hashes
    offsets: Offsets
    simhashes: Hashes
    answers: Hashes

    def __len__(self) -> int:
        return len(self.ids)

    def shingles_at(self, row: int) -> Hashes:
        """Return the sorted shingles of a record."""
        return self.shingles[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: npt.NDArray[np.int64]) -> "Sketches":
        """Return the sketches of these rows, in their order."""
        flat, offsets = gathered(self.shingles, self.offsets, rows)
        return Sketches(
            self.ids[rows], self.digests[rows], flat, offsets, self.simhashes[rows], self.answers[rows]
        )


def sketched(record_ids: Sequence[str], digests: Sequence[str], wordings: Sequence[str]) -> Sketches:
    """Return the sketches of texts."""
    if not record_ids:
        return EMPTY
    shingles, offsets = shingled([spaced_text(comparable(text)) for text in wordings])
    return Sketches(
        names_of(record_ids),
        names_of(digests),
        shingles,
        offsets,
        simhashes(shingles, offsets),
        np.zeros(len(record_ids), np.uint64),
    )


def spans(counts: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield the records of each block, given the number of shingles of each record."""
    ends = np.cumsum(counts, dtype=np.int64)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + BLOCK_SHINGLES, "right"))
        stop = min(max(stop, start + 1), start + BLOCK, len(counts))
        yield slice(start, stop)
        start = stop


def gathered(
    flat: Hashes, offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the values of some rows end to end, and where each begins."""
    starts = offsets[rows].astype(np.int64)
    lengths = offsets[rows + 1].astype(np.int64) - starts
    ends = np.cumsum([0, *lengths], dtype=np.int64)
    places = np.arange(ends[-1], dtype=np.int64) + np.repeat(starts - ends[:-1], lengths)
    return flat[places], ends


def joined(parts: Sequence[Sketches]) -> Sketches:
    """Return the sketches of several blocks, one after the other."""
    starts = np.cumsum([0, *(len(part.shingles) for part in parts)])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
    return Sketches(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.digests for part in parts]),
        np.concatenate([part.shingles for part in parts]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([part.simhashes for part in parts]),
        np.concatenate([part.answers for part in parts]),
    )


def band_keys(sketches: Sketches, bands: int, width: int) -> npt.NDArray[np.uint32]:
    """Return a hash of each band of the MinHash signatures, one row a band."""
    return keys_of_bands(sketches.shingles, sketches.offsets, bands, width)


def quarters(simhashes: Hashes) -> npt.NDArray[np.uint16]:
    """Return the four quarters of each SimHash, one row a quarter."""
    return np.ascontiguousarray(simhashes.astype("<u8").view("<u2").reshape(-1, 4).T)


EMPTY = Sketches(
    np.empty((0, 4), np.uint64),
    np.empty((0, 4), np.uint64),
    np.empty(0, np.uint64),
    np.zeros(1, np.int64),
    np.empty(0, np.uint64),
    np.empty(0, np.uint64),
)
