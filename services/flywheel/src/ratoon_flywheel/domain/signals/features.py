"""Features of a text for the drift measure: its words, its length, its language. They hold hashes, never the text.

Training data went through curation, traffic did not, so whatever curation masks (addresses, numbers, links) is left
out on both sides: otherwise the masks themselves would look like drift.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log2
from typing import Any

from ratoon.tasks.text import utf8
from ratoon.tasks.text_metrics import is_refusal

EDITION = 2
"""Edition of the features; those of different editions are not compared."""

_CHARACTERS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
"""Han and kana: a character stands for a word."""
_SYLLABLES = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecf\u0f40-\u0fbc\u1000-\u103f\u1780-\u17d3"
"""Thai, Lao, Tibetan, Burmese and Khmer: words without spaces between them, of more than one character each."""
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0971-\u09e3\u0a01-\u0a5e\u0a70-\u0ae3\u0b01-\u0b63\u0b71-\u0be5\u0c00-\u0c63\u0c80-\u0ce3"
    "\u0d00-\u0d63\u0d81-\u0ddf\u200c\u200d"
)
"""Vowel signs and accents, which `re` does not take for letters."""
_RUN = rf"[^\s{_CHARACTERS}{_SYLLABLES}]"
"""What masks swallow: up to white space, or to a script that has none."""

_TOKEN = re.compile(rf"{_RUN}+")
_MASK = re.compile(r"[<\[][A-Z_ ]+(?::[A-P]{16})?[>\]]")
_LINK = re.compile(r"(?:(?:https?|ftp)://|www\.).+")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(rf"(?:[^\W\d_]|[{_MARKS}]){{2,}}")
_UNSPACED = re.compile(rf"[{_CHARACTERS}]|[{_SYLLABLES}]+")
_CHARACTER = re.compile(rf"[{_CHARACTERS}]")

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
    ("lao", re.compile(r"[\u0e80-\u0eff]")),
    ("tibetan", re.compile(r"[\u0f00-\u0fff]")),
    ("burmese", re.compile(r"[\u1000-\u109f]")),
    ("khmer", re.compile(r"[\u1780-\u17ff]")),
    ("georgian", re.compile(r"[\u10a0-\u10ff]")),
    ("armenian", re.compile(r"[\u0530-\u058f]")),
    ("ethiopic", re.compile(r"[\u1200-\u139f]")),
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


class AnswerStatus(StrEnum):
    """How an answer ends, for drift."""

    VALID = "VALID"
    INVALID = "INVALID"
    """It is no answer of the task: no number, or no document of the schema."""
    REFUSAL = "REFUSAL"
    """It declines to answer."""


def answer_status(answer: str, is_valid: bool, is_free_text: bool) -> AnswerStatus:
    """Return the status of an answer. A valid one that is no free text, such as a number, refuses nothing."""
    if (is_free_text or not is_valid) and is_refusal(answer):
        return AnswerStatus.REFUSAL
    return AnswerStatus.VALID if is_valid else AnswerStatus.INVALID


@dataclass(frozen=True)
class ExchangeFeatures(TextFeatures):
    """A text and the answer to it as the drift measure sees them."""

    answer: str = ""
    """The answer in its form in the index: labels one a line, or a number; empty if it is none."""
    reply: TextFeatures | None = None
    """Features of an answer in free text."""
    status: str = ""
    """`AnswerStatus`; empty if it is not known or not compared."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Values of attributes by which texts are compared for themselves."""


def features_to_json(documents: Sequence[TextFeatures]) -> bytes:
    """Return the features of documents as JSON."""
    return json.dumps([_fields(each) for each in documents], ensure_ascii=False).encode()


def features_from_json(data: bytes) -> list[TextFeatures]:
    """Return the features that `features_to_json` wrote."""
    return [_document(fields) for fields in json.loads(data)]


def _fields(document: TextFeatures) -> dict[str, Any]:
    fields = {"words": document.words, "length": document.length, "language": document.language}
    if isinstance(document, ExchangeFeatures):
        fields["answer"] = document.answer
        if document.reply is not None:
            fields["reply"] = _fields(document.reply)
        if document.status:
            fields["status"] = document.status
        if document.slices:
            fields["slices"] = dict(document.slices)
    return fields


def _document(fields: Mapping[str, Any]) -> TextFeatures:
    plain = tuple(fields["words"]), int(fields["length"]), str(fields["language"])
    if "answer" not in fields:
        return TextFeatures(*plain)
    reply = _document(fields["reply"]) if "reply" in fields else None
    status, slices = str(fields.get("status", "")), dict(fields.get("slices", {}))
    return ExchangeFeatures(*plain, str(fields["answer"]), reply, status, slices)


def features(text: str, max_chars: int) -> TextFeatures:
    """Return the features of the first `max_chars` characters of a text, as the model gets it; 0: of all of it."""
    shown = text[:max_chars] if max_chars else text
    words = _words(shown)
    return TextFeatures(
        tuple(sorted({zlib.crc32(utf8(word)) for word in words})),
        int(2 * log2(len(shown))) if shown else 0,
        _language(shown, words),
    )


def _words(text: str) -> list[str]:
    """Lower-case words; Han and kana give characters, other scripts without spaces give pairs of characters."""
    plain = unmasked(text).lower()
    if plain.isascii():
        return _WORD.findall(plain)
    unspaced = [part for run in _UNSPACED.findall(plain) for part in _parts(run)]
    return _WORD.findall(_UNSPACED.sub(" ", plain)) + unspaced


def unmasked(text: str) -> str:
    """Return a text without what curation masks, and without the masks."""
    return _TOKEN.sub(_unmasked, _MASK.sub(" ", text))


def _unmasked(token: re.Match[str]) -> str:
    """What is left of a token: nothing of numbers and addresses, of a link what stands before it."""
    if _DIGIT.search(token[0]) or "@" in token[0][1:-1]:
        return " "
    return _LINK.sub(" ", token[0])


def _parts(run: str) -> list[str]:
    if len(run) == 1:
        return [run] if _CHARACTER.match(run) else []
    return [run[start : start + 2] for start in range(len(run) - 1)]


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
