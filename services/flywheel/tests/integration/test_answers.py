"""The answer index on a real database: what is kept, joined, voted and forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon.chassis import outbox
from ratoon.chassis.database import Database
from ratoon.chassis.migrations import migrate
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.store import Store
from ratoon.testkit.postgresql import Databases
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.application.ports import Votes
from ratoon_flywheel.domain.signals.features import features
from ratoon_flywheel.domain.signals.feedback import Judgement, Verdict
from ratoon_flywheel.domain.signals.traffic import Answer, TrafficSegment, content_digest

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


def answer(id: str, seconds: float = 0.0, label: str = "ham", text: str = "") -> Answer:
    time = NOW + timedelta(seconds=seconds)
    said = text or f"the text of {id}"
    return Answer(
        id,
        f"{P}/trafficSegments/s",
        f"{P}/deployments/mail",
        V1,
        time,
        content_digest(said),
        label,
        features(said, 0),
    )


def judgement(
    id: str, seconds: float = 0.0, verdict: Verdict = Verdict.POSITIVE, correction: str = ""
) -> Judgement:
    return Judgement(id, V1, NOW + timedelta(seconds=seconds), verdict, correction)


INDEX = AnswerTables()


def test_answers_are_kept_once_and_come_back_newest_first(store):
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
        (seen,) = INDEX.features(tx, P, latest[:1])
    assert seen == answer("c").features


def test_the_latest_judgement_counts_and_joins_its_answer_whichever_came_first(store):
    with store.write() as tx:
        INDEX.judge(tx, P, judgement("a", 1, Verdict.NEGATIVE))
        INDEX.add(tx, P, [answer("a"), answer("b", 1)])
        INDEX.judge(tx, P, judgement("a", 2, Verdict.NEGATIVE, "spam"))
        ((joined, said),) = INDEX.judged(tx, P, None)
        assert (joined.answer_id, said.correction, said.time) == ("a", "spam", NOW + timedelta(seconds=2))
        assert INDEX.judged(tx, P, None, NOW + timedelta(seconds=1)) == []
        assert INDEX.judged(tx, P, NOW) == []
        assert INDEX.newest_judgement(tx, P, NOW) == NOW + timedelta(seconds=2)
        assert INDEX.newest_judgement(tx, P, NOW + timedelta(seconds=3)) is None


def test_votes_are_counted_by_version_in_a_span_that_leaves_out_its_end(store):
    end = NOW + timedelta(seconds=10)
    with store.write() as tx:
        INDEX.add(tx, P, [answer("up"), answer("confirmed"), answer("wrong")])
        INDEX.judge(tx, P, judgement("up"))
        INDEX.judge(tx, P, judgement("confirmed", 1, Verdict.NEGATIVE, "ham"))
        INDEX.judge(tx, P, judgement("wrong", 2, Verdict.NEGATIVE, "spam"))
        INDEX.judge(tx, P, judgement("early", 3, Verdict.NEGATIVE))
        INDEX.judge(tx, P, judgement("nothing", 4, Verdict.NEUTRAL))
        INDEX.judge(tx, P, judgement("late", 10, Verdict.NEGATIVE))
        assert INDEX.votes(tx, P, NOW, end) == [
            Votes("", V1, NOW, end, 0, 1),
            Votes(f"{P}/deployments/mail", V1, NOW, end, 2, 1),
        ]


def test_what_is_old_is_forgotten_and_its_segment_named(store):
    old = TrafficSegment(f"{P}/trafficSegments/s", NOW, NOW, "d", "a" * 64, 1, NOW, NOW)
    with store.write() as tx:
        tx.create(old)
        INDEX.add(tx, P, [answer("old"), answer("new", 100)])
        INDEX.judge(tx, P, judgement("old"))
        assert INDEX.segment_digests(tx, [old.name]) == ["a" * 64]
        assert INDEX.prune(tx, P, NOW + timedelta(seconds=50)) == ["a" * 64]
        assert [a.answer_id for a in INDEX.latest(tx, P, None, 10)] == ["new"]
        assert tx.find(TrafficSegment, old.name) is None
        assert INDEX.judged(tx, P, None) == []
