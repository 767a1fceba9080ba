"""The tree of a dataset version on disk: record shards, rejections, profile, manifest."""

import json
from collections.abc import Iterator
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


def write_records(folder: Path, records: pa.Table, order: list[int]) -> None:
    """Shards `records-00000.parquet`, … with the rows in `order`."""
    chars = _lengths(records)
    for shard, start in enumerate(range(0, max(len(order), 1), SHARD_RECORDS)):
        path = folder / f"records-{shard:05d}.parquet"
        with pq.ParquetWriter(path, RECORDS, compression="zstd") as writer:
            for rows in _groups(order[start : start + SHARD_RECORDS], chars):
                group = records.take(pa.array(rows, pa.int64())).select(RECORDS.names).cast(RECORDS)
                writer.write_table(group, row_group_size=GROUP_RECORDS)


def write_rejected(folder: Path, rejected: pa.Table) -> None:
    """`rejected.parquet`, in the order of the steps in which items were rejected."""
    pq.write_table(rejected.cast(REJECTED), folder / "rejected.parquet", compression="zstd")


def write_json(folder: Path, name: str, value: dict[str, Any]) -> None:
    """A JSON file that is the same for the same value."""
    (folder / name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def merkle_root(record_ids: list[str], digests: list[str]) -> str:
    """The root over records in this order, in hex."""
    leaves = (merkle.leaf_hash(record, digest) for record, digest in zip(record_ids, digests, strict=True))
    return merkle.root(leaves).hex()


def write_shard(path: Path, records: pa.Table) -> None:
    """One file with these rows, in row groups as `write_records` makes them; rejections have no texts to be counted."""
    chars = _lengths(records)
    with pq.ParquetWriter(path, records.schema, compression="zstd") as writer:
        for rows in _groups(list(range(records.num_rows)), chars):
            writer.write_table(records.slice(rows[0], len(rows)), row_group_size=GROUP_RECORDS)


def _lengths(records: pa.Table) -> list[int]:
    """Characters of the texts of each row."""
    lengths = [0] * records.num_rows
    for name in ("text", "example"):
        if name in records.column_names:
            column = pc.utf8_length(records.column(name)).to_pylist()
            lengths = [before + (count or 0) for before, count in zip(lengths, column, strict=True)]
    return lengths


def _groups(rows: list[int], chars: list[int]) -> Iterator[list[int]]:
    """Rows for one row group after the other; a group ends early when its texts are long."""
    group: list[int] = []
    total = 0
    for row in rows:
        if group and (len(group) == GROUP_RECORDS or total + chars[row] > GROUP_CHARS):
            yield group
            group, total = [], 0
        group.append(row)
        total += chars[row]
    if group:
        yield group
