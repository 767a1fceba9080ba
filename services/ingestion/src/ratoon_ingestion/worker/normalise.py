"""The text of a record as it is stored, and its form for comparisons.

A model gets raw text as a prompt, so what it is trained on stays as it was written: only what no tokenizer should see
goes. Forms that help a model (Unicode NFKC, single spaces) belong to its tokenizer, which sees prompts as well.
Comparisons (duplicates, quality, language) use `comparable`, which is never stored.
"""

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile(r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_LINE_ENDS = re.compile(r"\r\n?")
_ALL_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_SPACES = re.compile(r"[^\S\n]+")
_LINE_SPACE = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_WIDTH = {
    **{ord(full): ord(full) - 0xFEE0 for full in "＋－．＠（）"},
    **dict(zip(range(0xFF10, 0xFF1A), range(0x30, 0x3A), strict=True)),
    **dict(zip(range(0xFF21, 0xFF3B), range(0x41, 0x5B), strict=True)),
    **dict(zip(range(0xFF41, 0xFF5B), range(0x61, 0x7B), strict=True)),
    **dict.fromkeys((0xA0, 0x2007, 0x202F, 0x3000), 0x20),
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013), 0x2D),
}


def cleaned(text: str) -> str:
    """The text as it was written, with `\\n` as its line end, without control characters and lone surrogates."""
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", text))


def comparable(text: str) -> str:
    """The text in NFKC, no control or invisible characters, single spaces, at most one empty line on end."""
    text = unicodedata.normalize("NFKC", _ALL_LINE_ENDS.sub("\n", text))
    text = _INVISIBLE.sub("", _CONTROL.sub("", text))
    text = _LINE_SPACE.sub("\n", _SPACES.sub(" ", text))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def narrow(text: str) -> str:
    """The text with full-width digits and letters in their usual width, and fixed spaces and hyphens as plain ones."""
    return text.translate(_WIDTH)
