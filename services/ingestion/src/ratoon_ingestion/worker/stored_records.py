"""Records of dataset versions and of parts of splits, as other jobs read them: block by block, or some rows of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.index.sketches import BLOCK
from ratoon_ingestion.worker.leakage import TextBlock
from ratoon_ingestion.worker.names import Numbers, names_of

EXAMPLE = "example"
_BLOCK_BYTES = 32 << 20
"""Bytes of a block, as they are in memory, after which it ends."""

Open = Callable[[], BinaryIO]


class NotADatasetVersion(Exception):
    """The artifact tree holds no records."""

    code, reason = "FAILED_PRECONDITION", "NOT_A_DATASET_VERSION"


class StoredRecords:
    """The rows of Parquet files, one file after the other; memory holds the row groups that are read."""

    def __init__(self, files: Sequence[Open]) -> None:
        self._files = files
        self._groups: list[tuple[int, int]] = []
        """File and row group within it."""
        self._bytes: list[int] = []
        self._current: tuple[int, BinaryIO, pq.ParquetFile] | None = None
        sizes, names = [0], frozenset[str]()
        for number in range(len(files)):
            metadata = self._file(number).metadata
            names = names or frozenset(self._file(number).schema_arrow.names)
            for group in range(metadata.num_row_groups):
                stated = metadata.row_group(group)
                self._groups.append((number, group))
                self._bytes.append(stated.total_byte_size)
                sizes.append(stated.num_rows)
        self._close()
        self.names = names
        """Names of the columns of the first file."""
        self._starts = np.cumsum(sizes, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def block_rows(self) -> int:
        """Number of records that are read at a time: fewer, if they are large."""
        mean = sum(self._bytes) // max(len(self), 1)
        return max(1, min(BLOCK, _BLOCK_BYTES // max(mean, 1)))

    def blocks(self, columns: Sequence[str], size: int = BLOCK) -> Iterator[tuple[int, pa.Table]]:
        """Yield the first row of each block, and its rows; a block ends early if its row groups are large."""
        first = 0
        while first < len(self._groups):
            last = first + 1
            while last < len(self._groups) and (
                self._starts[last + 1] - self._starts[first] <= size
                and sum(self._bytes[first : last + 1]) <= _BLOCK_BYTES
            ):
                last += 1
            yield int(self._starts[first]), self._read(range(first, last), columns)
            self._close()
            first = last

    def take(self, rows: Numbers, columns: Sequence[str]) -> pa.Table:
        """Return some rows in their order."""
        ascending = np.argsort(rows, kind="stable")
        in_order = rows[ascending]
        groups = np.searchsorted(self._starts, in_order, "right") - 1
        parts = [self._read([], columns)]
        for group in np.unique(groups).tolist():
            mine = in_order[np.searchsorted(groups, group) : np.searchsorted(groups, group, "right")]
            parts.append(self._read([group], columns).take(pa.array(mine - self._starts[group])))
        self._close()
        places = np.empty(len(rows), np.int64)
        places[ascending] = np.arange(len(rows))
        return pa.concat_tables(parts).combine_chunks().take(pa.array(places))

    def texts(self) -> Iterator[TextBlock]:
        """Yield the records by which others are compared, in blocks; their texts are read when they are needed."""
        for start, table in self.blocks(["record_id", "content_digest"]):
            yield self.text_block(start + np.arange(table.num_rows), table)

    def text_block(self, rows: Numbers, table: pa.Table) -> TextBlock:
        """Return some rows, whose record ids and content digests were read, as they are compared."""
        ids, digests = (names_of(table.column(name).to_pylist()) for name in ("record_id", "content_digest"))

        def read(places: npt.NDArray[np.int64]) -> pa.Table:
            return self.take(rows[places], ["text", EXAMPLE])

        return TextBlock(ids, digests, read)

    def _read(self, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return the rows of row groups; `example`, which older releases did not write, is null then."""
        by_file: dict[int, list[int]] = {}
        for number, group in (self._groups[each] for each in groups):
            by_file.setdefault(number, []).append(group)
        parts = []
        for number, members in (by_file or {0: []}).items():
            file = self._file(number)
            present = file.schema_arrow.names
            table = file.read_row_groups(
                members, [name for name in columns if name in present or name != EXAMPLE], use_threads=False
            )
            if EXAMPLE in columns and EXAMPLE not in present:
                table = table.append_column(EXAMPLE, pa.nulls(table.num_rows, pa.string()))
            parts.append(table.select(list(columns)))
        return pa.concat_tables(parts)

    def _file(self, number: int) -> pq.ParquetFile:
        if self._current is None or self._current[0] != number:
            self._close()
            stream = self._files[number]()
            self._current = number, stream, pq.ParquetFile(stream)
        return self._current[2]

    def _close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None


def version_records(store: ArtifactStore, digest: str) -> StoredRecords:
    """Return the records of a dataset version; NotADatasetVersion if the tree has none."""
    shards = [file.sha256 for file in store.tree(digest) if file.path.startswith("records-")]
    if not shards:
        raise NotADatasetVersion(f"The artifact {digest} contains no records.")
    return stored_records(store, *shards)


def stored_records(store: ArtifactStore, *digests: str) -> StoredRecords:
    """Return the records of Parquet blobs."""

    def opener(digest: str) -> Open:
        return lambda: store.open(digest)

    return StoredRecords([opener(digest) for digest in digests])


def read_columns(store: ArtifactStore, digest: str, columns: Sequence[str]) -> pa.Table:
    """Return columns of all rows of a blob; `example` is null in those of older releases."""
    return pa.concat_tables(block for _, block in stored_records(store, digest).blocks(columns))


def local_records(path: Path) -> StoredRecords:
    """Return the records of a file of this machine."""
    return StoredRecords([lambda: cast(BinaryIO, path.open("rb"))])
