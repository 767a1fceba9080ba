"""Characters, words and lines of a batch of texts as arrays, so that filters need no loop over texts.

Owns what a word is for filters: the expression `WORD`, which `Texts.words` evaluates over code points in numpy. All
hashes of segments come from one prefix sum per batch: polynomials modulo 2^64 (Rabin and Karp, 1987).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

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
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
MIX = np.uint64(0xD6E8FEB86659FD93)
_MAX_CHARS = 1 << 19
"""Characters of the texts that are processed at a time; a longer text is processed alone."""

_BUCKET_SHIFT = np.uint64(46)
"""Bits of a hash by which hashes are counted first: most of those that occur once are alone in their buckets."""

Array = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint32]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Segments:
    """Segments in their order: positions of their first characters and after their last ones, and their texts."""

    starts: Array
    ends: Array
    rows: Array

    @property
    def chars(self) -> Array:
        """Return the number of characters of each segment."""
        return self.ends - self.starts

    def where(self, flags: Flags) -> "Segments":
        """Return the segments whose flag is set."""
        return Segments(self.starts[flags], self.ends[flags], self.rows[flags])


class Texts:
    """Texts as one array of code points, each followed by a line end of its own."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.count = len(texts)
        self.chars: Array = np.fromiter(map(len, texts), np.int64, self.count)
        self.ends: Array = np.cumsum(self.chars + 1) - 1
        self.starts: Array = self.ends - self.chars
        self.codes = _codes("\n".join((*texts, "")))
        self.classes = _CHARACTERS.classes(self.codes)

    def flagged(self, bit: int) -> Array:
        """Return the positions of the characters of a class."""
        return np.flatnonzero(self.classes & np.uint8(bit) != 0)

    def counts(self, positions: Array) -> Array:
        """Return the number of positions in each text; positions ascend."""
        return between(positions, self.starts, self.ends)

    def rows_of(self, positions: Array) -> Array:
        """Return the text of each position; positions ascend."""
        bounds = np.searchsorted(positions, self.starts)
        return np.repeat(np.arange(self.count), np.diff(bounds, append=len(positions)))

    def hashes(self, segments: Segments) -> Hashes:
        """Return the hash of each segment; equal characters have equal hashes, in whatever text."""
        length = int(segments.starts.max(initial=0)) + 1
        hashes: Hashes = self._sums[segments.ends] - self._sums[segments.starts]
        hashes *= _POWERS.of(_INVERSE, length)[segments.starts]
        hashes ^= hashes >> np.uint64(31)
        hashes *= MIX
        hashes ^= hashes >> np.uint64(29)
        return hashes

    @cached_property
    def is_dense(self) -> Flags:
        """Whether a third or more of the characters of a text are of scripts without spaces between words."""
        dense = self.flagged(DENSE)
        if not len(dense):
            return np.zeros(self.count, np.bool_)
        return self.counts(dense) * 3 >= np.maximum(self.counts(self.solid), 1)

    @cached_property
    def solid(self) -> Array:
        """The positions of the characters that are not white space."""
        return np.flatnonzero(self.classes & np.uint8(SPACE) == 0)

    @cached_property
    def words(self) -> Segments:
        """The words of the texts, as `WORD` finds them."""
        codes, is_solid = self.codes, self.classes & np.uint8(SPACE) == 0
        starts_inside = self._joined(self.classes & np.uint8(IN_WORD) != 0)
        for mark in (ord("."), ord("-")):
            is_mark = codes == mark
            starts_inside[1:] |= is_mark[1:] & is_mark[:-1]
        starts = np.flatnonzero(is_solid & ~starts_inside)
        ends_inside = np.append(starts_inside[1:], False)
        ends = np.flatnonzero(is_solid & ~ends_inside) + 1
        return Segments(starts, ends, self.rows_of(starts))

    def _joined(self, is_word: Flags) -> Flags:
        """Return whether each character continues a word, after a letter or a connector between two letters."""
        joined = np.zeros(len(is_word), np.bool_)
        joined[1:] = is_word[1:] & is_word[:-1]
        connectors = self.flagged(CONNECTOR)
        connectors = connectors[connectors > 0]
        inner = connectors[is_word[connectors - 1] & is_word[connectors + 1]]
        joined[inner] = True
        joined[inner + 1] = True
        return joined

    @cached_property
    def lines(self) -> Segments:
        """What is between line ends; empty lines too."""
        ends = self.line_ends
        starts = np.append(0, ends[:-1] + 1)[: len(ends)]
        return Segments(starts, ends, self.rows_of(starts))

    @cached_property
    def line_ends(self) -> Array:
        """The positions of all line ends, with the one after each text."""
        return np.flatnonzero(self.codes == ord("\n"))

    @cached_property
    def _sums(self) -> Hashes:
        """Prefix sums of the characters times the powers of a base."""
        sums = np.empty(len(self.codes) + 1, np.uint64)
        sums[0] = 0
        np.multiply(self.codes, _POWERS.of(_BASE, len(self.codes)), out=sums[1:])
        np.cumsum(sums, out=sums)
        return sums


def between(positions: Array, starts: Array, ends: Array) -> Array:
    """Return the number of positions between each start and end; all ascend."""
    counts: Array = np.searchsorted(positions, ends) - np.searchsorted(positions, starts)
    return counts


def is_repeated(hashes: Hashes) -> Flags:
    """Return whether a hash occurs more than once."""
    buckets = (hashes >> _BUCKET_SHIFT).astype(np.int64)
    flags: Flags = np.bincount(buckets, minlength=1)[buckets] > 1
    places = np.flatnonzero(flags)
    flags[places] = pl.Series(hashes[places]).is_duplicated().to_numpy()
    return flags


def is_first_distinct(hashes: Hashes, rows: Array) -> Flags:
    """Return whether no earlier segment of the same text has the same hash."""
    keys = hashes + rows.astype(np.uint64) * MIX
    flags: Flags = pl.Series(keys).is_first_distinct().to_numpy()
    return flags


def pieces(column: pa.Array) -> Iterator[Texts]:
    """Yield the texts of a column, as many at a time as bound the memory."""
    texts: list[str] = []
    chars = 0
    for text in column.to_pylist():
        if texts and chars + len(text) > _MAX_CHARS:
            yield Texts(texts)
            texts, chars = [], 0
        texts.append(text)
        chars += len(text)
    if texts:
        yield Texts(texts)


class _Powers:
    """Powers of numbers modulo 2^64."""

    def __init__(self) -> None:
        self._known: dict[int, Hashes] = {}

    def of(self, base: int, count: int) -> Hashes:
        """Return the first powers, from 1 on; those for usual batches are kept."""
        powers = self._known.get(base)
        if powers is None or len(powers) < count:
            powers = np.full(max(count, 2 * _MAX_CHARS), base, np.uint64)
            powers[0] = 1
            np.multiply.accumulate(powers, out=powers)
            if len(powers) <= 2 * _MAX_CHARS:
                self._known[base] = powers
        return powers[:count]


class _Characters:
    """Classes of code points, found by expressions when a text first needs their plane of Unicode."""

    def __init__(self) -> None:
        self._table = np.empty(0, np.uint8)

    def classes(self, codes: Codes) -> Bits:
        """Return the classes of characters."""
        highest = int(codes.max(initial=0))
        while len(self._table) <= highest:
            self._table = np.concatenate((self._table, _plane(len(self._table))))
        return self._table[codes]


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


_POWERS, _CHARACTERS = _Powers(), _Characters()
