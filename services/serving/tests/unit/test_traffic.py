"""The book of what gateways and users told."""

from datetime import UTC, datetime, timedelta

from ratoon_serving.adapters.traffic import MemoryTrafficBook
from ratoon_serving.application.ports import Window
from ratoon_serving.domain.analysis import Traffic, Votes

START = datetime(2026, 1, 1, tzinfo=UTC)


def window(second: int) -> Window:
    return Window(START + timedelta(seconds=second), START + timedelta(seconds=second + 1))


def test_windows_add_up_and_count_once():
    book = MemoryTrafficBook()
    for second in (0, 1, 1, 2):
        book.add_traffic("g1", "e", window(second), Traffic(requests=10, errors=1))
    book.add_traffic("g2", "e", window(2), Traffic(requests=5))
    assert book.traffic("e", START).requests == 35
    late = book.traffic("e", START + timedelta(seconds=2))
    assert (late.requests, late.errors, late.seconds) == (15, 1, 1.0)
    assert book.traffic("other", START) == Traffic()


def test_votes_add_up_and_old_ones_are_forgotten():
    book = MemoryTrafficBook()
    book.add_votes("v", window(0), Votes(1, 2))
    book.add_votes("v", window(0), Votes(1, 3))
    assert book.votes("v", START) == Votes(1, 3)
    book.add_votes("v", window(4000), Votes(1, 0))
    assert book.votes("v", START) == Votes(1, 0)
