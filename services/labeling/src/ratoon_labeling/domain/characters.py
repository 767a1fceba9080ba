"""Characters as readers see them, each of one or more Unicode code points."""

import unicodedata

_JOINER = "\u200d"
_ATTACHED = frozenset((_JOINER, "\u200c", "\u0e33", "\u0eb3"))
"""Joiners, and vowels of Thai and Lao that Unicode counts as letters."""
_EXTENDING = frozenset(("Mn", "Me", "Mc"))
_TONES = range(0x1F3FB, 0x1F400)
"""Skin tones, which follow an emoji."""
_TAGS = range(0xE0020, 0xE0080)
"""Tag characters of flags such as that of Scotland."""
_REGIONAL = range(0x1F1E6, 0x1F200)
"""Letters of which two form a flag."""
_HANGUL_AFTER_LEAD, _HANGUL_LEAD = range(0x1160, 0x1200), range(0x1100, 0x1160)


def splits_character(text: str, position: int) -> bool:
    """Return whether a position lies within a character: an emoji of several code points, a flag, or an accent.

    The rules are those of extended grapheme clusters (Unicode Standard Annex 29) without conjuncts of Indic scripts and
    prepended marks.
    """
    if not 0 < position < len(text):
        return False
    before, after = text[position - 1], text[position]
    if (before, after) == ("\r", "\n"):
        return True
    if before in "\r\n" or unicodedata.category(before) in ("Cc", "Zl", "Zp"):
        return False
    if _extends(after):
        return True
    if before == _JOINER:
        return position > 1 and _is_pictograph(after)
    if ord(before) in _REGIONAL and ord(after) in _REGIONAL:
        return _regional_letters_before(text, position) % 2 == 1
    return _is_jamo_pair(before, after)


def _extends(character: str) -> bool:
    code = ord(character)
    return (
        character in _ATTACHED
        or unicodedata.category(character) in _EXTENDING
        or code in _TONES
        or code in _TAGS
    )


def _is_pictograph(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk") or ord(character) >= 0x1F000


def _regional_letters_before(text: str, position: int) -> int:
    count = 0
    while count < position and ord(text[position - 1 - count]) in _REGIONAL:
        count += 1
    return count


def _is_jamo_pair(before: str, after: str) -> bool:
    syllable = 0xAC00 <= ord(before) <= 0xD7A3
    if ord(after) in _HANGUL_AFTER_LEAD:
        return syllable or ord(before) in _HANGUL_AFTER_LEAD or ord(before) in _HANGUL_LEAD
    return ord(before) in _HANGUL_LEAD and (ord(after) in _HANGUL_LEAD or 0xAC00 <= ord(after) <= 0xD7A3)
