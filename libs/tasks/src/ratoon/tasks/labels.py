"""The one comparison of labels: which spellings name the same label.

Two labels are equal when they differ in nothing but case, white space, Unicode form and invisible characters. The
comparison is Unicode's canonical caseless matching (section 3.13, D145) on text without invisible characters:

- `Billing`, `BILLING` and `billing\\xa0` are equal; so are composed and decomposed `é` (files from macOS).
- `Straße` equals `STRASSE`, because upper-casing maps one to the other. `Σ`, `σ` and `ς` are equal.
- The comparison knows no language: `I` equals `i`, Turkish `ı` is a letter of its own, and `İ` equals `i̇` alone.
- Compatibility forms stay apart (NFC, not NFKC): `ＶＩＰ` is not `VIP`, `m²` is not `m2`, `①` is not `1`. A person
  who uses both means two things, and a wrong merge cannot be undone.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\U000e0100-\U000e01ef]"
)
"""Soft hyphens, zero-width spaces, direction marks, fillers, variation selectors, byte-order marks."""
_JOINERS = "\u200c\u200d"
"""They distinguish words inside Persian and Indic words and emoji, and mean nothing at the ends of a text."""


def label_key(text: str) -> str:
    """Return what two spellings of one label have in common; empty when nothing of the text can be seen."""
    visible = _INVISIBLE.sub("", text)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold())
    words = (word.strip(_JOINERS) for word in folded.split())
    return " ".join(filter(None, words))


def match_label(text: str, labels: Iterable[str]) -> str | None:
    """Return the one of `labels` that a text names, in the spelling of `labels`; None when it names none."""
    known = labels if isinstance(labels, tuple) else tuple(labels)
    if text in known:
        return text
    return _by_key(known).get(label_key(text))


def duplicates(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Return each pair (earlier, later) of labels that are one label under the comparison."""
    first: dict[str, str] = {}
    pairs = []
    for label in labels:
        key = label_key(label)
        if key in first:
            pairs.append((first[key], label))
        else:
            first[key] = label
    return pairs


def duplicate_sentence(earlier: str, later: str) -> str:
    """Return why two labels cannot coexist; what looks alike is written by code points."""
    named = [repr(earlier), repr(later)]
    alike = unicodedata.normalize("NFC", earlier) == unicodedata.normalize("NFC", later)
    if alike or has_invisible(earlier + later):
        named = [ascii(earlier), ascii(later)]
    return (
        f"Labels {named[0]} and {named[1]} are the same label: case, white space, Unicode form and invisible "
        "characters do not count. Keep one of them."
    )


def has_invisible(text: str) -> bool:
    """Return whether a text holds invisible characters."""
    return _INVISIBLE.search(text) is not None or any(joiner in text for joiner in _JOINERS)


@lru_cache(maxsize=256)
def _by_key(labels: tuple[str, ...]) -> Mapping[str, str]:
    """Labels by their keys; of two with one key (made before this comparison was) the first stands."""
    return {label_key(label): label for label in reversed(labels) if label_key(label)}
