"""Summaries of long queues are reused for some time, those of short ones are always read."""

import pytest

from ratoon.testkit.clock import FakeClock
from ratoon_labeling.application import summaries
from ratoon_labeling.application.summaries import QueueSummaries
from ratoon_labeling.domain.summaries import QueueSummary


@pytest.fixture
def reading(monkeypatch):
    """Summaries whose reading takes as many seconds as the test says; counts the readings."""
    clock, took, names = FakeClock(), [0.0], []

    def summarize(name, _store, _queues):
        names.append(name)
        clock.advance(took[0])
        return QueueSummary(confirmed_count=len(names))

    monkeypatch.setattr(summaries, "summarize_queue", summarize)
    return QueueSummaries(None, None, clock), clock, took, names


def test_a_short_queue_is_read_each_time(reading):
    read, _, took, names = reading
    took[0] = 0.01
    assert [read.of("q").confirmed_count for _ in range(3)] == [1, 2, 3]
    assert names == ["q"] * 3


def test_a_long_queue_is_read_again_after_twenty_times_its_reading(reading):
    read, clock, took, names = reading
    took[0] = 1.0
    assert [read.of("q").confirmed_count for _ in range(3)] == [1, 1, 1]
    assert read.of("other").confirmed_count == 2
    clock.advance(20)
    assert read.of("q").confirmed_count == len(names)
    assert names == ["q", "other", "q"]
