"""What a text looks like to the drift measure: its words, its length, its language. It keeps hashes, never the text.

Training data went through curation, traffic did not, so whatever curation masks (addresses, numbers, links) is left
out on both sides: otherwise the masks themselves would look like drift.
"""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import log2

_MASKED = re.compile(r"\S+@\S+|(?:https?|ftp)://\S+|www\.\S+|[<\[][A-Z_ ]+[>\]]|\S*\d\S*")
_WORD = re.compile(r"[^\W\d_]{2,}")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")

_FUNCTION_WORDS = {
    "en": "the and that for you this with have not are was from but they will your can what which there",
    "de": "der die und das nicht ist mit den von ein eine auf für sich auch dem wird sind bei oder",
    "fr": "les des est une que pour dans qui pas vous sur avec sont mais nous cette aux leur par être",
    "es": "que los las del por una para con como más pero sus este está son hay muy también fue desde",
    "it": "che non per una della sono con del come più gli nel questo anche alla dei delle nella loro essere",
    "pt": "que não uma para com por mais dos das foi está são você pelo mas seu sua pela ao também",
    "nl": "het een van niet dat zijn voor met ook aan maar naar heeft wordt deze kan nog wel bij uit",
    "pl": "nie jest się że jak ale czy dla już jego tylko tak jeszcze może przez ich które przy pod oraz",
}
_LANGUAGES_OF = {
    word: tuple(code for code, words in _FUNCTION_WORDS.items() if word in words.split())
    for words in _FUNCTION_WORDS.values()
    for word in words.split()
}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("arabic", re.compile(r"[\u0600-\u06ff]")),
    ("greek", re.compile(r"[\u0370-\u03ff]")),
    ("hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("indic", re.compile(r"[\u0900-\u0dff]")),
    ("thai", re.compile(r"[\u0e00-\u0e7f]")),
)
_SCRIPT_SHARE = 0.2
"""Share of a text's characters from which a script other than Latin decides its language."""


@dataclass(frozen=True)
class TextFeatures:
    """One text as the drift measure sees it."""

    words: tuple[int, ...]
    """32-bit hashes of its distinct words, ascending."""
    length: int
    """Half-octave of its length in characters: 2 · log2(characters), rounded down; 0 for an empty text."""
    language: str
    """A two-letter language, a script, or `other`."""


def features(text: str, max_chars: int) -> TextFeatures:
    """Look at the first `max_chars` characters of a text (what the model is shown); 0 shows all of it."""
    shown = text[:max_chars] if max_chars else text
    words = _words(shown)
    return TextFeatures(
        tuple(sorted({zlib.crc32(word.encode()) for word in words})),
        int(2 * log2(len(shown))) if shown else 0,
        _language(shown, words),
    )


def _words(text: str) -> list[str]:
    """Lower-case words; scripts without spaces give single characters."""
    plain = _MASKED.sub(" ", text).lower()
    spaced = _CJK.sub(lambda match: f" {match[0]} ", plain) if not plain.isascii() else plain
    words = _WORD.findall(spaced)
    return words if spaced is plain else words + _CJK.findall(spaced)


def _language(text: str, words: Iterable[str]) -> str:
    """Script first, then the language whose function words are most frequent."""
    if not text.isascii():
        for name, pattern in _SCRIPTS:
            if len(pattern.findall(text)) > _SCRIPT_SHARE * len(text):
                return name
    votes = dict.fromkeys(_FUNCTION_WORDS, 0)
    for word in words:
        for code in _LANGUAGES_OF.get(word, ()):
            votes[code] += 1
    best = max(votes, key=lambda code: votes[code])
    return best if votes[best] else "other"
