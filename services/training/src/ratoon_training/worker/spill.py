"""Rows in the order of a key, sorted in files: memory does not grow with their number. It does not know torch."""

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

_RUN_BYTES, _RUN_ROWS = 32 << 20, 50_000
"""Bytes and rows that are sorted in memory at a time, about."""
_BATCH_BYTES = 1 << 18
"""Bytes of a sorted run that are in memory while runs are merged, about."""

Row = tuple[Any, ...]


def in_order(rows: Iterable[Row], schema: pa.Schema, folder: Path) -> Iterator[Row]:
    """Yield rows in the order of their first column; equal ones keep their order.

    Rows that do not fit into memory wait in files in `folder`, which the caller removes.
    """
    runs = list[Path]()
    waiting, size = list[Row](), 0
    for row in rows:
        waiting.append(row)
        size += sum(len(value) for value in row if value is not None)
        if size >= _RUN_BYTES or len(waiting) >= _RUN_ROWS:
            runs.append(_written(sorted(waiting, key=_key), size, schema, folder / f"run-{len(runs)}.arrow"))
            waiting, size = [], 0
    waiting.sort(key=_key)
    yield from heapq.merge(*map(_read, runs), waiting, key=_key)


def _key(row: Row) -> Any:
    return row[0]


def _written(rows: list[Row], size: int, schema: pa.Schema, path: Path) -> Path:
    at_once = max(1, _BATCH_BYTES * len(rows) // max(1, size))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for at in range(0, len(rows), at_once):
            columns = zip(*rows[at : at + at_once], strict=True)
            arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    return path


def _read(path: Path) -> Iterator[Row]:
    with pa.OSFile(str(path), "rb") as source:
        for batch in pa.ipc.open_stream(source):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
