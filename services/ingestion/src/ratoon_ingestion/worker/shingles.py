"""Shingles of many texts at once, and the sketches of their sets: SimHash and MinHash.

A shingle is five words in a row, case and punctuation left aside. Its hash depends on the words alone, so stored
sketches stay comparable. All functions work on whole arrays: no Python object is made for a word or a shingle.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

SHINGLE_WORDS = 5
PERMUTATIONS = 128
SKETCHING = 2
"""Version of the hashes: sketches of different versions cannot be compared."""

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
"""Where the values of each record begin in an array that holds those of all records, and where the last ones end."""

_CODE_POINTS = 0x110000
_BLOCK_CHARS = 1 << 16
"""Characters of texts that are hashed at a time: their arrays fit in the cache of a core."""
_BLOCK_SHINGLES = 1 << 15
_CHAR, _CHAR_INVERSE = np.uint64(0x9E3779B97F4A7C15), np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_WORD = np.uint64(0xD6E8FEB86659FD93)
_LANES = 255
"""Numbers of one bit that can be added in a byte."""


def shingled(texts: Sequence[str]) -> tuple[Hashes, Offsets]:
    """Return the shingles of texts in which something separates the words: sorted, each once a text, and their offsets.

    A text of less than five words has one shingle. The words of a text without letters and digits are what white
    space separates.
    """
    parts = [_shingled(block) for block in _blocks(texts)]
    counts = np.concatenate([np.zeros(1, np.int64), *(np.diff(offsets) for _, offsets in parts)])
    flat = [hashes for hashes, _ in parts]
    return np.concatenate(flat) if flat else np.empty(0, np.uint64), np.cumsum(counts)


def simhashes(shingles: Hashes, offsets: Offsets) -> Hashes:
    """Return Charikar's SimHash (2002) of each set: a bit is that of most features; 0 of an empty set.

    The eight bits of a byte are counted in the eight bytes of one number.
    """
    sizes = np.diff(offsets)
    pieces = -(-sizes // _LANES)
    starts = np.repeat(offsets[:-1], pieces) + _LANES * _numbered(pieces)
    counts = np.zeros((len(sizes), 64), np.int64)
    values = shingles.astype("<u8").view(np.uint8).reshape(-1, 8)
    for byte in range(8) if len(starts) else ():
        bits = np.add.reduceat(_spread().take(values[:, byte]), starts)
        counts[:, 8 * byte : 8 * byte + 8] = _summed(bits.view(np.uint8).reshape(-1, 8), pieces)
    majority = counts * 2 > sizes[:, None]
    return np.packbits(majority, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)


def signatures(
    shingles: Hashes, offsets: Offsets, permutations: int = PERMUTATIONS
) -> npt.NDArray[np.uint32]:
    """Return MinHash signatures (Broder 1997), one row a permutation and one column a set.

    A permutation is an odd multiple of the upper half of a hash, plus a constant, modulo 2³².
    """
    sizes = np.diff(offsets)
    minima = np.full((permutations, len(sizes)), np.iinfo(np.uint32).max, np.uint32)
    factors, terms = _permutations()
    for rows in _ranges(offsets):
        columns = rows[sizes[rows] > 0]
        if not columns.size:
            continue
        first, last = offsets[rows[0]], offsets[rows[-1] + 1]
        values = (shingles[first:last] >> np.uint64(32)).astype(np.uint32)
        starts = offsets[columns] - first
        permuted = np.empty_like(values)
        for number in range(permutations):
            np.multiply(values, factors[number], out=permuted)
            np.add(permuted, terms[number], out=permuted)
            minima[number, columns] = np.minimum.reduceat(permuted, starts)
    return minima


def keys_of_bands(shingles: Hashes, offsets: Offsets, bands: int, width: int) -> npt.NDArray[np.uint32]:
    """Return a hash of each band of `width` values of the MinHash signatures, one row a band and one column a set."""
    parts = signatures(shingles, offsets, bands * width).reshape(bands, width, -1).astype(np.uint64)
    keys = np.full((bands, parts.shape[2]), PERMUTATIONS, np.uint64)
    for place in range(width):
        keys = (keys ^ parts[:, place]) * _CHAR
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32)


def similarity(left: Hashes, right: Hashes) -> float:
    """Return the Jaccard similarity of two sorted sets of shingles."""
    if not left.size or not right.size:
        return float(left.size == right.size)
    shared = np.intersect1d(left, right, assume_unique=True).size
    return shared / (left.size + right.size - shared)


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the texts in blocks of limited length; a longer one stands alone."""
    start = chars = 0
    for place, text in enumerate(texts):
        if chars and chars + len(text) > _BLOCK_CHARS:
            yield texts[start:place]
            start, chars = place, 0
        chars += len(text)
    if start < len(texts):
        yield texts[start:]


def _shingled(texts: Sequence[str]) -> tuple[Hashes, Offsets]:
    flat, counts = _of_words([text.lower() for text in texts], _values_of_words())
    without = [row for row in np.flatnonzero(counts == 0) if texts[row] and not texts[row].isspace()]
    if without:
        others, other_counts = _of_words([texts[row] for row in without], _values_of_visible())
        flat = np.insert(flat, np.repeat(np.cumsum(counts)[without], other_counts), others)
        counts[without] = other_counts
    return _distinct(flat, counts)


def _of_words(texts: Sequence[str], values: Hashes) -> tuple[Hashes, Offsets]:
    """Return the shingles of texts in their order, and the number of each text."""
    codes = _codes("\n".join(texts))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    words, starts = _words(codes, values)
    firsts = np.searchsorted(starts, np.cumsum(lengths + 1) - lengths - 1)
    sizes = np.diff(np.append(firsts, len(words)))
    stays = np.arange(len(words)) < np.repeat(firsts + sizes - SHINGLE_WORDS + 1, sizes)
    hashes = _joined(words, SHINGLE_WORDS)
    for size in range(1, SHINGLE_WORDS):
        short = firsts[sizes == size]
        if short.size:
            hashes[short], stays[short] = _joined(words, size)[short], True
    return hashes[stays], np.where(sizes, np.maximum(sizes - SHINGLE_WORDS + 1, 1), 0)


def _codes(text: str) -> npt.NDArray[Any]:
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _words(codes: npt.NDArray[Any], values: Hashes) -> tuple[Hashes, Offsets]:
    """Return a hash of each word, and where it starts; characters between words have the value 0.

    A word is a polynomial in the values of its characters: a sum over its place, divided by the power where it starts.
    """
    values_at = values[:256].take(codes, mode="clip") if codes.dtype == np.uint8 else values[codes]
    inside = np.zeros(len(codes) + 1, np.bool_)
    np.not_equal(values_at, 0, out=inside[1:])
    starts = np.flatnonzero(inside[1:] > inside[:-1])
    hashes = np.empty(len(starts), np.uint64)
    place = 0
    while place < len(starts):
        first = starts[place]
        stop = int(np.searchsorted(starts, first + _BLOCK_CHARS, "right"))
        end = starts[stop] if stop < len(starts) else len(codes)
        powers, inverses = _powers(int(end - first))
        within = starts[place:stop] - first
        hashes[place:stop] = np.add.reduceat(values_at[first:end] * powers, within) * inverses[within]
        place = stop
    return hashes, starts


def _joined(words: Hashes, size: int) -> Hashes:
    """Return a hash of each word with those that follow, up to `size` in all; the last ones have no meaning."""
    hashes = words.copy()
    for step in range(1, min(size, len(words))):
        hashes *= _WORD
        hashes[:-step] += words[step:]
    return _mixed(hashes)


def _mixed(values: Hashes) -> Hashes:
    """Mix the bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _distinct(flat: Hashes, counts: npt.NDArray[np.int64]) -> tuple[Hashes, Offsets]:
    """Sort the values of each row, and drop repeated ones."""
    ends = np.cumsum(counts)
    for start, end in zip((ends - counts).tolist(), ends.tolist(), strict=True):
        flat[start:end].sort()
    is_new = np.ones(len(flat), np.bool_)
    is_new[1:] = flat[1:] != flat[:-1]
    is_new[(ends - counts)[counts > 0]] = True
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_new)])
    return flat[is_new], before[np.concatenate([np.zeros(1, np.int64), ends])]


def _ranges(offsets: Offsets) -> Iterator[npt.NDArray[np.int64]]:
    """Yield rows in ranges of limited size."""
    start = 0
    while start < len(offsets) - 1:
        stop = int(np.searchsorted(offsets, offsets[start] + _BLOCK_SHINGLES, "right")) - 1
        stop = max(start + 1, stop)
        yield np.arange(start, stop)
        start = stop


def _numbered(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the members of groups of these sizes from 0."""
    ends = np.cumsum(sizes)
    return np.arange(sizes.sum()) - np.repeat(ends - sizes, sizes)


def _summed(counts: npt.NDArray[np.uint8], pieces: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sum groups of rows; an empty group has zeros."""
    sums = np.zeros((len(pieces), counts.shape[1]), np.int64)
    filled = np.flatnonzero(pieces)
    if filled.size:
        starts = (np.cumsum(pieces) - pieces)[filled]
        sums[filled] = np.add.reduceat(counts, starts, axis=0, dtype=np.int64)
    return sums


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the first powers of a base, and their inverses modulo 2⁶⁴."""
    powers, inverses = _stored_powers() if count <= 2 * _BLOCK_CHARS else _computed_powers(count)
    return powers[:count], inverses[:count]


@cache
def _stored_powers() -> tuple[Hashes, Hashes]:
    return _computed_powers(2 * _BLOCK_CHARS)


def _computed_powers(count: int) -> tuple[Hashes, Hashes]:
    bases = np.full((2, count), [[_CHAR], [_CHAR_INVERSE]], np.uint64)
    bases[:, 0] = 1
    powers, inverses = np.multiply.accumulate(bases, axis=1)
    return powers, inverses


def _values() -> Hashes:
    """Return a random-looking value of each code point."""
    return _mixed(np.arange(1, _CODE_POINTS + 1, dtype=np.uint64) * _CHAR)


@cache
def _values_of_words() -> Hashes:
    """Return the value of each code point in words of letters and digits."""
    return np.where(np.strings.isalnum(_characters()), _values(), np.uint64(0))


@cache
def _values_of_visible() -> Hashes:
    """Return the value of each code point in words of all that is no white space."""
    return np.where(np.strings.isspace(_characters()), np.uint64(0), _values())


def _characters() -> npt.NDArray[np.str_]:
    return np.arange(_CODE_POINTS, dtype=np.uint32).view("U1")


@cache
def _spread() -> Hashes:
    """Return, by byte, a number whose bytes are its bits."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view(np.uint64).ravel()


@cache
def _permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    numbers = _mixed(np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64) * _WORD)
    values = (numbers >> np.uint64(32)).astype(np.uint32)
    return values[:PERMUTATIONS] | np.uint32(1), values[PERMUTATIONS:]
