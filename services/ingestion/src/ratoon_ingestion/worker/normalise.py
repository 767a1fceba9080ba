"""One way to write a text: Unicode NFKC (which folds width too), no control characters, calm white space."""

import re
import unicodedata

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_SPACES = re.compile(r"[^\S\n]+")
_LINE_SPACE = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")


def normalised(text: str) -> str:
    """The text in NFKC, no control or invisible characters, single spaces, at most one empty line on end."""
    text = _LINE_ENDS.sub("\n", text)
    text = _CONTROL.sub("", unicodedata.normalize("NFKC", text))
    text = _LINE_SPACE.sub("\n", _SPACES.sub(" ", text))
    return _EMPTY_LINES.sub("\n\n", text).strip()
