"""Sets of shingles of many records, read where they stand: in an Arrow file that is mapped into memory, or in an array.

Of each record memory holds, in a mapped file, where its shingles begin and how many there are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon_ingestion.worker.arrays import Numbers
from ratoon_ingestion.worker.shingles import Hashes, Offsets

_WIDTH = 8
"""Bytes of a shingle."""


@dataclass(frozen=True)
class ShingleSets:
    """The sorted shingles of each record: `counts[row]` numbers of `flat` from `starts[row]` on."""

    flat: Hashes
    starts: Numbers
    counts: npt.NDArray[np.int32]

    @classmethod
    def of(cls, lists: pa.ListArray) -> "ShingleSets":
        """Return the sets of one array of lists, which are not copied."""
        flat = lists.values.to_numpy()
        return cls(flat, *placed(lists, flat))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> Hashes:
        """Return the shingles of a record, without a copy."""
        start = self.starts[row]
        return self.flat[start : start + self.counts[row]]

    def gathered(self, rows: Numbers) -> tuple[Hashes, Offsets]:
        """Return a copy of the shingles of some rows end to end, and where those of each begin."""
        starts, counts = self.starts[rows], self.counts[rows].astype(np.int64)
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        places = np.arange(offsets[-1], dtype=np.int64)
        places += np.repeat(starts - offsets[:-1], counts)
        return self.flat[places], offsets


def placed(lists: pa.ListArray, flat: Hashes) -> tuple[Numbers, npt.NDArray[np.int32]]:
    """Return where the values of each list begin in `flat`, in whose memory they stand, and their numbers."""
    offsets, values = lists.offsets.to_numpy().astype(np.int64), lists.values.to_numpy()
    first = (values.ctypes.data - flat.ctypes.data) // _WIDTH if len(values) else 0
    return offsets[:-1] + first, np.diff(offsets).astype(np.int32)
