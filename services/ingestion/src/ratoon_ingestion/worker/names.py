"""Names of 32 bytes as arrays, and their order."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.arrays import BLOCK, Arrays, blocks, is_new, sort_into
from ratoon_ingestion.worker.arrays import Numbers as Numbers

Names = npt.NDArray[np.uint64]
"""Names of 32 bytes, four big-endian numbers a row, whose order is that of their hexadecimal form."""


def names_of(digests: Sequence[str]) -> Names:
    """Return names from their 64 hexadecimal digits."""
    return np.frombuffer(bytes.fromhex("".join(digests)), ">u8").astype(np.uint64).reshape(-1, 4)


def hexadecimal(name: Names) -> str:
    """Return the 64 hexadecimal digits of one name."""
    return name.astype(">u8").tobytes().hex()


def hexadecimals(names: Names) -> list[str]:
    """Return the 64 hexadecimal digits of each name."""
    digits = names.astype(">u8").tobytes().hex()
    return [digits[start : start + 64] for start in range(0, len(digits), 64)]


def in_digits(names: Names, order: Numbers) -> Iterator[str]:
    """Yield the 64 hexadecimal digits of names in an order."""
    for part in blocks(len(order), _DIGITS_BLOCK):
        yield from hexadecimals(names[order[part]])


def order_of(*names: Names, arrays: Arrays | None = None) -> Numbers:
    """Return the rows in the order of their first names; those of equal ones in that of the next, then in their own."""
    first = names[0][:, 0]
    order: Numbers = (arrays or Arrays())(len(first), np.int64)
    for part in sort_into(order, first):
        rows = np.array(order[part])
        is_tied = ~is_new(first[rows])
        is_tied[:-1] |= is_tied[1:].copy()
        tied = rows[is_tied]
        columns = [column for each in names for column in each[tied].T]
        rows[is_tied] = tied[np.lexsort(columns[::-1])]
        order[part] = rows
    return order


def coded(names: Names, arrays: Arrays | None = None) -> tuple[Numbers, Numbers]:
    """Return the index of each name among the distinct ones in ascending order, and a row with each of these."""
    arrays = arrays or Arrays()
    order = order_of(names, arrays=arrays)
    first = is_first(names, order)
    codes: Numbers = arrays(len(order), np.int64)
    count = 0
    for part in blocks(len(order)):
        codes[order[part]] = count - 1 + np.cumsum(first[part])
        count += int(np.count_nonzero(first[part]))
    return codes, arrays.where(first, order)


def is_first(names: Names, order: Numbers) -> npt.NDArray[np.bool_]:
    """Return which rows, in their order, have another name than the one before."""
    first = np.ones(len(order), np.bool_)
    for start in range(1, len(order), BLOCK):
        rows = order[start - 1 : start + BLOCK]
        part = names[rows]
        first[start : start + BLOCK] = (part[1:] != part[:-1]).any(axis=1)
    return first


_DIGITS_BLOCK = 20_000
