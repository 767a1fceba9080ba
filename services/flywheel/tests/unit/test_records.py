"""Which feedback becomes records: the latest, with consent, and no user who answers everything alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Verdict
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, Preference
from ratoon_flywheel.domain.signals.records import MIN_OF_USER, MIN_REPEATS, Form, Selection, select
from ratoon_flywheel.domain.signals.traffic import Answer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
V1 = "projects/mail/models/mail/versions/v1.0"
Labelled = tuple[Answer, FeedbackLabel]


def answer(number: int, prompt: str = "", user: str = "", label: str = "") -> Answer:
    digest = prompt or f"prompt {number}"
    time = NOW + timedelta(seconds=number)
    return Answer(
        f"a{number:03}",
        "s",
        "d",
        V1,
        time,
        digest,
        label or f"sha256:{number}",
        TextFeatures((), 0, ""),
        user,
        digest,
    )


def labelled_by(answered: Answer, correction: str = "", seconds: float = 0.0, **more: object) -> Labelled:
    verdict = Verdict.NEGATIVE if correction else Verdict.POSITIVE
    time = NOW + timedelta(seconds=100 + seconds)
    label = FeedbackLabel(
        answered.answer_id, V1, time, verdict, correction, feedback=f"of {answered.answer_id}"
    )
    return answered, replace(label, **more)


def chosen(*labelled: Labelled) -> Selection:
    return select(labelled, [], Generate())


def ids(selection: Selection) -> list[str]:
    return [each.answer.answer_id for each in selection.selected]


def test_of_several_corrections_of_a_prompt_the_latest_counts():
    first, second = answer(1, "same"), answer(2, "same")
    selection = chosen(labelled_by(first, "sha256:x", 5), labelled_by(second, "sha256:y", 1))
    assert ids(selection) == ["a001"]
    assert selection.left_out == {"SUPERSEDED": 1}


def test_each_answer_to_a_prompt_counts_for_itself():
    first, second = answer(1, "same"), answer(2, "same")
    selection = chosen(labelled_by(first), labelled_by(second, verdict=Verdict.NEGATIVE))
    assert [(each.form, each.is_good) for each in selection.selected] == [
        (Form.UNPAIRED_PREFERENCE, True),
        (Form.UNPAIRED_PREFERENCE, False),
    ]


@pytest.mark.parametrize(("user", "left"), [("user", 1), ("", MIN_REPEATS + 1)])
def test_a_user_who_gives_the_same_text_to_everything_teaches_nothing(user, left):
    labelled = [labelled_by(answer(n, user=user), "sha256:junk") for n in range(MIN_REPEATS)]
    selection = chosen(*labelled, labelled_by(answer(99, user=user), "sha256:sound"))
    assert len(selection.selected) == left
    assert selection.left_out.get("QUARANTINED", 0) == MIN_REPEATS + 1 - left


def test_the_same_text_of_many_users_is_an_answer():
    labelled = [labelled_by(answer(n, user=f"user {n}"), "sha256:same") for n in range(2 * MIN_REPEATS)]
    assert len(chosen(*labelled).selected) == 2 * MIN_REPEATS


def test_who_gives_the_feedback_counts_before_who_sent_the_request():
    labelled = [
        labelled_by(answer(n, user=f"user {n}"), "sha256:junk", user="editor") for n in range(MIN_REPEATS)
    ]
    assert not chosen(*labelled).selected


def test_one_user_does_not_fill_the_data():
    many = [labelled_by(answer(n, user="keen"), f"sha256:{n}", n) for n in range(3 * MIN_OF_USER)]
    others = [labelled_by(answer(n, user=f"user {n}"), f"sha256:{n}") for n in range(100, 110)]
    selection = chosen(*many, *others)
    assert selection.left_out == {"CAPPED": 2 * MIN_OF_USER}
    assert ids(selection)[:MIN_OF_USER] == [f"a{n:03}" for n in range(2 * MIN_OF_USER, 3 * MIN_OF_USER)]


def test_without_consent_feedback_becomes_no_data():
    labelled = [labelled_by(answer(n), f"sha256:{n}", consent=consent) for n, consent in enumerate(Consent)]
    assert len(select(labelled, [], Generate(), Consent.TRAINING).selected) == 1
    assert len(select(labelled, [], Generate(), Consent.EVALUATION).selected) == 2
    assert (
        len(
            select(
                [labelled_by(answer(9, label="ham"), consent=Consent.NONE)], [], Classify(("ham", "spam"))
            ).selected
        )
        == 0
    )


def test_feedback_on_a_session_names_no_right_answer():
    assert chosen(labelled_by(answer(1), is_session=True)).left_out == {"SESSION": 1}


@pytest.mark.parametrize(
    ("other", "left"),
    [(answer(2, "same"), 1), (answer(2, "another"), 0), (answer(2, "same", label="sha256:1"), 0)],
)
def test_a_pair_answers_the_same_prompt_in_two_ways(other, left):
    pair = (answer(1, "same"), other, Preference("a001", "a002", NOW, "projects/mail/feedback/f"))
    assert len(select([], [pair], Generate()).selected) == left
