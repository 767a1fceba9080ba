"""Words (Jieba cuts Chinese, white space most of the rest) and sketches of wording: 5-word shingles, SimHash."""

import atexit
import re
import shutil
import tempfile
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import rensa

SHINGLE_WORDS = 5
_CJK = re.compile(r"[\u4e00-\u9fff]")
_CHINESE = 0.05
"""Share of Chinese characters from which a text is cut by Jieba."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
_UNSPACED_WORD = re.compile(rf"{_UNSPACED.pattern}|[^\s{_UNSPACED.pattern[1:-1]}]+")
_WORD = re.compile(r"[^\W_]+")
IDEOGRAPH_LENGTH, SYLLABLE_LENGTH = 3, 2
"""What one Chinese character, and one of kana, hangul or of a script without spaces, says in Latin letters."""
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SYLLABLE = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u1100-\u11ff\uac00-\ud7af]")

Hashes = npt.NDArray[np.uint64]


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
    ideographs, syllables = len(_IDEOGRAPH.findall(text)), len(_SYLLABLE.findall(text))
    return len(text) + (IDEOGRAPH_LENGTH - 1) * ideographs + (SYLLABLE_LENGTH - 1) * syllables


def is_chinese(text: str) -> bool:
    """Return whether at least 5 % of the characters of a text are Chinese."""
    return bool(text) and len(_CJK.findall(text)) >= _CHINESE * len(text)


def words_of(text: str) -> list[str]:
    """The words of a text in their order; of Thai, Lao, Burmese, Khmer and plain kana each character is one."""
    if not is_chinese(text):
        if len(_UNSPACED.findall(text)) < _CHINESE * len(text):
            return text.split()
        return _UNSPACED_WORD.findall(text)
    return [word for word in jieba_cutter().lcut(text) if not word.isspace()]


def shingles_of(words: list[str]) -> Hashes:
    """Sorted 64-bit hashes of the distinct 5-word shingles, case and punctuation left aside."""
    plain = _WORD.findall(" ".join(words).lower()) or words
    last = max(len(plain) - SHINGLE_WORDS, 0)
    shingles = [" ".join(plain[start : start + SHINGLE_WORDS]) for start in range(last + 1)] if plain else []
    return np.unique(np.array(rensa.RMinHash.hash_token_sets([shingles])[0], dtype=np.uint64))


def simhash(hashes: Hashes) -> int:
    """Charikar's SimHash (2002) over 64-bit features: each bit is the majority of the features' bits."""
    if not hashes.size:
        return 0
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    majority = bits.sum(axis=0, dtype=np.int64) * 2 > hashes.size
    return int(np.packbits(majority).view(np.uint64)[0])


def similarity(left: Hashes, right: Hashes) -> float:
    """Jaccard similarity of two sorted sets of shingles."""
    if not left.size or not right.size:
        return float(left.size == right.size)
    shared = np.intersect1d(left, right, assume_unique=True).size
    return shared / (left.size + right.size - shared)
