"""Words and signs with the ratings of ten people each: those to train on, and strong complaints that arrive later."""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ratoon.client import RatoonError

LOWEST, HIGHEST = -4, 4
LICENSE = "MIT"
_STRONG = -1.5


@dataclass(frozen=True)
class Item:
    """A word or a sign, and how strong ten people found its sentiment, each from -4 to 4."""

    text: str
    ratings: tuple[int, ...]

    @property
    def strength(self) -> str:
        """The mean of the ratings, with one decimal place."""
        return f"{fmean(self.ratings):.1f}"


@dataclass(frozen=True)
class Corpus:
    """The parts of the corpus: the mean rating of a strong complaint is -1.5 or below."""

    training: list[Item]
    held_out: list[Item]
    arriving: list[Item]


def read_corpus(file: Path, training: int, held_out: int, arriving: int) -> Corpus:
    """Read the ratings and draw so many items of each part; the same numbers give the same items."""
    if not file.exists():
        raise RatoonError(f"{file} does not exist. Run `make demo TASK=regress` to fetch it.")
    items = [_item(line) for line in file.read_text().splitlines() if line.strip()]
    known = _drawn([item for item in items if fmean(item.ratings) > _STRONG])
    complaints = _drawn([item for item in items if fmean(item.ratings) <= _STRONG])
    return Corpus(known[held_out : held_out + training], known[:held_out], complaints[:arriving])


def _item(line: str) -> Item:
    text, _mean, _deviation, ratings = line.split("\t")
    return Item(text.strip(), tuple(ast.literal_eval(ratings)))


def _drawn(items: list[Item]) -> list[Item]:
    """Return the items in an order that only their texts decide, each text once."""
    distinct = {item.text: item for item in reversed(items)}
    return sorted(distinct.values(), key=lambda item: hashlib.sha256(item.text.encode()).digest())
