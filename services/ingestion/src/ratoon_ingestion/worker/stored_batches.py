"""The record batches of an Arrow file, each read when it is used.

A batch that is held costs 11 KiB for its columns and their buffers, and more once they are looked at, even where its
data stand in a mapped file. So none is held.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from ratoon_ingestion.worker.shingles import Hashes


class StoredBatches:
    """The batches of an Arrow file in memory or mapped into it; iterating and `at` read them without a copy."""

    def __init__(self, file: pa.Buffer) -> None:
        self._file, self._reader = file, pa.ipc.open_file(file)
        sizes = (self.at(number).num_rows for number in range(self._reader.num_record_batches))
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        """First row of each batch, and the number of all rows."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the first row of each batch, and the batch."""
        for number, start in enumerate(self.starts[:-1].tolist()):
            yield start, self.at(number)

    def at(self, number: int) -> pa.RecordBatch:
        """Return a batch."""
        return self._reader.get_batch(number)

    def of_row(self, row: int) -> tuple[pa.RecordBatch, int]:
        """Return the batch that holds a row, and the row's place in it."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.at(number), row - int(self.starts[number])

    @property
    def numbers(self) -> Hashes:
        """All of the file as numbers of 64 bits: values of such columns stand at multiples of 8 (Arrow's format)."""
        return np.frombuffer(self._file, np.uint64, self._file.size // 8)


def mapped_batches(path: Path) -> StoredBatches:
    """Return the batches of a file, mapped into memory."""
    return StoredBatches(pa.memory_map(str(path)).read_buffer())


def batches_of(table: pa.Table) -> StoredBatches:
    """Return a copy of a table in memory."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return StoredBatches(sink.getvalue())
