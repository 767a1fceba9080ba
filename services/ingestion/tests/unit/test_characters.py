"""Words and repeated sequences of whole batches, against an expression and a loop over one text."""

import random
from collections import Counter

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ratoon_ingestion.worker.steps import characters, repetition
from ratoon_ingestion.worker.steps.characters import WORD, Texts, pieces

PARTS = [
    *"ab_é中।🙂٣{!#",
    "the",
    " ",
    " ",
    "\n",
    "\n\n",
    ".",
    "...",
    "…",
    "-",
    "--",
    "'",
    "’",
    "/",
    "\u0301",
    "\u2028",
]


def random_texts(parts: list[str], count: int, size: int) -> list[str]:
    chance = random.Random(7)
    return ["".join(chance.choices(parts, k=chance.randrange(size))) for _ in range(count)]


def words_of(texts: Texts) -> list[list[str]]:
    words: list[list[str]] = [[] for _ in range(texts.count)]
    whole = "".join(map(chr, texts.codes))
    for start, end, row in zip(texts.words.starts, texts.words.ends, texts.words.rows, strict=True):
        words[row].append(whole[start:end])
    return words


def test_words_are_those_of_the_expression():
    texts = random_texts(PARTS, 500, 60)
    assert words_of(Texts(texts)) == pl.Series(texts).str.extract_all(WORD).to_list()


def test_texts_are_processed_in_pieces_of_bounded_size(monkeypatch):
    monkeypatch.setattr(characters, "_MAX_CHARS", 100)
    texts = random_texts(PARTS, 50, 60)
    parts = list(pieces(pa.array(texts)))
    assert [word for part in parts for word in words_of(part)] == words_of(Texts(texts))
    assert max(int(part.chars.sum()) for part in parts) <= 100
    assert list(pieces(pa.array([], pa.string()))) == []


def repeated(words: list[str], size: int) -> int:
    seen, chars, start = set(), 0, 0
    while start <= len(words) - size:
        gram = tuple(words[start : start + size])
        if gram in seen:
            chars, start = chars + sum(map(len, gram)), start + size
        else:
            seen.add(gram)
            start += 1
    return chars


def top(words: list[str], size: int) -> int:
    grams = Counter(" ".join(words[start : start + size]) for start in range(len(words) - size + 1))
    gram, count = max(grams.items(), key=lambda item: item[1], default=("", 0))
    return len(gram) * count if count > 1 else 0


@pytest.mark.parametrize("words", [["a", "bc"], ["a", "bc", "def"], ["a", "bc", "def", "g", ".", "hi"]])
def test_repeated_sequences_are_those_of_a_loop(words):
    texts = random_texts([f"{word} " for word in words], 200, 80)
    counts = repetition.counts(Texts(texts), dict.fromkeys(repetition.REPEATED_SIZES, 0.0))
    for size in repetition.TOP_SIZES:
        assert counts[f"top_{size}"].tolist() == [top(text.split(), size) for text in texts]
    undecided = np.ones(len(texts), np.bool_)
    for size in repetition.REPEATED_SIZES:
        expected = np.array([repeated(text.split(), size) for text in texts])
        assert counts[f"repeated_{size}"][undecided].tolist() == expected[undecided].tolist()
        undecided &= expected == 0
