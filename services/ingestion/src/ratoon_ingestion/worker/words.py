"""Words of a text: Jieba cuts Chinese, white space most of the rest."""

import atexit
import re
import shutil
import tempfile
from functools import cache
from typing import Any

_CJK = re.compile(r"[\u4e00-\u9fff]")
_CHINESE = 0.05
"""Share of Chinese characters from which a text is cut by Jieba."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
_UNSPACED_WORD = re.compile(rf"{_UNSPACED.pattern}|[^\s{_UNSPACED.pattern[1:-1]}]+")
IDEOGRAPH_LENGTH, SYLLABLE_LENGTH = 3, 2
"""What one Chinese character, and one of kana, hangul or of a script without spaces, says in Latin letters."""
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SYLLABLE = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u1100-\u11ff\uac00-\ud7af]")


@cache
def jieba_cutter() -> Any:
    """Jieba's tokenizer, its dictionary cache in a private directory (by default anyone may write it)."""
    import jieba

    jieba.setLogLevel("WARNING")
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = tempfile.mkdtemp(prefix="ratoon-jieba-")
    atexit.register(shutil.rmtree, tokenizer.tmp_dir, ignore_errors=True)
    return tokenizer


def length_of(text: str) -> int:
    """A text's length in characters, comparable over scripts: a character of a dense script counts as several."""
    if text.isascii():
        return len(text)
    ideographs, syllables = len(_IDEOGRAPH.findall(text)), len(_SYLLABLE.findall(text))
    return len(text) + (IDEOGRAPH_LENGTH - 1) * ideographs + (SYLLABLE_LENGTH - 1) * syllables


def is_chinese(text: str) -> bool:
    """Return whether at least 5 % of the characters of a text are Chinese."""
    return bool(text) and len(_CJK.findall(text)) >= _CHINESE * len(text)


def words_of(text: str) -> list[str]:
    """The words of a text in their order; of Thai, Lao, Burmese, Khmer and plain kana each character is one."""
    if text.isascii():
        return text.split()
    if not is_chinese(text):
        if len(_UNSPACED.findall(text)) < _CHINESE * len(text):
            return text.split()
        return _UNSPACED_WORD.findall(text)
    return [word for word in jieba_cutter().lcut(text) if not word.isspace()]


def spaced(text: str, words: list[str]) -> str:
    """Return a text in which white space separates its words."""
    return text if text.isascii() else " ".join(words)


def spaced_text(text: str) -> str:
    """Return a text with white space between its words."""
    return text if text.isascii() else " ".join(words_of(text))
