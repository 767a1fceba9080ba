"""Which trace a retraining goes on in: that of the newest feedback of its burst, whichever thread committed it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from ratoon.chassis import tracing
from ratoon.chassis.database import Database
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.store import Store
from ratoon.tasks.votes import Votes
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.application.evidence import Deferred, Evidences
from ratoon_flywheel.application.together import SharedCommits
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import Judgement, Verdict
from ratoon_flywheel.domain.signals.monitor import BaselineState
from ratoon_flywheel.domain.signals.traffic import Answer

PARENT = "projects/mail"
VERSION = f"{PARENT}/models/mail/versions/v1.0"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROJECT = Project(PARENT, NOW, NOW, ("ham", "spam"))


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


def said(store, index, number, trace):
    """An answer, and feedback on it that belongs to a trace."""
    time = NOW + timedelta(seconds=number)
    answer = Answer(
        f"a{number}", "", "", VERSION, NOW - timedelta(seconds=number), "d", "ham", TextFeatures((), 0, "")
    )
    with tracing.within(trace), store.write() as tx:
        index.add(tx, PARENT, [answer])
        index.judge(tx, PARENT, Judgement(answer.answer_id, VERSION, time, Verdict.NEGATIVE))


def test_the_evidence_names_the_traces_that_are_kept_the_newest_feedback_first(store):
    index = AnswerTables()
    for number in (3, 1, 2):
        said(store, index, number, caller(number))
    said(store, index, 4, caller(4, flags="00"))
    said(store, index, 5, "")
    said(store, index, 6, caller(2))
    evidence = Evidences(index, NoBaselines(), 10, 10).of_burst(PROJECT, None, None, 0, store)
    assert evidence.votes == Votes(0, 6)
    assert evidence.traces == (caller(2), caller(3), caller(1))


class SlowIndex(AnswerTables):
    """Reading the judgements takes some seconds of a clock."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.now, self.reads = seconds, 100.0, 0

    def judged(self, tx, project, since, until=None):
        self.reads += 1
        self.now += self.seconds
        return super().judged(tx, project, since, until)


def test_evidence_that_is_costly_to_gather_rests_and_is_then_complete(store):
    index = SlowIndex(0.2)
    evidences = Evidences(index, NoBaselines(), 10, 10, lambda: index.now)
    said(store, index, 1, "")
    look = lambda since=None: evidences.of_burst(PROJECT, since, since, 0, store)  # noqa: E731
    assert look().votes.total == 1
    said(store, index, 2, "")
    assert look() == Deferred(pytest.approx(4.0))
    assert index.reads == 1
    assert look(NOW - timedelta(days=1)).votes.total == 2  # another question
    index.now += 4.1
    assert look().votes.total == 2
    assert look().votes.total == 2  # nothing has changed
    assert index.reads == 3


def test_evidence_that_is_quickly_gathered_is_always_new(store):
    index = SlowIndex(0.01)
    evidences = Evidences(index, NoBaselines(), 10, 10, lambda: index.now)
    for number in range(1, 5):
        said(store, index, number, "")
        assert evidences.of_burst(PROJECT, None, None, 0, store).votes.total == number


def test_the_latest_word_on_an_answer_has_the_trace_that_counts(store):
    index = AnswerTables()
    said(store, index, 1, caller(1))
    with tracing.within(caller(9)), store.write() as tx:
        (known,) = index.judged(tx, PARENT, None)
        index.judge(tx, PARENT, replace(known[1], verdict=Verdict.POSITIVE))
    with store.read() as tx:
        ((_, judgement),) = index.judged(tx, PARENT, None)
    assert judgement.trace == caller(9)


def test_whoever_commits_for_others_works_in_their_traces(store):
    commits, together = SharedCommits(store), threading.Barrier(5)

    def work(tx):
        return tracing.current(), threading.get_ident()

    def run(number):
        with tracing.within(caller(number)):
            together.wait()
            return commits.run(work)

    with commits._turn, ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run, number) for number in range(1, 5)]
        together.wait()
        while len(commits._waiting) < 4:
            sleep(0.01)
        commits._turn.release()
        found = [each.result(20) for each in runs]
        commits._turn.acquire()
    assert [trace for trace, _ in found] == [caller(number) for number in range(1, 5)]
    assert len({thread for _, thread in found}) == 1
