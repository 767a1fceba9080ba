"""Windows of long texts, cut between sentences or tokens."""

import re
from collections.abc import Iterator

import numpy as np

from ratoon_ingestion.worker.steps.tokens import Offsets

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？…]+[”’」』）]*|\n(?=\s*\n)|\n(?=[-*•])")


def windows(text: str, starts: Offsets, max_tokens: int, overlap: int, by_sentences: bool) -> list[str]:
    """Return windows of at most `max_tokens` tokens, each of which begins up to `overlap` tokens before the last ends.

    `starts`: the characters at which tokens begin. A sentence that is too long is cut between tokens. A text that fits
    is returned as it is.
    """
    if len(starts) <= max_tokens:
        return [text]
    begins = _sentence_tokens(text, starts) if by_sentences else np.arange(len(starts))
    bounds = list(_bounds(begins, len(starts), max_tokens, overlap))
    ends = [*map(int, starts), len(text)]
    pieces = (text[0 if not first else ends[first] : ends[last]].strip() for first, last in bounds)
    return [piece for piece in pieces if piece]


def _bounds(begins: Offsets, tokens: int, max_tokens: int, overlap: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < tokens:
        last = min(first + max_tokens, tokens)
        if last < tokens:
            last = _last_in(begins, first, last) or last
        yield first, last
        if last == tokens:
            return
        place = int(np.searchsorted(begins, last - overlap))
        again = int(begins[place]) if place < len(begins) else last
        first = again if first < again <= last else last


def _last_in(begins: Offsets, low: int, high: int) -> int:
    """Return the last number above `low` and up to `high`; 0 if there is none."""
    place = int(np.searchsorted(begins, high, side="right")) - 1
    return int(begins[place]) if place >= 0 and begins[place] > low else 0


def _sentence_tokens(text: str, starts: Offsets) -> Offsets:
    """Return the tokens that are the first after the end of a sentence."""
    ends = np.array([match.end() for match in _SENTENCE_END.finditer(text)], np.int64)
    tokens = np.unique(np.searchsorted(starts, ends))
    return tokens[(tokens > 0) & (tokens < len(starts))]
