"""A retraining continues the trace of the newest feedback of its trigger window, whichever thread committed it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from ratoon.runtime import tracing
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.shared_commits import SharedCommits
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Verdict
from ratoon.tasks.votes import Votes
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.application.signals import Deferred, SignalReader
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel
from ratoon_flywheel.domain.signals.monitor import BaselineState
from ratoon_flywheel.domain.signals.traffic import Answer

PARENT = "projects/mail"
VERSION = f"{PARENT}/models/mail/versions/v1.0"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROJECT = Project(PARENT, NOW, NOW, Classify(("ham", "spam")))


class NoBaselines:
    def state(self, profile):
        return BaselineState.ABSENT


@pytest.fixture
def store():
    database = Database("sqlite://")
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    append = lambda connection, record: None  # noqa: E731
    yield Store(database, tables.RESOURCES, mapping.event, append, PageTokens(b"s"), FakeClock())
    database.close()


def caller(number, flags="01"):
    return f"00-{number:032x}-{number:016x}-{flags}"


def add_feedback(store, index, number, trace):
    """An answer, and feedback on it that belongs to a trace."""
    time = NOW + timedelta(seconds=number)
    answer = Answer(
        f"a{number}", "", "", VERSION, NOW - timedelta(seconds=number), "d", "ham", TextFeatures((), 0, "")
    )
    with tracing.within(trace), store.write() as tx:
        index.add(tx, PARENT, [answer])
        index.put_feedback(tx, PARENT, FeedbackLabel(answer.answer_id, VERSION, time, Verdict.NEGATIVE))


def test_the_signals_name_the_sampled_traces_the_newest_feedback_first(store):
    index = AnswerTables()
    for number in (3, 1, 2):
        add_feedback(store, index, number, caller(number))
    add_feedback(store, index, 4, caller(4, flags="00"))
    add_feedback(store, index, 5, "")
    add_feedback(store, index, 6, caller(2))
    signals = SignalReader(index, NoBaselines(), 10, 10).of_window(PROJECT, None, None, 0, store)
    assert signals.votes == Votes(0, 6)
    assert signals.traces == (caller(2), caller(3), caller(1))


class SlowIndex(AnswerTables):
    """Reading the feedback takes some seconds of a clock."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.now, self.reads = seconds, 100.0, 0

    def with_feedback(self, tx, project, since, until=None):
        self.reads += 1
        self.now += self.seconds
        return super().with_feedback(tx, project, since, until)


def test_signals_that_are_costly_to_gather_are_deferred_and_then_complete(store):
    index = SlowIndex(0.2)
    reader = SignalReader(index, NoBaselines(), 10, 10, lambda: index.now)
    add_feedback(store, index, 1, "")
    read = lambda since=None: reader.of_window(PROJECT, since, since, 0, store)  # noqa: E731
    assert read().votes.total == 1
    add_feedback(store, index, 2, "")
    assert read() == Deferred(pytest.approx(4.0))
    assert index.reads == 1
    assert read(NOW - timedelta(days=1)).votes.total == 2  # another question
    index.now += 4.1
    assert read().votes.total == 2
    assert read().votes.total == 2  # nothing has changed
    assert index.reads == 3


def test_signals_that_are_quickly_gathered_are_always_new(store):
    index = SlowIndex(0.01)
    reader = SignalReader(index, NoBaselines(), 10, 10, lambda: index.now)
    for number in range(1, 5):
        add_feedback(store, index, number, "")
        assert reader.of_window(PROJECT, None, None, 0, store).votes.total == number


def test_the_latest_word_on_an_answer_has_the_trace_that_counts(store):
    index = AnswerTables()
    add_feedback(store, index, 1, caller(1))
    with tracing.within(caller(9)), store.write() as tx:
        (known,) = index.with_feedback(tx, PARENT, None)
        index.put_feedback(tx, PARENT, replace(known[1], verdict=Verdict.POSITIVE))
    with store.read() as tx:
        ((_, label),) = index.with_feedback(tx, PARENT, None)
    assert label.trace == caller(9)


def test_a_shared_commit_works_in_the_trace_of_each_caller(store):
    commits, together = SharedCommits(store), threading.Barrier(5)

    def work(tx):
        return tracing.current(), threading.get_ident()

    def run(number):
        with tracing.within(caller(number)):
            together.wait()
            return commits.run(work)

    with commits._committing, ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run, number) for number in range(1, 5)]
        together.wait()
        while len(commits._waiting) < 4:
            sleep(0.01)
        commits._committing.release()
        results = [each.result(20) for each in runs]
        commits._committing.acquire()
    assert [trace for trace, _ in results] == [caller(number) for number in range(1, 5)]
    assert len({thread for _, thread in results}) == 1
