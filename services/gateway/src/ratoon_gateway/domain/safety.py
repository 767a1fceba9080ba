"""Blocked words, and the check of a text against them while it arrives. It knows no algorithm and no protocol.

Both words and texts are *folded* first: case, accents, invisible characters and the kind and amount of white space do
not matter. A word counts where it stands alone; in scripts that write without spaces it counts anywhere.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.etags import etag_of

EVERYWHERE = "projects/-/safetyFilter"
CHANGEABLE = ("input_words", "output_words")
_MAX_WORDS, _LONGEST_WORD = 10_000, 100
_UNSEEN = re.compile("[\u00ad\u0300-\u036f\u200b-\u200f\u2060\ufeff]")
_SPACE = re.compile(r"\s{2,}|[^\S ]")
"""White space that is not one plain blank."""
_UNSPACED = re.compile("[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class SafetyFilter:
    """`projects/{project}/safetyFilter`: the word lists of a project; that of `projects/-` holds for all of them."""

    name: str
    create_time: datetime
    update_time: datetime
    input_words: tuple[str, ...] = ()
    output_words: tuple[str, ...] = ()
    revision: int = 0

    @property
    def project(self) -> str:
        """The id of the project; `-` for all."""
        return self.name.split("/")[1]

    @property
    def etag(self) -> str:
        """Return the etag of the lists."""
        return etag_of(self.input_words, self.output_words)


class WordSet(Protocol):
    """Set of folded words with fast search."""

    @property
    def longest(self) -> int:
        """The length of the longest word."""
        ...

    def matches_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each word in a folded text."""
        ...

    def begins_with(self, text: str) -> bool:
        """Return True if a word begins with this text, or is it."""
        ...


class WordFilterSession:
    """Check of one text while it arrives; `blocked` once it contains a word of the list."""

    def __init__(self, words: WordSet) -> None:
        self._words = words
        self._tail = " "
        self.blocked = False
        self.would_block = False
        """True if the text would end in a word, were this its end."""

    def take(self, piece: str) -> tuple[int, int]:
        """Add to the text; return by how many folded characters it grew, and how many of the last ones must wait.

        A character waits while a word may have begun with it, or while it ends a word that may yet go on.
        """
        folded = _fold(piece)
        if folded.startswith(" ") and self._tail.endswith(" "):
            folded = folded[1:]
        text = self._tail + folded
        ends = [
            end for start, end in self._words.matches_in(text) if start and _stands_alone(text, start, end)
        ]
        self.would_block = len(text) in ends
        self.blocked = self.blocked or any(end < len(text) for end in ends)
        waiting = self._waiting(text)
        self._tail = text[-waiting - 1 :]
        return len(folded), waiting

    def end(self) -> None:
        """End the text: a word at the very end counts now."""
        self.blocked = self.blocked or self.would_block

    def _waiting(self, text: str) -> int:
        longest = min(self._words.longest, len(text) - 1)
        for start in range(len(text) - longest, len(text)):
            if self._words.begins_with(text[start:]) and not _joined(text[start - 1], text[start]):
                return len(text) - start
        return 0


def folded_word(word: str) -> str:
    """Return a word of a list as texts are compared with it."""
    return _fold(word).strip()


def changed(current: SafetyFilter, desired: SafetyFilter, names: Sequence[str]) -> SafetyFilter:
    """Return the filter with the named lists of `desired`; BadRequest names an invalid list."""
    for name in names:
        if name == "input_words":
            current = replace(current, input_words=_checked(desired.input_words, name))
        elif name == "output_words":
            current = replace(current, output_words=_checked(desired.output_words, name))
        else:
            raise BadRequest(f"{name} cannot be changed.", field="update_mask")
    return current


def _checked(words: Sequence[str], name: str) -> tuple[str, ...]:
    field = f"safety_filter.{name}"
    if len(words) > _MAX_WORDS:
        raise BadRequest(f"A list holds at most {_MAX_WORDS:,} words, not {len(words):,}.", field=field)
    for word in words:
        if not 0 < len(folded_word(word)) <= _LONGEST_WORD:
            raise BadRequest(f"{word[:200]!r} must have 1 to {_LONGEST_WORD} characters.", field=field)
    return tuple(dict.fromkeys(words))


def _fold(text: str) -> str:
    """Each character on its own, so that pieces of a text fold to pieces of the folded text."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return _SPACE.sub(" ", text.lower())


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return True if no letter or digit joins the word to its neighbours; at the end of the text there is none."""
    after = end < len(text) and _joined(text[end - 1], text[end])
    return not after and not _joined(text[start - 1], text[start])


def _joined(left: str, right: str) -> bool:
    """Return True if two neighbouring characters belong to one written word."""
    return left.isalnum() and right.isalnum() and not (_UNSPACED.match(left) or _UNSPACED.match(right))
