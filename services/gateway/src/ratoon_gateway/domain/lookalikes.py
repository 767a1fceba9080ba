"""Letters of other scripts that look like Latin ones, and words that are written with them. It knows no word list."""

import re

_LATIN = {
    **dict(zip("авекмнорстухѕіјԁһӏԛԝѵԍ", "abekmhopctyxsijdhlqwvg", strict=True)),
    **dict(zip("αβεικνορτυχηγϲϳω", "abeiknoptuxnycjw", strict=True)),
    **dict(zip("օսոհցզյ", "ounhgqj", strict=True)),
    **dict(zip("ıɑɡɩʏℓⅼ", "iagiyll", strict=True)),
}
_TABLE = str.maketrans(_LATIN)
_WORD = re.compile(r"\w+")
_MASKED = re.compile(f"[{''.join(_LATIN)}]")


def unmasked(text: str) -> str:
    """Return the text with words that only look Latin written in Latin letters.

    A word counts as one when it mixes scripts, or when all of its letters are look-alikes and no word of the text is
    written in letters that are not: Russian and Greek texts stay as they are.
    """
    folded = text.casefold()
    if folded.isascii() or not _MASKED.search(folded):
        return text
    words = set(_WORD.findall(folded))
    foreign = any(_is_foreign(word) for word in words)
    return _WORD.sub(lambda match: _unmasked_word(match.group(), foreign), folded)


def _unmasked_word(word: str, foreign: bool) -> str:
    latin = word.translate(_TABLE)
    if latin == word or not latin.isascii():
        return word
    return word if foreign and not re.search("[a-z]", word) else latin


def _is_foreign(word: str) -> bool:
    """True if a word holds letters of a script whose other letters look like no Latin ones."""
    return not word.isascii() and not re.search("[a-z]", word) and not word.translate(_TABLE).isascii()
