"""Segments from sketches, and segments from segments: merged, and without what was erased.

Memory follows the size of a block, not the number of records.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.index.segment import Layout, Rows, Segment, SegmentWriter, opened, ranges
from ratoon_ingestion.worker.index.sketches import (
    BLOCK,
    BLOCK_SHINGLES,
    EMPTY,
    Sketches,
    band_keys,
    joined,
    quarters,
    spans,
)
from ratoon_ingestion.worker.names import Names

_ENTRIES = 1 << 18
"""Entries of a table that are merged at a time."""
_GONE = np.uint32(0xFFFFFFFF)


def build(blocks: Iterable[Sketches], layout: Layout, path: Path) -> Segment:
    """Write a segment of records, each once; blocks may come in any order."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        runs = [
            opened(_run(block, layout, Path(folder), number)) for number, block in enumerate(_cut(blocks))
        ]
        return merge(runs, path, layout)


def _cut(blocks: Iterable[Sketches]) -> Iterator[Sketches]:
    """Yield blocks of limited size; one that is empty, if there is none."""
    is_empty = True
    for block in blocks:
        for rows in spans(np.diff(block.offsets)):
            is_empty = False
            is_whole = rows.stop - rows.start == len(block)
            yield block if is_whole else block.take(np.arange(rows.start, rows.stop))
    if is_empty:
        yield EMPTY


def _run(sketches: Sketches, layout: Layout, folder: Path, number: int) -> Path:
    """Write a segment of one block."""
    ordered = sketches.take(_order(sketches.ids, sketches.digests))
    writer = _writer(folder, f"run{number}")
    writer.append_rows(ordered.ids, ordered)
    keys: list[npt.NDArray[Any]] = [
        *band_keys(ordered, layout.bands, layout.width),
        *quarters(ordered.simhashes),
        np.ascontiguousarray(ordered.digests[:, 0]),
    ]
    for name, values in zip(layout.tables, keys, strict=True):
        order = np.argsort(values, kind="stable")
        writer.append(f"{name}_keys", values[order])
        writer.append(f"{name}_rows", order.astype(np.uint32))
    return writer.finish(folder / f"run{number}.idx", layout)


def merge(segments: Sequence[Segment], path: Path, layout: Layout, erased: Names | None = None) -> Segment:
    """Write one segment of all records of some, but for the erased ids; all have the bands of `layout`."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        writer = _writer(folder, "merged")
        places = [_places(folder, number, segment) for number, segment in enumerate(segments)]
        _merge_rows(segments, places, writer, erased)
        for table in layout.tables:
            _merge_table(segments, places, writer, table)
        return opened(writer.finish(path, layout))


def _places(folder: Path, number: int, segment: Segment) -> Rows:
    """Return a map, in a file, from the rows of a segment to those of the merged one; it begins with none."""
    if not len(segment):
        return np.empty(0, np.uint32)
    return np.memmap(folder / f"places{number}", np.uint32, "w+", shape=(len(segment),))


def _merge_rows(
    segments: Sequence[Segment], places: Sequence[Rows], writer: SegmentWriter, erased: Names | None
) -> None:
    count = 0
    total, shingles = sum(map(len, segments)), sum(len(each.array("shingles")) for each in segments)
    size = min(BLOCK, max(1, BLOCK_SHINGLES * total // max(shingles, 1)))
    for slices in ranges([each.array("id_keys") for each in segments], size):
        parts = [
            segment.sketches(np.arange(piece.start, piece.stop))
            for segment, piece in zip(segments, slices, strict=True)
        ]
        block = joined(parts)
        order = _order(block.ids, block.digests)
        stays = ~_is_repeated(block, order)
        if erased is not None:
            stays &= ~_is_erased(block.ids[order], erased)
        rows = np.full(len(block), _GONE, np.uint32)
        rows[order[stays]] = np.arange(count, count + int(stays.sum()), dtype=np.uint32)
        # a repeated row has the sketches of the one that stays, which stands in the tables already
        start = 0
        for target, piece in zip(places, slices, strict=True):
            target[piece] = rows[start : start + piece.stop - piece.start]
            start += piece.stop - piece.start
        left = block.take(order[stays])
        writer.append_rows(left.ids, left)
        count += len(left)
        _release(segments)
    if not count:
        writer.append_rows(EMPTY.ids, EMPTY)
    _release(segments)


def _merge_table(
    segments: Sequence[Segment], places: Sequence[Rows], writer: SegmentWriter, name: str
) -> None:
    tables = [segment.table(name) for segment in segments]
    empty = tables[0]
    writer.append(f"{name}_keys", empty[0][:0])
    writer.append(f"{name}_rows", np.empty(0, np.uint32))
    for slices in ranges([keys for keys, _ in tables], _ENTRIES):
        cuts = list(zip(tables, places, slices, strict=True))
        keys = np.concatenate([table[0][piece] for table, _, piece in cuts])
        rows = np.concatenate([target[table[1][piece]] for table, target, piece in cuts])
        left = np.flatnonzero(rows != _GONE)
        order = left[np.lexsort((rows[left], keys[left]))]
        writer.append(f"{name}_keys", keys[order])
        writer.append(f"{name}_rows", rows[order])
    _release(segments)


def _order(ids: Names, digests: Names) -> npt.NDArray[np.int64]:
    order: npt.NDArray[np.int64] = np.lexsort((*digests.T[::-1], *ids.T[::-1]))
    return order


def _is_repeated(block: Sketches, order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which rows, in order, have the id and digest of the row before."""
    ids, digests = block.ids[order], block.digests[order]
    same = (ids[1:] == ids[:-1]).all(axis=1) & (digests[1:] == digests[:-1]).all(axis=1)
    return np.concatenate([np.zeros(min(1, len(order)), np.bool_), same])


def _is_erased(ids: Names, erased: Names) -> npt.NDArray[np.bool_]:
    gone = np.zeros(len(ids), np.bool_)
    for each in erased:
        gone |= (ids == each).all(axis=1)
    return gone


def _writer(folder: Path, name: str) -> SegmentWriter:
    arrays = folder / name
    shutil.rmtree(arrays, ignore_errors=True)
    arrays.mkdir()
    return SegmentWriter(arrays)


def _release(segments: Iterable[Segment]) -> None:
    for segment in segments:
        segment.release()
