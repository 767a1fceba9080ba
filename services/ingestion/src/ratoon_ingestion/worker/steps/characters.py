"""Characters, words and lines of a batch of texts as arrays, so that filters need no loop over texts.

Owns what a word is for filters: the expression `WORD`, which `kernels.scan` evaluates over UTF-8.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

WORD = r"[\p{L}\p{M}\p{N}_]+(?:['’.\-/][\p{L}\p{M}\p{N}_]+)*|\.{2,}|-{2,}|[^\s\p{L}\p{M}\p{N}_]"
"""Words, and punctuation marks as words of their own."""
DENSE_RANGES = (
    r"\x{0e00}-\x{0eff}\x{1000}-\x{109f}\x{1780}-\x{17ff}\x{2e80}-\x{9fff}"
    r"\x{f900}-\x{faff}\x{20000}-\x{3ffff}"
)
"""Characters of scripts without spaces between words."""
SPACE, IN_WORD, CONNECTOR, LETTER, PLAIN, DENSE, TERMINAL, IDEOGRAPH = (1 << bit for bit in range(8))
"""Classes of characters, one bit each; `PLAIN` is neither punctuation, symbol nor white space."""
_CLASSES = {
    SPACE: r"\s",
    IN_WORD: r"[\p{L}\p{M}\p{N}_]",
    CONNECTOR: r"['’.\-/]",
    LETTER: r"\p{L}",
    PLAIN: r"[^\p{P}\p{S}\s]",
    DENSE: f"[{DENSE_RANGES}]",
    TERMINAL: r"\p{Sentence_Terminal}",
    IDEOGRAPH: r"[\x{3400}-\x{9fff}\x{f900}-\x{faff}\x{20000}-\x{3ffff}]",
}
_PLANE = 1 << 16
_NO_TEXT = np.arange(0xD800, 0xE000, dtype=np.uint32)
"""Surrogates, which are not characters."""
MIX = np.uint64(0xD6E8FEB86659FD93)
_MAX_BYTES = 1 << 19
"""Bytes of the texts that are processed at a time; a longer text is processed alone."""
_FOUR_BYTES, _MAX_CODE = 0xF0, 0x10FFFF
"""The least first byte of a character outside of the first plane of Unicode, and the last character."""

Array = npt.NDArray[np.signedinteger[Any]]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint32]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Words:
    """Words of all texts in their order: where each begins and ends in bytes, its number of characters, their classes,
    its first character, and the first four as one number."""

    starts: Array
    ends: Array
    chars: Array
    bits: Array
    firsts: Array
    keys: Array


@dataclass(frozen=True)
class Lines:
    """What is between line ends, of all texts in their order; empty lines too.

    `starts`, `ends`: bytes where a line begins and ends; `heads`, `tails`: those of the part without outer white space;
    `chars`, `solid`, `dense`, `ideographs`: numbers of characters, of those that are not white space, and of those of
    these classes; `firsts`: first one that is not white space; `last_bits`: classes of the last character; `ellipses`:
    whether that part ends in an ellipsis; `rows`: their texts.
    """

    starts: Array
    ends: Array
    heads: Array
    tails: Array
    chars: Array
    solid: Array
    dense: Array
    ideographs: Array
    firsts: Array
    last_bits: Array
    ellipses: Array
    rows: Array

    def where(self, flags: Flags) -> "Lines":
        """Return the lines whose flag is set."""
        return Lines(*(getattr(self, each.name)[flags] for each in fields(self)))


class Texts:
    """Texts in UTF-8, with their words and lines."""

    def __init__(self, column: pa.Array) -> None:
        self.count = len(column)
        _, offsets, data = column.buffers()
        self.bounds: Array = np.zeros(1, np.int32)
        if self.count:
            self.bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + self.count + 1]
        self.data: Bits = np.frombuffer(data, np.uint8) if data and self.bounds[-1] else np.zeros(0, np.uint8)

    @property
    def words(self) -> Words:
        """The words of the texts, as `WORD` finds them."""
        return self._words[0]

    @property
    def word_places(self) -> Array:
        """The number of words before each text, and of all."""
        return self._words[1]

    @property
    def lines(self) -> Lines:
        """The lines of the texts."""
        return self._lines[0]

    @property
    def line_places(self) -> Array:
        """The number of lines before each text, and of all."""
        return self._lines[1]

    @cached_property
    def chars(self) -> Array:
        """The number of characters of each text."""
        return sums(self.lines.chars, self.line_places) + np.diff(self.line_places) - 1

    @cached_property
    def is_dense(self) -> Flags:
        """Whether a third or more of the characters of a text are of scripts without spaces between words."""
        if not self.lines.dense.any():
            return np.zeros(self.count, np.bool_)
        dense, solid = (sums(each, self.line_places) for each in (self.lines.dense, self.lines.solid))
        return np.asarray(dense * 3 >= np.maximum(solid, 1))

    def hashes(self, starts: Array, ends: Array) -> Hashes:
        """Return the hash of the bytes between each start and end."""
        from ratoon_ingestion.worker.steps import kernels

        result = np.empty(len(starts), np.uint64)
        kernels.hashed(self.data, starts, ends, result)
        return result

    def lengths(self, starts: Array, ends: Array) -> Array:
        """Return the number of characters between each start and end."""
        from ratoon_ingestion.worker.steps import kernels

        result = np.empty(len(starts), np.int64)
        kernels.lengths(self.data, starts, ends, result)
        return result

    @cached_property
    def _classes(self) -> Bits:
        return _CHARACTERS.up_to(int(self._used.max(initial=0)))

    @property
    def _used(self) -> Bits:
        return self.data[int(self.bounds[0]) : int(self.bounds[-1])]

    @cached_property
    def _words(self) -> tuple[Words, Array]:
        from ratoon_ingestion.worker.steps import kernels

        words, places = np.empty((6, len(self._used)), np.int32), np.zeros(self.count + 1, np.int64)
        kernels.words(self.data, self.bounds, self._classes, words, places)
        return Words(*words[:, : places[-1]]), places

    @cached_property
    def _lines(self) -> tuple[Lines, Array]:
        from ratoon_ingestion.worker.steps import kernels

        count = int(np.count_nonzero(self._used == ord("\n"))) + self.count
        lines, places = np.empty((11, count), np.int32), np.zeros(self.count + 1, np.int64)
        kernels.lines(self.data, self.bounds, self._classes, lines, places)
        rows = np.repeat(np.arange(self.count), np.diff(places))
        return Lines(*(*lines, rows)), places


def sums(values: npt.NDArray[Any], places: Array) -> Array:
    """Return the sums of the values between places."""
    ends = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    differences: Array = ends[places[1:]] - ends[places[:-1]]
    return differences


def is_first_distinct(hashes: Hashes, rows: Array) -> Flags:
    """Return whether no earlier segment of the same text has the same hash."""
    keys = hashes + rows.astype(np.uint64) * MIX
    flags: Flags = pl.Series(keys).is_first_distinct().to_numpy()
    return flags


def counted(column: pa.Array, counts: Callable[[Texts], Mapping[str, npt.NDArray[Any]]]) -> Mapping[str, Any]:
    """Return the counts of each text of a column."""
    columns = [counts(texts) for texts in pieces(column)] or [counts(Texts(column))]
    return {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}


def pieces(column: pa.Array) -> Iterator[Texts]:
    """Yield the texts of a column, as many at a time as bound the memory."""
    ends = np.cumsum(pc.binary_length(column).to_numpy(zero_copy_only=False), dtype=np.int64)
    start = 0
    while start < len(ends):
        limit = (int(ends[start - 1]) if start else 0) + _MAX_BYTES
        end = max(start + 1, int(np.searchsorted(ends, limit, side="right")))
        yield Texts(column.slice(start, end - start))
        start = end


class _Characters:
    """Classes of code points, found by expressions when a text first needs their plane of Unicode."""

    def __init__(self) -> None:
        self._table = np.empty(0, np.uint8)

    def up_to(self, byte: int) -> Bits:
        """Return the classes of all characters whose first byte is not greater."""
        highest = min((byte & 7) << 18 | 0x3FFFF, _MAX_CODE) if byte >= _FOUR_BYTES else 0xFFFF
        while len(self._table) <= highest:
            self._table = np.concatenate((self._table, _plane(len(self._table))))
        return self._table


def _plane(start: int) -> Bits:
    """Return the classes of 65,536 code points; of NUL and surrogates `PLAIN`."""
    table = np.full(_PLANE, PLAIN, np.uint8)
    codes = np.setdiff1d(np.arange(max(start, 1), start + _PLANE, dtype=np.uint32), _NO_TEXT)
    classes = np.zeros(len(codes), np.uint8)
    characters = pl.Series([codes.tobytes().decode("utf-32-le")])
    for bit, expression in _CLASSES.items():
        marked = _codes(characters.str.replace_all(expression, "\0").item())
        classes |= np.where(marked == 0, np.uint8(bit), np.uint8(0))
    table[codes - np.uint32(start)] = classes
    return table


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


_CHARACTERS = _Characters()
