"""Loops over the bytes, words and lines of a batch of texts, compiled to machine code by numba.

The first call compiles for about as long as a few seconds of curation; numba keeps the result next to this file, or,
where that is read-only, below the home directory. `characters` and `repetition` import this module when they first need
it, because numba takes a third of a second and 30 MiB.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NEW_LINE, _DOT, _DASH, _ELLIPSIS, _HASH = map(ord, "\n.-…#")
_ASCII_END = 0x80
_DOTS = 3
"""Dots that are an ellipsis."""
_KEY_CHARS = 4
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX, _STEP = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x9E3779B97F4A7C15)
_HALF, _UPPER = np.uint64(29), np.uint64(32)
_SPACE, _IN_WORD, _CONNECTOR, _LETTER, _PLAIN, _DENSE_BIT, _IDEOGRAPH_BIT = 1, 2, 4, 8, 16, 5, 7
"""The classes of `characters` that the loops distinguish, as its bits."""


def compiled(function: _Function) -> _Function:
    """Return a function as machine code; it is compiled in each process where no directory for it is writable."""
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


@compiled
def _decoded(data: Any, place: Any) -> Any:  # pragma: no cover
    """Return the character of UTF-8 that begins at a byte, and its number of bytes."""
    first = np.int64(data[place])
    if first < 0x80:
        return first, 1
    second = np.int64(data[place + 1]) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    third = np.int64(data[place + 2]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, 3
    return (first & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[place + 3]) & 0x3F, 4


@compiled
def _is_word(data: Any, place: Any, end: Any, classes: Any) -> Any:  # pragma: no cover
    """Return whether a text has a character of a word at a byte."""
    return place < end and np.int64(classes[_decoded(data, place)[0]]) & _IN_WORD != 0


@compiled
def words(data: Any, bounds: Any, classes: Any, result: Any, places: Any) -> None:  # pragma: no cover
    """Find the words of texts.

    `data`: the texts in UTF-8, each from one of the `bounds` to the next. `classes`: the class of each character.
    `result`: filled with start and end (in bytes), number of characters, classes, first character and key of each word.
    `places`: filled with the number of words before each text and of all.
    """
    word = 0
    for row in range(len(bounds) - 1):
        places[row] = word
        place, end = np.int64(bounds[row]), np.int64(bounds[row + 1])
        while place < end:
            code, size = _decoded(data, place)
            bits = np.int64(classes[code])
            start = place
            place += size
            if bits & _SPACE:
                continue
            chars, key = 1, min(code, 0xFF)
            if bits & _IN_WORD:
                place, chars, bits, key = _rest_of_word(data, place, end, classes, bits, key)
            elif code == _DOT or code == _DASH:  # noqa: SIM109
                while place < end and np.int64(data[place]) == code:
                    if chars < _KEY_CHARS:
                        key |= code << (8 * chars)
                    place, chars = place + 1, chars + 1
            result[0, word], result[1, word], result[2, word] = start, place, chars
            result[3, word], result[4, word], result[5, word] = bits, code, key
            word += 1
    places[len(bounds) - 1] = word


@compiled
def _rest_of_word(
    data: Any, place: Any, end: Any, classes: Any, bits: Any, key: Any
) -> Any:  # pragma: no cover
    """Return where a word ends that began before a byte, its characters, classes and key."""
    chars = 1
    while place < end:
        code: Any = np.int64(data[place])
        size = 1
        if code >= _ASCII_END:
            code, size = _decoded(data, place)
        class_of = np.int64(classes[code])
        if class_of & _IN_WORD == 0 and (
            class_of & _CONNECTOR == 0 or not _is_word(data, place + size, end, classes)
        ):
            break
        if chars < _KEY_CHARS:
            key |= min(code, 0xFF) << (8 * chars)
        bits |= class_of
        place, chars = place + size, chars + 1
    return place, chars, bits, key


@compiled
def lines(data: Any, bounds: Any, classes: Any, result: Any, places: Any) -> None:  # pragma: no cover
    """Find the lines of texts.

    `data`, `bounds`, `classes`, `places`: as for `words`. `result`: filled with start and end, start and end of what is
    not white space (in bytes; equal if it is empty), number of characters, of those that are not white space, of a
    dense script, of ideographs, first character that is not white space, classes of the last character, and whether it
    ends in an ellipsis.
    """
    line = 0
    for row in range(len(bounds) - 1):
        places[row] = line
        place, end = np.int64(bounds[row]), np.int64(bounds[row + 1])
        is_open: Any = True
        while is_open:
            start, head, tail = place, place, place
            chars, solid, first = 0, 0, 0
            ideographs: Any = 0
            code: Any = 0
            bits: Any = 0
            dense: Any = 0
            dots: Any = 0
            while place < end and data[place] != _NEW_LINE:
                code, size = np.int64(data[place]), 1
                if code >= _ASCII_END:
                    code, size = _decoded(data, place)
                bits = np.int64(classes[code])
                if bits & _SPACE == 0:
                    if solid == 0:
                        head, first = place, code
                    dots = dots + 1 if code == _DOT and (tail == place or dots == 0) else code == _DOT
                    if code == _ELLIPSIS:
                        dots = _DOTS
                    tail = place + size
                    solid += 1
                    dense += (bits >> _DENSE_BIT) & 1
                    ideographs += bits >> _IDEOGRAPH_BIT
                chars += 1
                place += size
            result[0, line], result[1, line], result[2, line], result[3, line] = start, place, head, tail
            result[4, line], result[5, line], result[6, line], result[7, line] = (
                chars,
                solid,
                dense,
                ideographs,
            )
            result[8, line], result[9, line], result[10, line] = first, bits, dots >= _DOTS
            line += 1
            is_open = place < end
            place += 1
    places[len(bounds) - 1] = line


@compiled
def tally(
    bits: Any, chars: Any, firsts: Any, keys: Any, places: Any, stop_keys: Any, result: Any
) -> None:  # pragma: no cover
    """Count, for each text, words that are not punctuation, their characters, those with letters, ellipses, hash signs.

    `bits`, `chars`, `firsts`, `keys`: of each word, as `words` returns them. The sixth count is of the `stop_keys` that
    occur.
    """
    for row in range(len(places) - 1):
        stops: Any = 0
        for word in range(places[row], places[row + 1]):
            size, first = np.int64(chars[word]), firsts[word]
            if bits[word] & _PLAIN:
                result[row, 0] += 1
                result[row, 1] += size
            result[row, 2] += bits[word] & _LETTER != 0
            if first == _DOT:
                result[row, 3] += size // _DOTS
            result[row, 3] += first == _ELLIPSIS
            result[row, 4] += first == _HASH
            if size <= _KEY_CHARS:
                for place in range(len(stop_keys)):
                    stops |= np.int64(keys[word] == stop_keys[place]) << place
        while stops:
            result[row, 5] += stops & 1
            stops >>= 1


@compiled
def hashed(data: Any, starts: Any, ends: Any, result: Any) -> None:  # pragma: no cover
    """Fill `result` with a hash of the bytes between each start and end (FNV-1a, with a final mix)."""
    for row in range(len(starts)):
        value = _FNV_OFFSET
        for place in range(starts[row], ends[row]):
            value = (value ^ np.uint64(data[place])) * _FNV_PRIME
        value ^= value >> _UPPER
        value *= _MIX
        result[row] = value ^ (value >> _HALF)


@compiled
def lengths(data: Any, starts: Any, ends: Any, result: Any) -> None:  # pragma: no cover
    """Fill `result` with the number of characters between each start and end."""
    for row in range(len(starts)):
        count = 0
        for place in range(starts[row], ends[row]):
            count += (data[place] & 0xC0) != 0x80
        result[row] = count


@compiled
def sequences(
    hashes: Any, chars: Any, places: Any, top_sizes: int, sizes: int, result: Any
) -> None:  # pragma: no cover
    """Count the characters in repeated sequences of words of each text.

    `hashes`, `chars`: of each word; `places`: the number of words before each text and of all. `result`: filled, for
    sizes of 2 to `top_sizes` words, with the characters of the most frequent sequence with the spaces in it, the first
    of equally frequent ones, 0 if none repeats; for greater `sizes` with those of sequences that occurred before, each
    word counted once. Sequences are looked for where those of one word less repeat.
    """
    longest = 0
    for row in range(len(places) - 1):
        longest = max(longest, places[row + 1] - places[row])
    slots = _slots(longest)
    keys, marks = np.empty(slots, np.uint64), np.zeros(slots, np.int64)
    counts, firsts = np.empty(slots, np.int64), np.empty(slots, np.int64)
    starts, values, slot_of = (
        np.empty(longest, np.int64),
        np.empty(longest, np.uint64),
        np.empty(longest, np.int64),
    )
    ends = np.zeros(longest + 1, np.int64)
    mark = 0
    for row in range(len(places) - 1):
        words_of = hashes[places[row] : places[row + 1]]
        count = len(words_of)
        for word in range(count):
            ends[word + 1] = ends[word] + chars[places[row] + word]
            starts[word], values[word] = word, words_of[word]
        rest, left = np.uint64(_slots(count) - 1), count
        for size in range(2, sizes + 1):
            if left < 2:
                break
            mark += 1
            retained = _counted(
                words_of, size, left, rest, mark, starts, values, slot_of, keys, marks, counts, firsts
            )
            if size > top_sizes:
                result[row, size - 2] = _covered(size, retained, mark, starts, slot_of, marks, counts, ends)
            else:
                result[row, size - 2] = _top(size, retained, starts, slot_of, counts, ends)
            left = 0
            for index in range(retained):
                if counts[slot_of[index]] > 1:
                    starts[left], values[left] = starts[index], values[index]
                    left += 1


@compiled
def _slots(count: int) -> Any:  # pragma: no cover
    """Return the slots of a hash table for a number of keys: a power of two, at least half of them free."""
    slots = 16
    while slots < 2 * count:
        slots *= 2
    return slots


@compiled
def _counted(
    words_of: Any,
    size: int,
    left: int,
    rest: Any,
    mark: int,
    starts: Any,
    values: Any,
    slot_of: Any,
    keys: Any,
    marks: Any,
    counts: Any,
    firsts: Any,
) -> Any:  # pragma: no cover
    """Make sequences one word longer, count each in its slot, and return their number.

    Slots of another `mark` are free. `starts`, `values`, `slot_of`: place, hash and slot of each sequence.
    """
    retained = 0
    for index in range(left):
        start = starts[index]
        if start + size > len(words_of):
            continue
        value = (values[index] * _STEP) ^ (values[index] >> _HALF)
        value = (value + words_of[start + size - 1]) * _MIX
        slot = (value ^ (value >> _UPPER)) & rest
        while marks[slot] == mark and keys[slot] != value:
            slot = (slot + np.uint64(1)) & rest
        if marks[slot] != mark:
            marks[slot], keys[slot], counts[slot], firsts[slot] = mark, value, 0, start
        counts[slot] += 1
        starts[retained], values[retained], slot_of[retained] = start, value, slot
        retained += 1
    return retained


@compiled
def _top(
    size: int, retained: int, starts: Any, slot_of: Any, counts: Any, ends: Any
) -> Any:  # pragma: no cover
    """Return the characters of the most frequent sequence, as often as it occurs; 0 if none repeats."""
    max_count, first = 1, 0
    for index in range(retained):
        if counts[slot_of[index]] > max_count:
            max_count, first = counts[slot_of[index]], starts[index]
    return max_count * (ends[first + size] - ends[first] + size - 1) if max_count > 1 else 0


@compiled
def _covered(
    size: int, retained: int, mark: int, starts: Any, slot_of: Any, marks: Any, counts: Any, ends: Any
) -> Any:  # pragma: no cover
    """Return the characters of sequences that occurred before, each word counted once."""
    covered, following = 0, 0
    for index in range(retained):
        slot, start = slot_of[index], starts[index]
        if counts[slot] < 2 or start < following:
            continue
        if marks[slot] == -mark:
            following = start + size
            covered += ends[following] - ends[start]
        marks[slot] = -mark
    return covered
