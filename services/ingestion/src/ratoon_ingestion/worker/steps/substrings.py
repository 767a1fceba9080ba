"""Exact substrings that occur in several texts, after Lee et al., arXiv 2107.06499, by hashes of all windows.

Memory is bounded: the windows are compared in rounds, in each of which hashes of one remainder are held.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Spans = list[tuple[int, int]]

WINDOWS = 1 << 24
"""Maximum number of windows to hold at once, of 16 bytes each."""
_BLOCK = 1 << 22
_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def repeated_spans(texts: Sequence[str], size: int, max_windows: int = WINDOWS) -> list[Spans]:
    """Return the spans of each text, of `size` or more characters, that stand in an earlier text or place.

    The first occurrence is in no span. Places are characters.
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    repeats = np.zeros(int(lengths.sum()), np.bool_)
    rounds = np.uint64(max(1, -(-len(repeats) // max_windows)))
    for remainder in range(int(rounds)):
        hashes, places = _windows(texts, starts, size, rounds, remainder)
        order = np.argsort(hashes, kind="stable")
        hashes, places = hashes[order], places[order]
        is_first = np.append(True, hashes[1:] != hashes[:-1]) if len(hashes) else np.zeros(0, np.bool_)
        firsts = places[np.maximum.accumulate(np.where(is_first, np.arange(len(hashes)), 0))]
        repeats[places[places >= firsts + size]] = True
    return [
        _spans(repeats[start : start + length], size)
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]


def without_spans(text: str, spans: Spans) -> str:
    """Return a text without spans, each of which is shortened to whole words."""
    pieces, place = [], 0
    for start, end in spans:
        while start < end and start and _joins(text, start):
            start += 1
        while start < end < len(text) and _joins(text, end):
            end -= 1
        pieces.append(text[place:start])
        place = end
    left = ""
    for piece in (*pieces, text[place:]):
        left += f" {piece}" if left and piece and _joins(left[-1] + piece[0], 1) else piece
    return left.strip()


def _joins(text: str, place: int) -> bool:
    """Return whether a place is within a word of letters that are written with spaces."""
    return all(each.isalnum() and each < "\u2e80" for each in text[place - 1 : place + 1])


def _spans(repeats: npt.NDArray[np.bool_], size: int) -> Spans:
    places = np.flatnonzero(repeats)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > size)
    firsts, lasts = np.append(places[0], places[breaks + 1]), np.append(places[breaks], places[-1])
    return [(int(first), int(last) + size) for first, last in zip(firsts, lasts, strict=True)]


def _windows(
    texts: Sequence[str], starts: npt.NDArray[np.int64], size: int, rounds: np.uint64, remainder: int
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the hashes of one remainder, and where their windows start."""
    hashes, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for block in _blocks(texts):
        joined = "".join(texts[row] for row in block)
        block_hashes = _hashes(joined, size)
        ends = np.repeat(
            [starts[row] + len(texts[row]) for row in block], [len(texts[row]) for row in block]
        )[: len(block_hashes)]
        here = starts[block.start] + np.arange(len(block_hashes))
        chosen = (here + size <= ends) & (block_hashes % rounds == np.uint64(remainder))
        hashes.append(block_hashes[chosen])
        places.append(here[chosen])
    return np.concatenate(hashes), np.concatenate(places)


def _blocks(texts: Sequence[str]) -> Iterator[range]:
    """Yield ranges of neighbouring texts of some million characters."""
    start = chars = 0
    for row, text in enumerate(texts):
        chars += len(text)
        if chars >= _BLOCK:
            yield range(start, row + 1)
            start, chars = row + 1, 0
    if start < len(texts):
        yield range(start, len(texts))


def _hashes(text: str, size: int) -> Hashes:
    """Return the hash of each window, from those of halves: windows of 1, 2, 4, … characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(codes) < size:
        return np.empty(0, np.uint64)
    with np.errstate(over="ignore"):
        hashes, width = _mixed(codes + np.uint64(1)), 1
        while 2 * width <= size:
            hashes = _mixed(hashes[:-width] * _BASE + hashes[width:])
            width *= 2
        count = len(codes) - size + 1
        if width == size:
            return hashes[:count]
        return _mixed(hashes[:count] * _MIX + hashes[size - width : size - width + count])


def _mixed(values: Hashes) -> Hashes:
    values = (values ^ (values >> np.uint64(30))) * _MIX
    return values ^ (values >> np.uint64(27))
