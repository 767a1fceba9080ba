"""Language models of word sequences: interpolated Kneser-Ney, and models in the ARPA format.

A model maps the hash of each sequence of up to `order` words to the logarithm of its probability and of its back-off
weight, as an ARPA file does. Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995), with one
discount per order, n1 / (n1 + 2 n2), and interpolation after Chen and Goodman (1999).
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ratoon_ingestion.worker.words import is_chinese, words_of

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_WORD = re.compile(r"\w+|[^\w\s]")
_SEED = 1
_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class BadArpa(Exception):
    """A file is not a model in the ARPA format."""


def words_in(text: str, by_characters: bool, lower: bool = True) -> list[str]:
    """Return the words and punctuation marks of a text, Chinese words by Jieba, or its characters without spaces."""
    text = text.lower() if lower else text
    if by_characters:
        return [character for character in text if not character.isspace()]
    return words_of(text) if is_chinese(text) else _WORD.findall(text)


@dataclass(frozen=True)
class Level:
    """Sequences of one length by ascending hash, with logarithms of probabilities and back-off weights (base e)."""

    hashes: Hashes
    probabilities: Floats
    weights: Floats

    def find(self, hashes: Hashes) -> tuple[npt.NDArray[np.bool_], Places]:
        """Return which hashes are known, and where."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.int64)
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return self.hashes[places] == hashes, places


@dataclass(frozen=True)
class Model:
    """A model; `levels` has the sequences of one word first."""

    levels: tuple[Level, ...]
    unknown: float
    """Logarithm of the probability of a word that the model does not know."""

    def perplexities(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Return the perplexity of each text, which is a list of words; its end counts as a word."""
        scores = self.log_probabilities(texts)
        return [math.exp(min(-float(each.mean()), 700)) for each in scores]

    def log_probabilities(self, texts: Sequence[Sequence[str]]) -> list[Floats]:
        """Return the logarithms of the probabilities of the words of each text and of its end."""
        if not texts:
            return []
        words = _Sequences(texts)
        return [each[1:] for each in np.split(self._scores(words), words.starts[1:])]

    def _scores(self, words: "_Sequences") -> Floats:
        """Return the logarithm of the probability of each word; 0 for the beginnings of texts."""
        scores, open_places = np.zeros(len(words.hashes)), words.predicted
        grams = [words.grams(size) for size in range(1, len(self.levels) + 1)]
        for size in range(len(self.levels), 0, -1):
            long_enough = words.offsets[open_places] >= size - 1
            tried = open_places[long_enough]
            known, places = self.levels[size - 1].find(grams[size - 1][tried])
            scores[tried[known]] += self.levels[size - 1].probabilities[places[known]]
            missed = tried[~known]
            if size > 1:
                has_context, contexts = self.levels[size - 2].find(grams[size - 2][missed - 1])
                scores[missed[has_context]] += self.levels[size - 2].weights[contexts[has_context]]
            else:
                scores[missed] += self.unknown
            open_places = np.concatenate([open_places[~long_enough], missed])
        return scores

    def save(self, path: Path) -> None:
        """Write the model."""
        arrays = {
            f"{name}{size}": getattr(level, name)
            for size, level in enumerate(self.levels)
            for name in ("hashes", "probabilities", "weights")
        }
        np.savez(path, unknown=np.array(self.unknown), **arrays)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model."""
        with np.load(path, allow_pickle=False) as arrays:
            names = ("hashes", "probabilities", "weights")
            sizes = (len(arrays.files) - 1) // len(names)
            levels = (Level(*(arrays[f"{name}{size}"] for name in names)) for size in range(sizes))
            return cls(tuple(levels), float(arrays["unknown"]))


def fitted(texts: Sequence[Sequence[str]], order: int) -> Model:
    """Return the interpolated Kneser-Ney model of texts, which are lists of words."""
    words = _Sequences(texts)
    grams = [words.grams(size) for size in range(1, order + 1)]
    levels: list[Level] = []
    unique = [_Unique.of(grams[size - 1], words.ends(size)) for size in range(1, order + 1)]
    lower = np.zeros(0)
    for size in range(1, order + 1):
        each = unique[size - 1]
        counts = each.counts if size == order else _continuations(each, unique[size], grams, words, size)
        discount = _discount(counts)
        if size == 1:
            predicted = each.hashes != _combined(_hashed([BEGIN]).reshape(1, 1))[0]
            counts = np.where(predicted, counts, 0.0)
            total, types = counts.sum(), int(predicted.sum())
            unknown = discount * types / total / (types + 1)
            lower = np.where(predicted, np.maximum(counts - discount, 0) / total + unknown, 1e-99)
            levels.append(Level(each.hashes, np.log(lower), np.zeros(len(lower))))
            continue
        below = levels[-1]
        contexts = np.searchsorted(below.hashes, grams[size - 2][each.ends - 1])
        suffixes = np.searchsorted(below.hashes, grams[size - 2][each.ends])
        totals = np.bincount(contexts, counts, len(below.hashes))
        types_of = np.bincount(contexts, minlength=len(below.hashes))
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = discount * types_of / totals
            below.weights[:] = np.where(totals > 0, np.log(weights), 0.0)
        shares = np.maximum(counts - discount, 0) / totals[contexts]
        lower = shares + weights[contexts] * np.exp(below.probabilities[suffixes])
        levels.append(Level(each.hashes, np.log(lower), np.zeros(len(lower))))
    return Model(tuple(levels), math.log(unknown))


def _continuations(
    each: "_Unique", longer: "_Unique", grams: list[Hashes], words: "_Sequences", size: int
) -> Floats:
    """Return how many different words each sequence follows; how often it occurs, if it begins a text."""
    suffixes = np.searchsorted(each.hashes, grams[size - 1][longer.ends])
    counts = np.bincount(suffixes, minlength=len(each.hashes)).astype(np.float64)
    begins = words.offsets[each.ends] == size - 1
    return np.where(begins & (counts == 0), each.counts, counts)


def _discount(counts: Floats) -> float:
    ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
    return ones / (ones + 2 * twos) if ones and twos else 0.5


def read_arpa(lines: Iterable[str], max_sequences: int) -> Model:
    """Return the model of an ARPA file; BadArpa says what is wrong."""
    levels: list[Level] = []
    unknown = -100.0
    for size, rows in _sections(lines, max_sequences):
        if size != len(levels) + 1:
            raise BadArpa(f"the section \\{size}-grams: is not in its place")
        words = _hashed([word for row in rows for word in row[1]])
        hashes = _combined(words.reshape(-1, size))
        numbers = np.array([(row[0], row[2]) for row in rows], np.float64) * math.log(10)
        order = np.argsort(hashes)
        levels.append(Level(hashes[order], numbers[order, 0], numbers[order, 1]))
        if size == 1:
            unknown = next((row[0] * math.log(10) for row in rows if row[1] == [UNKNOWN]), unknown)
    if not levels:
        raise BadArpa("it has no section \\1-grams:")
    return Model(tuple(levels), unknown)


_Row = tuple[float, list[str], float]


def _sections(lines: Iterable[str], max_sequences: int) -> Iterator[tuple[int, list[_Row]]]:
    size, rows, left = 0, list[_Row](), max_sequences
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if match := re.fullmatch(r"\\(\d+)-grams:|\\end\\", line):
            if rows:
                yield size, rows
            size, rows = int(match[1] or 0), []
        elif size and line:
            fields = line.split()
            if len(fields) not in (size + 1, size + 2):
                raise BadArpa(f"line {number} has {len(fields)} fields")
            try:
                weight = float(fields[size + 1]) if len(fields) == size + 2 else 0.0
                rows.append((float(fields[0]), fields[1 : size + 1], weight))
            except ValueError:
                raise BadArpa(f"line {number} has no probability") from None
            left -= 1
            if left < 0:
                raise BadArpa(f"it has more than {max_sequences:,} sequences")
    if rows:
        raise BadArpa("it ends without \\end\\")


@dataclass(frozen=True)
class _Unique:
    """Different sequences of one length by ascending hash: where the first of each ends, and how often it occurs."""

    hashes: Hashes
    ends: Places
    counts: Floats

    @classmethod
    def of(cls, grams: Hashes, ends: Places) -> "_Unique":
        hashes, first, counts = np.unique(grams[ends], return_index=True, return_counts=True)
        return cls(hashes, ends[first], counts.astype(np.float64))


class _Sequences:
    """Words of texts as hashes, each text between its beginning and its end."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        flat = [word for text in texts for word in (BEGIN, *text, END)]
        lengths = np.array([len(text) + 2 for text in texts], np.int64)
        self.hashes = _hashed(flat)
        self.starts = np.cumsum(lengths) - lengths
        self.offsets = np.arange(len(flat)) - np.repeat(self.starts, lengths)
        self.predicted = np.flatnonzero(self.offsets > 0)

    def ends(self, size: int) -> Places:
        """Return where sequences within one text end."""
        return np.flatnonzero(self.offsets >= size - 1)

    def grams(self, size: int) -> Hashes:
        """Return the hash of the sequence that ends at each word; without meaning where a text is too short for it."""
        rows = np.stack([np.roll(self.hashes, shift) for shift in range(size - 1, -1, -1)], axis=1)
        return _combined(rows)


def _combined(rows: Hashes) -> Hashes:
    """Return one hash a row of hashes of words."""
    result = np.full(len(rows), rows.shape[1], np.uint64)
    with np.errstate(over="ignore"):
        for column in rows.T:
            result = (result ^ column) * _BASE
            result ^= result >> np.uint64(29)
        return (result * _MIX) ^ (result >> np.uint64(32))


def _hashed(words: Sequence[str]) -> Hashes:
    hashes: Hashes = pl.Series(words, dtype=pl.String).hash(_SEED).to_numpy()
    return hashes
