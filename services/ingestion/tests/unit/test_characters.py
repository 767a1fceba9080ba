"""Words and repeated sequences of whole batches, against an expression and a loop over one text."""

import random
from collections import Counter
from itertools import pairwise

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


def texts_of(texts: list[str]) -> Texts:
    return Texts(pa.array(["before", *texts], pa.string()).slice(1))


def words_of(texts: Texts) -> list[list[str]]:
    whole = texts.data.tobytes()
    spans = zip(texts.words.starts, texts.words.ends, strict=True)
    words = [whole[start:end].decode() for start, end in spans]
    return [words[start:end] for start, end in pairwise(texts.word_places.tolist())]


def test_words_are_those_of_the_expression():
    texts = random_texts(PARTS, 500, 60)
    result = texts_of(texts)
    assert words_of(result) == pl.Series(texts).str.extract_all(WORD).to_list()
    assert result.words.chars.tolist() == [len(word) for words in words_of(result) for word in words]


def test_lines_are_those_of_a_loop():
    texts = random_texts(PARTS, 500, 60)
    result = texts_of(texts)
    lines = [line for text in texts for line in text.split("\n")]
    whole = result.data.tobytes()
    spans = zip(result.lines.starts, result.lines.ends, strict=True)
    assert [whole[start:end].decode() for start, end in spans] == lines
    spans = zip(result.lines.heads, result.lines.tails, strict=True)
    assert [whole[start:end].decode() for start, end in spans] == [line.strip() for line in lines]
    assert result.lines.solid.tolist() == [len("".join(line.split())) for line in lines]
    assert result.lines.ellipses.tolist() == [line.rstrip().endswith(("...", "…")) for line in lines]
    assert result.chars.tolist() == list(map(len, texts))


def test_texts_are_processed_in_pieces_of_bounded_size(monkeypatch):
    monkeypatch.setattr(characters, "_MAX_BYTES", 100)
    texts = random_texts(PARTS, 50, 60)
    parts = list(pieces(pa.array(texts)))
    assert [word for part in parts for word in words_of(part)] == words_of(texts_of(texts))
    assert max(int(part.bounds[-1] - part.bounds[0]) for part in parts if part.count > 1) <= 100
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
    counts = repetition.counts(texts_of(texts))
    for size in repetition.TOP_SIZES:
        assert counts[f"top_{size}"].tolist() == [top(text.split(), size) for text in texts]
    for size in repetition.REPEATED_SIZES:
        assert counts[f"repeated_{size}"].tolist() == [repeated(text.split(), size) for text in texts]
