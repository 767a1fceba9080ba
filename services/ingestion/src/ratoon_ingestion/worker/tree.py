"""The tree of a dataset version on disk: record shards, rejections, profile, manifest."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon_ingestion.domain import merkle
from ratoon_ingestion.worker.batches import RECORDS, REJECTED

SHARD_RECORDS = 50_000
GROUP_RECORDS, GROUP_CHARS = 500, 4_000_000
"""Records, and characters of their texts, of a row group: what a page of records reads at once."""

REJECTED_ROWS = 20_000
"""Rejections of a row group."""


class RecordWriter:
    """Writes shards `records-00000.parquet`, …; memory holds the rows of one group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shard = self._in_shard = 0
        self._waiting: pa.Table = RECORDS.empty_table()
        self._writer = self._opened()

    def add(self, records: pa.Table) -> None:
        """Write further records."""
        self._waiting = pa.concat_tables([self._waiting, records.select(RECORDS.names).cast(RECORDS)])
        self._write(is_last=False)

    def finish(self) -> None:
        """Write what is left."""
        self._write(is_last=True)
        self._writer.close()

    def _write(self, *, is_last: bool) -> None:
        chars = _lengths(self._waiting)
        start = 0
        while start < len(chars):
            if self._in_shard == SHARD_RECORDS:
                self._writer.close()
                self._shard, self._in_shard = self._shard + 1, 0
                self._writer = self._opened()
            limit = min(GROUP_RECORDS, SHARD_RECORDS - self._in_shard)
            size, is_whole = _group(chars[start : start + limit], limit)
            if not is_whole and not is_last:
                break
            group = self._waiting.slice(start, size).combine_chunks()
            self._writer.write_table(group, row_group_size=GROUP_RECORDS)
            start, self._in_shard = start + size, self._in_shard + size
        self._waiting = self._waiting.slice(start)

    def _opened(self) -> pq.ParquetWriter:
        path = self._folder / f"records-{self._shard:05d}.parquet"
        return pq.ParquetWriter(path, RECORDS, compression="zstd")


@contextmanager
def writing(writer: RecordWriter, processes: int) -> Iterator[Callable[[pa.Table], None]]:
    """Write records, all of them at the end: with several processors, one table while the next is prepared."""
    if processes <= 1:
        yield writer.add
        writer.finish()
        return
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, "write-records") as thread:

        def write(table: pa.Table) -> None:
            while waiting:
                waiting.popleft().result()
            waiting.append(thread.submit(writer.add, table))

        yield write
        while waiting:
            waiting.popleft().result()
    writer.finish()


def write_records(folder: Path, records: pa.Table, order: list[int]) -> None:
    """Shards `records-00000.parquet`, … with the rows in `order`."""
    writer = RecordWriter(folder)
    for start in range(0, len(order), GROUP_RECORDS):
        writer.add(records.take(pa.array(order[start : start + GROUP_RECORDS], pa.int64())))
    writer.finish()


def write_rejected(folder: Path, rejected: pa.Table) -> None:
    """`rejected.parquet`, in the order of the steps in which items were rejected."""
    with pq.ParquetWriter(folder / "rejected.parquet", REJECTED, compression="zstd") as writer:
        for start in range(0, max(rejected.num_rows, 1), REJECTED_ROWS):
            part = rejected.slice(start, REJECTED_ROWS).combine_chunks()
            writer.write_table(part.cast(REJECTED), row_group_size=REJECTED_ROWS)


def write_json(folder: Path, name: str, value: dict[str, Any]) -> None:
    """A JSON file that is the same for the same value."""
    (folder / name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def merkle_root(record_ids: Iterable[str], digests: Iterable[str]) -> str:
    """The root over records in this order, in hex."""
    leaves = (merkle.leaf_hash(record, digest) for record, digest in zip(record_ids, digests, strict=True))
    return merkle.root(leaves).hex()


def write_shard(path: Path, records: pa.Table) -> None:
    """One file with these rows, in row groups as `write_records` makes them; rejections have no texts to be counted."""
    chars = _lengths(records)
    with pq.ParquetWriter(path, records.schema, compression="zstd") as writer:
        for start, size in _groups(chars):
            writer.write_table(records.slice(start, size), row_group_size=GROUP_RECORDS)


def _lengths(records: pa.Table) -> list[int]:
    """Characters of the texts of each row."""
    lengths = [0] * records.num_rows
    for name in ("text", "example"):
        if name in records.column_names:
            column = pc.utf8_length(records.column(name)).to_pylist()
            lengths = [before + (count or 0) for before, count in zip(lengths, column, strict=True)]
    return lengths


def _groups(chars: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first row of each row group, and their number."""
    start = 0
    while start < len(chars):
        size, _ = _group(chars[start : start + GROUP_RECORDS], GROUP_RECORDS)
        yield start, size
        start += size


def _group(chars: list[int], limit: int) -> tuple[int, bool]:
    """Return how many rows a row group takes, and whether no further one fits; it ends early when texts are long."""
    total = 0
    for size, count in enumerate(chars):
        total += count
        if size and total > GROUP_CHARS:
            return size, True
    return len(chars), len(chars) == limit
