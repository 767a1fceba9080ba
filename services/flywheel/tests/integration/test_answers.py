"""The answer index on a real database: what is kept, joined, voted and forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.kind import Verdict
from ratoon.tasks.votes import Tally, Votes, count_votes
from ratoon.testkit.postgresql import Databases
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.application.ports import VersionVotes
from ratoon_flywheel.domain.signals.features import features
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel
from ratoon_flywheel.domain.signals.traffic import Answer, TrafficSegment, caller_mark, content_digest

NOW = datetime(2026, 6, 1, 12, 0, 0, 1, tzinfo=UTC)
P = "projects/mail"
V1 = f"{P}/models/mail/versions/v1.0"


@pytest.fixture
def store(tmp_path: Path, databases: Databases) -> Iterator[Store]:
    url = databases.url_of_file(tmp_path / "flywheel.db")
    migrate("flywheel", url)
    database = Database(url)
    yield Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"))
    database.close()


def answer(id: str, seconds: float = 0.0, label: str = "ham", content: str = "", caller: str = "") -> Answer:
    time = NOW + timedelta(seconds=seconds)
    text = content or f"the text of {id}"
    return Answer(
        id,
        f"{P}/trafficSegments/s",
        f"{P}/deployments/mail",
        V1,
        time,
        content_digest(text),
        label,
        features(text, 0),
        caller,
    )


def feedback(
    id: str, seconds: float = 0.0, verdict: Verdict = Verdict.POSITIVE, correction: str = ""
) -> FeedbackLabel:
    return FeedbackLabel(id, V1, NOW + timedelta(seconds=seconds), verdict, correction)


INDEX = AnswerTables()


def test_answers_are_stored_once_and_returned_newest_first(store):
    with store.write() as tx:
        INDEX.add(tx, P, [answer("a"), answer("b", 1), answer("a", 5)])
        before = INDEX.mark(tx, P)
        INDEX.add(tx, P, [answer("a"), answer("c", 2)])
    with store.read() as tx:
        latest = INDEX.latest(tx, P, None, 10)
        assert [a.answer_id for a in latest] == ["c", "b", "a"]
        assert [a.answer_id for a in INDEX.latest(tx, P, NOW + timedelta(seconds=1), 10)] == ["c"]
        assert INDEX.latest(tx, "projects/other", None, 10) == []
        assert INDEX.mark(tx, P).answers > before.answers
        (stored,) = INDEX.features(tx, P, latest[:1])
    assert stored == answer("c").features


def test_the_latest_feedback_counts_and_joins_its_answer_whichever_came_first(store):
    with store.write() as tx:
        INDEX.put_feedback(tx, P, feedback("a", 1, Verdict.NEGATIVE))
        INDEX.add(tx, P, [answer("a"), answer("b", 1)])
        INDEX.put_feedback(tx, P, feedback("a", 2, Verdict.NEGATIVE, "spam"))
        ((joined, label),) = INDEX.with_feedback(tx, P, None)
        assert (joined.answer_id, label.correction, label.time) == ("a", "spam", NOW + timedelta(seconds=2))
        assert INDEX.with_feedback(tx, P, None, NOW + timedelta(seconds=1)) == []
        assert INDEX.with_feedback(tx, P, NOW) == []
        assert newest(tx, 0) == 2
        assert newest(tx, 3) is None


def newest(tx, since: float, until: float = 100.0, indexed_by: float = 100.0) -> float | None:
    """The newest feedback; times in seconds from NOW."""
    times = (NOW + timedelta(seconds=each) for each in (since, until, indexed_by))
    time = INDEX.newest_feedback(tx, P, *times)
    return None if time is None else (time - NOW).total_seconds()


def test_votes_wait_for_the_segment_that_names_their_caller_but_not_for_ever(store):
    with store.write() as tx:
        INDEX.add(tx, P, [answer("a"), answer("c")])
        for id, seconds in (("a", 1), ("b", 2), ("c", 3)):
            INDEX.put_feedback(tx, P, feedback(id, seconds))
        assert newest(tx, 0, indexed_by=0) == 1
        assert newest(tx, 0, indexed_by=2) == 3
        assert newest(tx, 0, until=2, indexed_by=2) == 2
        INDEX.add(tx, P, [answer("b")])
        assert newest(tx, 0, indexed_by=0) == 3


def test_votes_are_counted_by_version_in_a_span_that_leaves_out_its_end(store):
    end = NOW + timedelta(seconds=10)
    with store.write() as tx:
        INDEX.add(tx, P, [answer("up"), answer("confirmed"), answer("wrong")])
        INDEX.put_feedback(tx, P, feedback("up"))
        INDEX.put_feedback(tx, P, feedback("confirmed", 1, Verdict.NEGATIVE, "ham"))
        INDEX.put_feedback(tx, P, feedback("wrong", 2, Verdict.NEGATIVE, "spam"))
        INDEX.put_feedback(tx, P, feedback("early", 3, Verdict.NEGATIVE))
        INDEX.put_feedback(tx, P, feedback("nothing", 4, Verdict.NEUTRAL))
        INDEX.put_feedback(tx, P, feedback("late", 10, Verdict.NEGATIVE))
        (votes,) = INDEX.votes(tx, P, NOW, end)
    assert replace(votes, votes=Votes()) == VersionVotes(f"{P}/deployments/mail", V1, NOW, end, Votes())
    assert (votes.votes.positive, votes.votes.negative) == (2, 2)
    assert votes.votes.tally == Tally(votes=4, callers=4, unhappy=2)


def votes_of(tx, start: float = 0.0) -> Votes:
    (votes,) = INDEX.votes(tx, P, NOW + timedelta(seconds=start), NOW + timedelta(seconds=1000))
    return votes.votes


def test_a_caller_with_many_answers_counts_once(store):
    mark = caller_mark(P, "anna")
    with store.write() as tx:
        INDEX.add(tx, P, [answer(f"a{n}", n, caller=mark) for n in range(50)])
        INDEX.add(tx, P, [answer(f"b{n}", n, caller=caller_mark(P, f"user {n}")) for n in range(2)])
        for n in range(50):
            INDEX.put_feedback(tx, P, feedback(f"a{n}", n, Verdict.NEGATIVE))
        for n in range(2):
            INDEX.put_feedback(tx, P, feedback(f"b{n}", n))
        assert votes_of(tx).tally == Tally(votes=52, callers=3, unhappy=1)
        assert {answer.caller for answer, _ in INDEX.with_feedback(tx, P, None)} >= {mark}


def test_an_unknown_caller_that_votes_again_and_again_on_one_answer_counts_once(store):
    """Each vote falls into a window of its own; serving adds the windows up."""
    windows = []
    with store.write() as tx:
        INDEX.add(tx, P, [answer("a")])
        for second in range(50):
            INDEX.put_feedback(tx, P, feedback("a", second, Verdict.NEGATIVE))
            windows.append(votes_of(tx, second))
    assert count_votes(row for each in windows for row in each.rows).tally.callers == 1


def test_answers_from_before_the_migration_count_as_one_unknown_caller_each(tmp_path, databases):
    url = databases.url_of_file(tmp_path / "old.db")
    migrate("flywheel", url, "0006")
    database = Database(url)
    store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"))
    with store.write() as tx:
        add_as_before(tx, ["a", "b"])
        for id in ("a", "b"):
            INDEX.put_feedback(tx, P, feedback(id, 1, Verdict.NEGATIVE))
    migrate("flywheel", url)
    with store.write() as tx:
        add_as_before(tx, ["c"])
        INDEX.put_feedback(tx, P, feedback("c", 1, Verdict.NEGATIVE))
        assert votes_of(tx).tally == Tally(votes=3, callers=3, unhappy=3)
        labelled = INDEX.with_feedback(tx, P, None)
    assert [(answer.answer_id, answer.caller) for answer, _ in labelled] == [("a", ""), ("b", ""), ("c", "")]
    database.close()


def add_as_before(tx, ids: list[str]) -> None:
    """Write answers as the release before the column did."""
    columns = [column.name for column in tables.ANSWERS.columns if column.name not in ("number", "caller")]
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    time = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for id in ids:
        row = {"project": P, "answer_id": id, "segment": "s", "deployment": "d", "version": V1, "time": time}
        row |= {"content_digest": id * 64, "label": "ham", "length": 1, "language": "", "words": b""}
        tx.connection.execute(text(f"INSERT INTO answers ({names}) VALUES ({values})"), row)


def test_what_is_old_is_forgotten_and_its_segment_named(store):
    old = TrafficSegment(f"{P}/trafficSegments/s", NOW, NOW, "d", "a" * 64, 1, NOW, NOW)
    with store.write() as tx:
        tx.create(old)
        INDEX.add(tx, P, [answer("old"), answer("new", 100)])
        INDEX.put_feedback(tx, P, feedback("old"))
        assert INDEX.segment_digests(tx, [old.name]) == ["a" * 64]
        assert INDEX.prune(tx, P, NOW + timedelta(seconds=50), 10) == (["a" * 64], False)
        assert [a.answer_id for a in INDEX.latest(tx, P, None, 10)] == ["new"]
        assert tx.find(TrafficSegment, old.name) is None
        assert INDEX.with_feedback(tx, P, None) == []


def test_old_data_are_pruned_a_few_at_a_time_the_oldest_first(store):
    segments = [
        TrafficSegment(
            f"{P}/trafficSegments/{n}", NOW + timedelta(seconds=n), NOW, "d", f"{n:064}", 1, NOW, NOW
        )
        for n in range(5)
    ]
    with store.write() as tx:
        for segment in segments:
            tx.create(segment)
        INDEX.add(tx, P, [answer(f"a{n}", n) for n in range(7)])
        before = NOW + timedelta(seconds=4)
        pruned = [INDEX.prune(tx, P, before, 3) for _ in range(3)]
        assert [[int(digest) for digest in digests] for digests, _ in pruned] == [[0, 1, 2], [3], []]
        assert [more for _, more in pruned] == [True, False, False]
        assert [a.answer_id for a in INDEX.latest(tx, P, None, 10)] == ["a6", "a5", "a4"]
        assert tx.find(TrafficSegment, segments[4].name) is not None
