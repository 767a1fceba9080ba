"""What makes a text garbage: the rules of the garbage filter, each with its reason."""

import json
import re
from collections import Counter

from ratoon_ingestion.domain.curation import Rejected

_MIN_CHARS = 20
"""Shorter texts are too short for these rules."""
_FEW_LETTERS = 0.35
_MANY_BROKEN = 0.03
_LONG_WORD = 60
_LONG_WORD_SHARE = 0.5
_ONE_CHARACTER = 0.5
_LOOKED_AT = 4_000
_LETTERS = re.compile(r"[^\W\d_]+")
_MASK = re.compile(r"\[(?:(?:EMAIL|PHONE|CARD|IP|URL|IBAN|NATIONAL_ID|PASSPORT)(?::[A-P]{16})?)\]")
_RULER = re.compile(r"([\W_])\1{3,}")
"""Lines drawn with one character say nothing for or against a text."""
_BROKEN = re.compile(r"[\ufffd\ue000-\uf8ff]")


def garbage(text: str) -> Rejected | None:
    """Why a normalised text is garbage; None when it is not."""
    if _is_broken(text):
        return Rejected.BROKEN_CHARACTERS
    if _is_row(text):
        return damage(text)
    text = _RULER.sub(r"\1", _MASK.sub("", text))
    dense = "".join(text.split())
    if len(dense) < _MIN_CHARS:
        return None
    if sum(map(len, _LETTERS.findall(dense))) < _FEW_LETTERS * len(dense):
        return Rejected.FEW_LETTERS
    if _repeats(dense):
        return Rejected.REPETITION
    if _in_long_words(text) > _LONG_WORD_SHARE * len(dense) and _spaced_script(dense):
        return Rejected.LONG_WORDS
    return None


def damage(text: str) -> Rejected | None:
    """Why a normalised text that may be code, numbers or data is garbage; None when it is not."""
    if _is_broken(text):
        return Rejected.BROKEN_CHARACTERS
    dense = "".join(_RULER.sub(r"\1", text).split())
    return Rejected.REPETITION if len(dense) >= _MIN_CHARS and _repeats(dense) else None


def _is_row(text: str) -> bool:
    """Whether a text is a row of a table: a JSON object, which may hold numbers alone."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_broken(text: str) -> bool:
    return len(text) >= _MIN_CHARS and len(_BROKEN.findall(text)) > max(1, _MANY_BROKEN * len(text))


def _repeats(dense: str) -> bool:
    """Whether most characters are one and the same."""
    return max(Counter(dense[:_LOOKED_AT]).values()) > _ONE_CHARACTER * len(dense[:_LOOKED_AT])


def _in_long_words(text: str) -> int:
    """Characters that stand in words no language writes: encoded data."""
    return sum(len(word) for word in text.split() if len(word) > _LONG_WORD and "://" not in word)


def _spaced_script(dense: str) -> bool:
    """Whether most characters are of scripts that put spaces between words."""
    return sum(character < "\u0e00" for character in dense) > len(dense) / 2
