"""Arrays of one number or name a record, in files of a directory, and the order of their rows.

The system reads the pages of such a file and takes them back as they are used, so that memory does not grow with the
number of records. Sorting holds one part of the rows at a time.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BLOCK = 1 << 16
"""Rows that are read at a time."""
_PART = 1 << 16
"""Rows that are sorted at a time, if keys are evenly distributed."""
_MAX_PARTS = 1 << 12


class Arrays:
    """Arrays in files of a directory, which end with the arrays; without a directory in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def __call__(self, rows: int, dtype: npt.DTypeLike, *shape: int) -> npt.NDArray[Any]:
        """Return an array of zeros."""
        if self._folder is None or not rows:
            return np.zeros((rows, *shape), dtype)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            return np.asarray(np.memmap(file, dtype, "w+", shape=(rows, *shape)))

    def numbers(self, count: int) -> Numbers:
        """Return the numbers from 0 on."""
        numbers: Numbers = self(count, np.int64)
        for part in blocks(count):
            numbers[part] = np.arange(part.start, part.stop)
        return numbers

    def taken(self, values: npt.NDArray[Any], rows: Numbers) -> npt.NDArray[Any]:
        """Return the values of some rows, in their order."""
        result = self(len(rows), values.dtype, *values.shape[1:])
        for part in blocks(len(rows)):
            result[part] = values[rows[part]]
        return result

    def where(self, flags: Flags, values: Numbers) -> Numbers:
        """Return the values whose flag is set; `flags` has one a value."""
        result: Numbers = self(int(np.count_nonzero(flags)), np.int64)
        count = 0
        for part in blocks(len(values)):
            chosen = values[part][flags[part]]
            result[count : count + len(chosen)] = chosen
            count += len(chosen)
        return result


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Yield slices that cover some rows."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def sort_into(order: Numbers, keys: npt.NDArray[np.integer[Any]]) -> Iterator[slice]:
    """Write the rows in the order of their keys, which are not negative; those of equal keys in their own order.

    Yields each part of `order` once it is sorted; rows with equal keys are in one part.
    """
    shift, parts = _parting(keys)
    if parts == 1:
        order[:] = np.argsort(keys, kind="stable")
        yield slice(0, len(keys))
        return
    counts = np.zeros(parts, np.int64)
    for block in blocks(len(keys)):
        counts += np.bincount(_parts(keys[block], shift), minlength=parts)
    ends = np.cumsum(counts)
    free = ends - counts
    for block in blocks(len(keys)):
        numbers = _parts(keys[block], shift)
        rows = np.argsort(numbers, kind="stable")
        sizes = np.bincount(numbers, minlength=parts)
        firsts = np.cumsum(sizes) - sizes
        in_part = numbers[rows]
        order[free[in_part] + np.arange(len(rows)) - firsts[in_part]] = rows + block.start
        free += sizes
    for start, stop in zip((ends - counts).tolist(), ends.tolist(), strict=True):
        if start < stop:
            rows = np.array(order[start:stop])
            order[start:stop] = rows[np.argsort(keys[rows], kind="stable")]
            yield slice(start, stop)


def _parting(keys: npt.NDArray[np.integer[Any]]) -> tuple[int, int]:
    """Return the number of low bits by which keys of one part differ, and the number of parts."""
    if len(keys) <= 2 * _PART:
        return 0, 1
    largest = max(int(keys[block].max()) for block in blocks(len(keys)))
    count = min(-(-len(keys) // _PART), _MAX_PARTS)
    shift = max(0, largest.bit_length() - count.bit_length())
    return shift, (largest >> shift) + 1


def _parts(keys: npt.NDArray[np.integer[Any]], shift: int) -> Numbers:
    numbers: Numbers = (keys >> keys.dtype.type(shift)).astype(np.int64)
    return numbers


def is_new(values: npt.NDArray[Any]) -> Flags:
    """Return which of some values in order differ from the one before; the first does."""
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


class Groups:
    """Groups of two or more rows: their bounds in an order of all rows."""

    def __init__(self, order: Numbers, first: Flags) -> None:
        """`first`: which rows in their order begin a group."""
        self._order = order
        after = np.ones(len(first), np.bool_)
        after[:-1] = first[1:]
        self._starts: Numbers = np.flatnonzero(first & ~after)
        self._stops: Numbers = np.flatnonzero(~first & after) + 1

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Numbers]:
        """Yield the rows of each group, in the order of all."""
        for part in blocks(len(self._starts), 1 << 12):
            for start, stop in zip(self._starts[part].tolist(), self._stops[part].tolist(), strict=True):
                yield np.array(self._order[start:stop])


def equal_rows(keys: npt.NDArray[np.integer[Any]], arrays: Arrays) -> Groups:
    """Return groups of rows with equal keys, which are not negative: in the order of the keys, then of the rows."""
    order: Numbers = arrays(len(keys), np.int64)
    first = np.ones(len(keys), np.bool_)
    for part in sort_into(order, keys):
        first[part] = is_new(keys[order[part]])
    return Groups(order, first)
