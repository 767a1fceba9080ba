"""TF-IDF weights of words and of character n-grams. Jieba cuts Chinese into words."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_CHARS = 4000
"""Characters of a text that classical models read."""
MAX_TERMS = 200_000
"""Terms of a vocabulary: the most frequent ones of the training part."""
_CJK = re.compile(r"[\u3400-\u9fff]")
_CHINESE = 0.05
"""Share of Chinese characters from which a text is cut by Jieba."""
_WORD = re.compile(r"\b\w\w+\b")


class Terms(StrEnum):
    """What a text is made of."""

    WORDS = "words"
    CHARACTERS = "characters"


def words(text: str) -> list[str]:
    """Return the words of a text in their order: by Jieba where it is Chinese, else runs of two letters or more.

    A text without any, such as an emoji or a digit, is what stands between its spaces.
    """
    if len(_CJK.findall(text)) >= _CHINESE * len(text) > 0:
        return [word for word in _jieba().lcut(text) if not word.isspace()]
    return _WORD.findall(text) or text.split()


def counter(terms: Terms, vocabulary: Sequence[str] | None = None) -> Any:
    """Return scikit-learn's counter of terms; without a vocabulary it learns one."""
    from sklearn.feature_extraction.text import CountVectorizer

    known = None if vocabulary is None else {term: place for place, term in enumerate(vocabulary)}
    if terms is Terms.WORDS:
        return CountVectorizer(tokenizer=words, token_pattern=None, vocabulary=known, dtype=np.float64)
    return CountVectorizer(analyzer="char", ngram_range=(1, 3), vocabulary=known, dtype=np.float64)


def cut(texts: Sequence[str]) -> list[str]:
    """Return the texts without what is beyond MAX_CHARS."""
    return [text[:MAX_CHARS] for text in texts]


@dataclass(frozen=True)
class Weights:
    """TF-IDF weights of a vocabulary, as scikit-learn's `TfidfVectorizer(sublinear_tf=True)` computes them."""

    terms: Terms
    vocabulary: tuple[str, ...]
    """Terms in the order of the columns."""
    idf: npt.NDArray[np.float64]
    """Inverse document frequency of each term, (terms,)."""

    @staticmethod
    def of_counts(
        terms: Terms, vocabulary: Sequence[str], counts: Any, columns: npt.NDArray[np.int64] | None = None
    ) -> Weights:
        """Return the weights of the terms that counts of training texts have, (texts, terms).

        `columns` selects terms; without it all that occur are taken, at most MAX_TERMS.
        """
        from sklearn.feature_extraction.text import TfidfTransformer

        chosen = occurring(counts) if columns is None else columns
        transformer = TfidfTransformer(sublinear_tf=True).fit(counts[:, chosen])
        return Weights(terms, tuple(vocabulary[column] for column in chosen), np.asarray(transformer.idf_))

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return the weights of texts, a sparse matrix (texts, terms) with rows of length 1."""
        return self.of_known(self._counter().transform(cut(texts)))

    def of_known(self, counts: Any) -> Any:
        """Return the weights of counts of this vocabulary."""
        from sklearn.feature_extraction.text import TfidfTransformer

        transformer = TfidfTransformer(sublinear_tf=True)
        transformer.idf_ = self.idf
        return transformer.transform(counts)

    def _counter(self) -> Any:
        known = self.__dict__.get("_known")
        if known is None:
            known = self.__dict__["_known"] = counter(self.terms, self.vocabulary)
        return known


def occurring(counts: Any) -> npt.NDArray[np.int64]:
    """Return the columns of the terms that occur, the most frequent MAX_TERMS of them, in their order."""
    totals = np.asarray(counts.sum(axis=0)).ravel()
    columns = np.flatnonzero(totals)
    if len(columns) > MAX_TERMS:
        order = np.argsort(-totals[columns], kind="stable")[:MAX_TERMS]
        columns = np.sort(columns[order])
    return columns


@cache
def _jieba() -> Any:
    """Jieba's tokenizer, its dictionary cache in a directory of its own (by default anyone may write it)."""
    import jieba

    jieba.setLogLevel("WARNING")
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = tempfile.mkdtemp(prefix="ratoon-jieba-")
    atexit.register(shutil.rmtree, tokenizer.tmp_dir, ignore_errors=True)
    return tokenizer
