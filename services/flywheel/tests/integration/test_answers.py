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
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Verdict
from ratoon.tasks.regress import Regress
from ratoon.tasks.votes import Tally, Votes, count_votes
from ratoon.testkit.postgresql import Databases
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.application.ports import VersionVotes
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.features import ExchangeFeatures, features
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, Preference, answer_digest
from ratoon_flywheel.domain.signals.shadows import ShadowAnswer, ShadowMark, Switch
from ratoon_flywheel.domain.signals.traffic import Answer, TrafficSegment, caller_mark, content_digest

TASK = Classify(("ham", "spam"))
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
    assert stored == ExchangeFeatures(*vars(answer("c").features).values(), "ham")


def test_the_status_and_the_slices_of_an_answer_are_kept(store):
    full = replace(answer("a"), status="REFUSAL", slices={"tenant": "acme"})
    with store.write() as tx:
        INDEX.add(tx, P, [full, answer("b", 1)])
    with store.read() as tx:
        first, second = INDEX.features(tx, P, [full, answer("b", 1)])
    assert (first.status, first.slices) == ("REFUSAL", {"tenant": "acme"})
    assert (second.status, second.slices) == ("", {})


def test_an_answer_in_free_text_keeps_its_features_and_the_traffic_before_a_version_is_found(store):
    reply = features("A reply of words.", 0)
    second = f"{P}/models/mail/versions/v1.1"
    with store.write() as tx:
        INDEX.add(tx, P, [replace(answer("a"), reply=reply), answer("b", 1)])
        INDEX.add(tx, P, [replace(answer("c", 2), version=second), answer("d", 3)])
        (stored,) = INDEX.features(tx, P, [answer("a")])
        before = {v: INDEX.before_version(tx, P, v, 10) for v in (V1, second, "none")}
    assert stored.reply == reply
    assert {v: [a.answer_id for a in each] for v, each in before.items()} == {
        V1: [],
        second: ["b", "a"],
        "none": [],
    }


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
        (votes,) = INDEX.votes(tx, P, NOW, end, TASK)
    assert replace(votes, votes=Votes()) == VersionVotes(f"{P}/deployments/mail", V1, NOW, end, Votes())
    assert (votes.votes.positive, votes.votes.negative) == (2, 2)
    assert votes.votes.tally == Tally(votes=4, callers=4, unhappy=2)


def votes_of(tx, start: float = 0.0) -> Votes:
    (votes,) = INDEX.votes(tx, P, NOW + timedelta(seconds=start), NOW + timedelta(seconds=1000), TASK)
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
    migrate("flywheel", url)
    with store.write() as tx:
        add_as_before(tx, ["c"])
        assert votes_of(tx).tally == Tally(votes=3, callers=3, unhappy=3)
        labelled = INDEX.with_feedback(tx, P, None)
    assert [(answer.answer_id, answer.caller) for answer, _ in labelled] == [("a", ""), ("b", ""), ("c", "")]
    assert {label.consent for _, label in labelled} == {Consent.TRAINING}
    database.close()


def add_as_before(tx, ids: list[str]) -> None:
    """Write answers and their feedback as the release before the column did."""
    time = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for id in ids:
        both = {"project": P, "answer_id": id, "version": V1}
        answered = {
            "segment": "s",
            "deployment": "d",
            "time": time,
            "content_digest": id * 64,
            "label": "ham",
        }
        insert(tx, "answers", both | answered | {"length": 1, "language": "", "words": b""})
        insert(tx, "judgements", both | {"time": time + 10**6, "verdict": -1, "correction": ""})


def insert(tx, table: str, row: dict[str, object]) -> None:
    names, values = ", ".join(row), ", ".join(f":{column}" for column in row)
    tx.connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


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


def test_a_number_counts_by_the_tolerance_and_a_free_text_by_its_identity(store):
    end = NOW + timedelta(seconds=1000)
    with store.write() as tx:
        INDEX.add(tx, P, [answer(f"n{n}", label="3") for n in range(2)])
        for n, correction in enumerate(("3.5", "4")):
            INDEX.put_feedback(tx, P, feedback(f"n{n}", verdict=Verdict.NEGATIVE, correction=correction))
        (votes,) = INDEX.votes(tx, P, NOW, end, Regress(tolerance=0.5))
    assert (votes.votes.positive, votes.votes.negative) == (1, 1)
    with store.write() as tx:
        INDEX.forget_all(tx, P)
        INDEX.add(tx, P, [answer(f"t{n}", label=answer_digest("Hi")) for n in range(2)])
        for n, text_ in enumerate(("Hi", "Dear Ann")):
            given = feedback(f"t{n}", verdict=Verdict.NEGATIVE, correction=answer_digest(text_))
            INDEX.put_feedback(tx, P, given)
        (votes,) = INDEX.votes(tx, P, NOW, end, Generate())
    assert (votes.votes.positive, votes.votes.negative) == (1, 1)


def test_feedback_on_a_session_covers_its_answers_but_not_what_has_feedback_of_its_own(store):
    in_session = [replace(answer(f"s{n}", n), session="dialogue") for n in range(4)]
    with store.write() as tx:
        INDEX.add(tx, P, [*in_session[:2], answer("other")])
        INDEX.put_feedback(tx, P, feedback("s0", verdict=Verdict.POSITIVE))
        given = replace(feedback("", 2.5, verdict=Verdict.NEGATIVE), feedback=f"{P}/feedback/f")
        assert INDEX.put_session(tx, P, "dialogue", given) == 1
        INDEX.add(tx, P, in_session[2:])
        known = {each.answer_id: label for each, label in INDEX.with_feedback(tx, P, None)}
    assert {id: (label.verdict, label.is_session) for id, label in known.items()} == {
        "s0": (Verdict.POSITIVE, False),
        "s1": (Verdict.NEGATIVE, True),
        "s2": (Verdict.NEGATIVE, True),
    }
    with store.write() as tx:
        INDEX.put_feedback(tx, P, feedback("s1", verdict=Verdict.POSITIVE))
        later = replace(given, verdict=Verdict.NEGATIVE, time=NOW + timedelta(seconds=9))
        assert INDEX.put_session(tx, P, "dialogue", later) == 2


def test_of_preferences_and_outcomes_the_latest_counts_and_all_goes_with_its_answer(store):
    def prefer(tx, better: str, worse: str, seconds: float) -> None:
        time = NOW + timedelta(seconds=seconds)
        INDEX.put_preference(
            tx, P, Preference(better, worse, time, f"{P}/feedback/f", Consent.EVALUATION, "u")
        )

    with store.write() as tx:
        INDEX.add(tx, P, [replace(answer(id), prompt_digest="p" * 64) for id in "ab"])
        prefer(tx, "a", "b", 1)
        prefer(tx, "b", "a", 2)
        prefer(tx, "a", "unknown", 3)
        for value in (0.0, 1.0):
            INDEX.put_outcomes(tx, P, "a", NOW, {"resolved": value, f"minutes{value:g}": 7.0})
        ((better, worse, chosen),) = INDEX.preferences(tx, P, None)
        digests = INDEX.prompt_digests(tx, P, ["a", "b", "none"])
        outcomes = INDEX.outcomes(tx, P, NOW, NOW + timedelta(seconds=9))
    assert (better.answer_id, worse.answer_id, chosen.consent, chosen.user) == (
        "b",
        "a",
        Consent.EVALUATION,
        "u",
    )
    assert digests == {"a": "p" * 64, "b": "p" * 64}
    assert outcomes == [(V1, "minutes0", 7.0, 1), (V1, "minutes1", 7.0, 1), (V1, "resolved", 1.0, 1)]
    with store.write() as tx:
        INDEX.forget(tx, P, f"{P}/trafficSegments/s", ["a"], [])
        assert not INDEX.preferences(tx, P, None)
        assert not INDEX.outcomes(tx, P, NOW, NOW + timedelta(seconds=9))


V2 = f"{P}/models/mail/versions/v1.1"
SWITCH = Switch("rollout", f"{P}/deployments/mail", NOW, V2, V1, reference_outcome="price")


def shadow(id: str, of: str, seconds: float = 0.0, **fields: object) -> ShadowAnswer:
    known = ShadowAnswer(
        *(id, of, f"{P}/trafficSegments/s", SWITCH.deployment, V2, V1, NOW + timedelta(seconds=seconds)),
        *("spam", True, 3.0, 2.0, 7, 5),
    )
    return replace(known, **fields)


def ids_of(store: Store, **changes: object) -> list[str]:
    with store.read() as tx:
        return [each.answer_id for each in INDEX.shadows(tx, P, replace(SWITCH, **changes), 9)]


def test_shadow_answers_are_stored_once_and_those_of_a_rollout_are_returned(store):
    others = (
        shadow("early", "a", -1),
        shadow("of-others", "a", live_version=f"{P}/models/mail/versions/v0.9"),
        shadow("elsewhere", "a", deployment=f"{P}/deployments/other"),
    )
    both = shadow("s2", "a", 1), shadow("s1", "b", version=V1, live_version=V2, succeeded=False)
    with store.write() as tx:
        INDEX.add_shadows(tx, P, [*both, *others])
        INDEX.add_shadows(tx, P, [replace(both[0], tokens=99)])
        assert INDEX.shadows(tx, P, SWITCH, 9) == list(reversed(both))
        assert INDEX.shadows(tx, P, SWITCH, 1) == [both[0]]
        assert INDEX.shadowed_deployments(tx, P) == sorted({SWITCH.deployment, others[2].deployment})
        assert INDEX.shadows(tx, "projects/other", SWITCH, 9) == []
    assert ids_of(store, until=NOW + timedelta(seconds=1)) == ["s1"]
    assert ids_of(store, since=NOW + timedelta(seconds=1)) == ["s2"]


def test_what_is_right_is_known_by_feedback_and_outcomes_that_may_be_used(store):
    with store.write() as tx:
        INDEX.add(tx, P, [answer(id) for id in "abcdef"])
        INDEX.add_shadows(tx, P, [shadow(f"s{id}", id, n) for n, id in enumerate("abcdef")])
        INDEX.add_shadows(tx, P, [shadow("failed", "a", 9, succeeded=False)])
        INDEX.put_feedback(tx, P, feedback("a"))
        for id, consent in (("b", Consent.EVALUATION), ("c", Consent.NONE)):
            INDEX.put_feedback(tx, P, replace(feedback(id, correction="spam"), consent=consent))
        for id, name, consent in (
            ("d", "price", Consent.TRAINING),
            ("e", "price", Consent.NONE),
            ("f", "clicks", Consent.TRAINING),
        ):
            INDEX.put_outcomes(tx, P, id, NOW, {name: 2.5}, consent)
        known = INDEX.known_shadows(tx, P, SWITCH, 9)
        newest = INDEX.known_shadows(tx, P, SWITCH, 1)
    assert [(each.live.answer_id, each.shadow.answer_id, each.outcome) for each in known] == [
        ("a", "sa", None),
        ("b", "sb", None),
        ("d", "sd", 2.5),
    ]
    assert [each.feedback and each.feedback.correction for each in known] == ["", "spam", None]
    assert newest == known[-1:]


def test_news_of_shadow_answers_are_newer_ones_and_feedback_on_what_they_shadow(store):
    with store.write() as tx:
        INDEX.put_feedback(tx, P, feedback("a"))
        assert INDEX.shadow_mark(tx, P) == ShadowMark()
        assert not INDEX.has_shadow_news(tx, P, ShadowMark())
        INDEX.add_shadows(tx, P, [shadow("s", "a")])
        assert INDEX.has_shadow_news(tx, P, ShadowMark())
        mark = INDEX.shadow_mark(tx, P)
        assert not INDEX.has_shadow_news(tx, P, mark)
        INDEX.put_feedback(tx, P, feedback("other"))
        assert not INDEX.has_shadow_news(tx, P, mark)
        INDEX.put_feedback(tx, P, feedback("a", 1))
        assert INDEX.has_shadow_news(tx, P, mark)
        mark = INDEX.shadow_mark(tx, P)
        INDEX.put_outcomes(tx, P, "a", NOW, {"price": 1.0})
        assert INDEX.has_shadow_news(tx, P, mark)


def test_shadow_answers_are_forgotten_pruned_and_respelled_as_answers_are(store):
    with store.write() as tx:
        INDEX.add_shadows(tx, P, [shadow(f"s{id}", id, n) for n, id in enumerate("abcd")])
        INDEX.respell(tx, P, "spam", "Spam")
        assert {each.label for each in INDEX.shadows(tx, P, SWITCH, 9)} == {"Spam"}
        INDEX.forget(tx, P, "segment", ["a", "sb"], [])
    assert ids_of(store) == ["sc", "sd"]
    with store.write() as tx:
        INDEX.prune(tx, P, NOW + timedelta(seconds=3), 9)
    assert ids_of(store) == ["sd"]
    with store.write() as tx:
        INDEX.forget_all(tx, P)
    assert ids_of(store) == []
