"""Shingles as the peers take them: Python strings."""

import re

_WORD = re.compile(r"[^\W_]+")


def shingles(text: str) -> list[str]:
    """Return the 5-word shingles of a text in their order; peers drop repeated ones by themselves."""
    words = _WORD.findall(text.lower()) or text.split()
    return [" ".join(words[start : start + 5]) for start in range(max(len(words) - 5, 0) + 1)]
