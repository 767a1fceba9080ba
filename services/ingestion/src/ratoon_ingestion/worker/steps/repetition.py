"""Repeated paragraphs, lines and sequences of words of a batch of texts (Gopher, arXiv 2112.11446, A1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.steps.characters import Array, Hashes, Texts, is_first_distinct, sums

TOP_SIZES = range(2, 5)
REPEATED_SIZES = range(5, 11)


def counts(texts: Texts) -> Mapping[str, npt.NDArray[Any]]:
    """Return what Gopher's rules count in each text."""
    from ratoon_ingestion.worker.steps import kernels

    result: dict[str, npt.NDArray[Any]] = {"chars": np.maximum(texts.chars, 1)}
    for name, (starts, ends, rows, chars) in (("paragraph", _paragraphs(texts)), ("line", _lines(texts))):
        places = np.searchsorted(rows, np.arange(texts.count + 1))
        repeated = ~is_first_distinct(texts.hashes(starts, ends), rows)
        result[f"{name}_share"] = sums(repeated, places) / np.diff(places)
        result[f"{name}_chars"] = sums(np.where(repeated, chars, 0), places)
    words, sizes = texts.words, (*TOP_SIZES, *REPEATED_SIZES)
    grams = np.zeros((texts.count, len(sizes)), np.int64)
    hashes: Hashes = texts.hashes(words.starts, words.ends)
    kernels.sequences(hashes, words.chars, texts.word_places, TOP_SIZES[-1], sizes[-1], grams)
    names = [f"{'top' if size in TOP_SIZES else 'repeated'}_{size}" for size in sizes]
    return {**result, **dict(zip(names, grams.T, strict=True))}


_Parts = tuple[Array, Array, Array, Array]
"""Starts, ends (in bytes), texts and characters of parts."""


def _lines(texts: Texts) -> _Parts:
    """Return the lines between line ends, of which several in a row count as one."""
    lines = texts.lines
    is_edge = (lines.starts == texts.bounds[lines.rows]) | (lines.ends == texts.bounds[lines.rows + 1])
    lines = lines.where((lines.chars > 0) | is_edge)
    return lines.starts, lines.ends, lines.rows, lines.chars


def _paragraphs(texts: Texts) -> _Parts:
    """Return the parts between empty lines of the texts without their outer white space; one at least of each text."""
    lines = texts.lines
    filled = np.flatnonzero(lines.solid > 0)
    rows = lines.rows[filled]
    first, last = (np.zeros(len(lines.rows), np.bool_) for _ in range(2))
    first[filled[np.append(True, rows[1:] != rows[:-1])[: len(rows)]]] = True
    last[filled[np.append(rows[1:] != rows[:-1], True)[: len(rows)]]] = True
    is_inside = (np.cumsum(first) - np.cumsum(last) + last > 0) & (lines.chars > 0)
    is_empty = lines.chars == 0
    begins = is_inside & (first | np.append(False, is_empty[:-1]))
    closes = is_inside & (last | np.append(is_empty[1:], False))
    blank = np.setdiff1d(np.arange(texts.count), rows)
    starts = np.concatenate((np.where(first, lines.heads, lines.starts)[begins], texts.bounds[blank]))
    ends = np.concatenate((np.where(last, lines.tails, lines.ends)[closes], texts.bounds[blank]))
    of_texts = np.concatenate((lines.rows[begins], blank))
    order = np.argsort(of_texts, kind="stable")
    starts, ends = starts[order], ends[order]
    return starts, ends, of_texts[order], texts.lengths(starts, ends)
