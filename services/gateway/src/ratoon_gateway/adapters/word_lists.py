"""Word lists of all projects in memory, as Aho-Corasick automata: a text is read once, however long the list."""

from collections.abc import Iterable, Iterator, Sequence

import ahocorasick

from ratoon.storage.store import Store
from ratoon_gateway.adapters.mirror import Mirror
from ratoon_gateway.adapters.tables import RESOURCES
from ratoon_gateway.application.ports import ContentFilters
from ratoon_gateway.domain.routes import ANY_PROJECT
from ratoon_gateway.domain.safety import SafetyFilter, WordFilterSession, folded_word


class WordList:
    """Words, folded and compiled."""

    def __init__(self, words: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        for word in map(folded_word, words):
            self._automaton.add_word(word, len(word))
        self._automaton.make_automaton()
        self.longest = max(self._automaton.values(), default=0)
        self._first = {word[0] for word in self._automaton}

    @staticmethod
    def of(*lists: Sequence[str]) -> "WordList | None":
        """One list of all; None when it would be empty."""
        words = [word for words in lists for word in words]
        return WordList(words) if words else None

    def matches_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each word in a folded text."""
        for last, length in self._automaton.iter(text):
            yield last + 1 - length, last + 1

    def begins_with(self, text: str) -> bool:
        """Return True if a word begins with this text (not empty), or is it."""
        return text[0] in self._first and self._automaton.match(text)

    def read(self) -> WordFilterSession:
        """Begin with a text."""
        return WordFilterSession(self)


class WordLists:
    """The safety filters of the installation: each project's own words and those that hold everywhere."""

    def __init__(self, store: Store) -> None:
        self._everywhere = ContentFilters()
        self._censors: dict[str, ContentFilters] = {}
        self._mirror = Mirror(store, SafetyFilter, RESOURCES[SafetyFilter], self._take)

    def of(self, project: str) -> ContentFilters:
        """Return the current filters of a project."""
        return self._censors.get(project, self._everywhere)

    def start(self) -> None:
        """Read the lists, and keep reading them."""
        self._mirror.start()

    def stop(self) -> None:
        """Stop reading."""
        self._mirror.stop()

    def _take(self, filters: Sequence[SafetyFilter]) -> None:
        common = [each for each in filters if each.project == ANY_PROJECT]
        self._everywhere = _compiled(common)
        self._censors = {
            each.project: _compiled([each, *common]) for each in filters if each.project != ANY_PROJECT
        }


def _compiled(filters: Sequence[SafetyFilter]) -> ContentFilters:
    return ContentFilters(
        WordList.of(*(each.input_words for each in filters)),
        WordList.of(*(each.output_words for each in filters)),
    )
