"""Repeated paragraphs, lines and sequences of words of a batch of texts (Gopher, arXiv 2112.11446, A1).

Sequences of n words are looked for among those places alone whose n − 1 words repeat, so each length costs less than
the one before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ratoon_ingestion.worker.steps.characters import (
    MIX,
    Array,
    Flags,
    Hashes,
    Segments,
    Texts,
    is_first_distinct,
    is_repeated,
)

TOP_SIZES = range(2, 5)
REPEATED_SIZES = range(5, 11)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def counts(texts: Texts, limits: Mapping[int, float]) -> Mapping[str, npt.NDArray[Any]]:
    """Return what Gopher's rules count in each text.

    `limits` are the shares of characters in repeated sequences of each length; counts within them are 0.
    """
    chars = np.maximum(texts.chars, 1)
    result: dict[str, npt.NDArray[Any]] = {"chars": chars}
    for name, parts in (("paragraph", _paragraphs(texts)), ("line", _lines(texts))):
        repeated = ~is_first_distinct(texts.hashes(parts), parts.rows)
        of_texts = np.bincount(parts.rows, minlength=texts.count)
        result[f"{name}_share"] = np.bincount(parts.rows[repeated], minlength=texts.count) / of_texts
        result[f"{name}_chars"] = _sum(parts.rows[repeated], parts.chars[repeated], texts.count)
    words = _Words(texts)
    grams = _Grams.pairs(words).repeating()
    for size in TOP_SIZES:
        result[f"top_{size}"] = grams.top()
        grams = grams.longer().repeating()
    is_decided = texts.is_dense.copy()
    for size in REPEATED_SIZES:
        repeated_chars = grams.repeated(np.where(is_decided, np.inf, limits[size] * chars))
        result[f"repeated_{size}"] = repeated_chars
        is_decided |= repeated_chars / chars > limits[size]
        grams = grams.longer().repeating()
    return result


def _lines(texts: Texts) -> Segments:
    """Return the lines between line ends, of which several in a row count as one."""
    lines = texts.lines
    is_edge = (lines.starts == texts.starts[lines.rows]) | (lines.ends == texts.ends[lines.rows])
    return lines.where((lines.chars > 0) | is_edge)


def _paragraphs(texts: Texts) -> Segments:
    """Return the parts between empty lines of the texts without their outer white space."""
    lines = texts.lines
    firsts = np.searchsorted(texts.solid, texts.starts)
    lasts = np.searchsorted(texts.solid, texts.ends) - 1
    filled = firsts <= lasts
    first, end = texts.starts.copy(), texts.starts.copy()
    first[filled], end[filled] = texts.solid[firsts[filled]], texts.solid[lasts[filled]] + 1
    is_empty = lines.chars == 0
    after_empty = ~is_empty & np.append(False, is_empty[:-1])
    before_empty = ~is_empty & np.append(is_empty[1:], False)
    starts, ends = lines.starts[after_empty], lines.ends[before_empty]
    of_starts, of_ends = lines.rows[after_empty], lines.rows[before_empty]
    starts = starts[(starts > first[of_starts]) & (starts < end[of_starts])]
    ends = ends[(ends > first[of_ends]) & (ends < end[of_ends])]
    starts, ends = np.sort(np.concatenate((first, starts))), np.sort(np.concatenate((end, ends)))
    return Segments(starts, ends, texts.rows_of(starts))


class _Words:
    """Words of the texts: their hashes, and characters up to each of them."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts.count
        self.rows = texts.words.rows
        self.hashes = texts.hashes(texts.words)
        self.ends: Array = np.concatenate(([0], np.cumsum(texts.words.chars)))


@dataclass(frozen=True)
class _Grams:
    """Sequences of words within one text, with the places where they start, ascending."""

    words: _Words
    size: int
    starts: Array
    hashes: Hashes

    @classmethod
    def pairs(cls, words: _Words) -> "_Grams":
        """Return all sequences of two words, which are different in each text."""
        starts = np.flatnonzero(words.rows[1:] == words.rows[:-1])
        hashes = (words.hashes[starts] + words.rows[starts].astype(np.uint64) * MIX) * _STEP + words.hashes[
            starts + 1
        ]
        return cls(words, 2, starts, hashes * MIX)

    def longer(self) -> "_Grams":
        """Return the sequences of one word more at these places."""
        rows, last = self.words.rows, self.starts + self.size
        inside = last < len(rows)
        inside[inside] = rows[last[inside]] == rows[self.starts[inside]]
        starts = self.starts[inside]
        hashes = self.hashes[inside] * _STEP + self.words.hashes[last[inside]]
        return _Grams(self.words, self.size + 1, starts, hashes)

    def repeating(self) -> "_Grams":
        """Return the sequences that occur more than once."""
        return self._where(is_repeated(self.hashes))

    def top(self) -> Array:
        """Return the characters of the most frequent sequence of each text, spaces included; 0 if none repeats."""
        result = np.zeros(self.words.texts, np.int64)
        if not len(self.starts):
            return result
        frame = pl.DataFrame({"hash": self.hashes, "start": self.starts})
        top = frame.group_by("hash").agg(count=pl.len(), start=pl.col("start").min())
        start, count = top["start"].to_numpy(), top["count"].to_numpy().astype(np.int64)
        order = np.lexsort((start, -count, self.words.rows[start]))
        rows = self.words.rows[start[order]]
        best = order[np.append(True, rows[1:] != rows[:-1])]
        start, count = start[best], count[best]
        ends = self.words.ends
        result[self.words.rows[start]] = count * (ends[start + self.size] - ends[start] + self.size - 1)
        return result

    def repeated(self, limits: npt.NDArray[np.float64]) -> Array:
        """Return the characters of each text in sequences that occurred before; 0 where they are within the limit."""
        again = self.starts[~pl.Series(self.hashes).is_first_distinct().to_numpy()]
        bound = self._covered(again)
        result = np.zeros(self.words.texts, np.int64)
        over = np.flatnonzero(bound > limits)
        bounds = np.searchsorted(self.words.rows[self.starts], (over, over + 1))
        for text, first, end in zip(over, *bounds, strict=True):
            result[text] = self._repeated_between(first, end)
        return result

    def _covered(self, starts: Array) -> Array:
        """Return the characters of each text in the sequences at these places, overlaps counted once."""
        following = np.append(starts[1:], len(self.words.rows))
        ends = np.minimum(starts + self.size, following)
        chars = self.words.ends[ends] - self.words.ends[starts]
        return _sum(self.words.rows[starts], chars, self.words.texts)

    def _repeated_between(self, first: int, end: int) -> int:
        """Return the characters of one text in sequences that occurred before, each word counted once."""
        seen: set[int] = set()
        chars = next_start = 0
        ends = self.words.ends
        for start, gram in zip(self.starts[first:end].tolist(), self.hashes[first:end].tolist(), strict=True):
            if start < next_start:
                continue
            if gram in seen:
                next_start = start + self.size
                chars += int(ends[next_start] - ends[start])
            else:
                seen.add(gram)
        return chars

    def _where(self, flags: Flags) -> "_Grams":
        return _Grams(self.words, self.size, self.starts[flags], self.hashes[flags])


def _sum(rows: Array, values: Array, count: int) -> Array:
    return np.bincount(rows, weights=values, minlength=count).astype(np.int64)
