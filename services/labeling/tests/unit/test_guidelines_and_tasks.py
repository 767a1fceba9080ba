"""Guidelines, annotators and tasks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon_labeling.domain.annotations import Source, annotator_of
from ratoon_labeling.domain.errors import (
    BadLabels,
    BadOverlap,
    SourceNotYours,
    StaleEtag,
    TaskAnswered,
    TaskClaimed,
    UnknownLabel,
)
from ratoon_labeling.domain.guidelines import Guideline, check_etag
from ratoon_labeling.domain.kinds.classify import checked_labels
from ratoon_labeling.domain.tasks import (
    LEASE,
    Reason,
    Task,
    TaskState,
    checked_overlap,
    claim,
    complete,
    is_claimable,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TASK = Task(
    "projects/p/tasks/t",
    NOON,
    NOON,
    "r",
    "d",
    "projects/p/datasets/d/versions/v",
    Classify(("ham", "spam")),
    "ham",
    Reason.REVIEW_SAMPLE,
)


@pytest.mark.parametrize(
    "labels",
    [
        [],
        ["ham"],
        ["ham", "ham"],
        ["ham", ""],
        ["ham", " spam"],
        ["ham", "s" * 201],
        ["Ham", "ham"],
        ["a", "\u200b"],
    ],
)
def test_labels_without_a_choice_are_refused(labels):
    with pytest.raises(BadLabels):
        checked_labels(labels)


def test_a_change_made_on_an_older_revision_is_refused():
    guideline = Guideline("projects/p/guidelines/g", NOON, NOON, "", Classify(("ham", "spam")), revision=3)
    check_etag(guideline, "3")
    check_etag(guideline, "")
    with pytest.raises(StaleEtag):
        check_etag(guideline, "2")


def test_people_label_in_their_own_name_and_do_not_speak_for_feedback():
    assert annotator_of(Source.HUMAN, "somebody", "ann", False) == "ann"
    assert annotator_of(Source.IMPORT, "rater-7", "ann", False) == "rater-7"
    assert annotator_of(Source.FEEDBACK, "", "flywheel", True) == "flywheel"
    with pytest.raises(SourceNotYours):
        annotator_of(Source.FEEDBACK, "", "ann", False)


def test_a_task_takes_one_answer():
    done = complete(TASK, "spam", "ann", NOON)
    assert (done.state, done.label, done.annotator) == (TaskState.DONE, "spam", "ann")
    assert complete(done, "spam", "ann", NOON) == done
    with pytest.raises(TaskAnswered):
        complete(done, "ham", "bob", NOON)


def test_a_task_can_be_skipped_but_not_answered_with_any_word():
    assert complete(TASK, "", "ann", NOON).state is TaskState.SKIPPED
    with pytest.raises(UnknownLabel):
        complete(TASK, "junk", "ann", NOON)


def test_a_task_keeps_the_guidelines_spelling_of_its_answer():
    done = complete(TASK, "SPAM\u00a0", "ann", NOON)
    assert done.label == "spam"
    assert complete(done, "Spam", "ann", NOON) == done


def test_a_claimed_task_is_one_annotators_until_the_lease_expires():
    claimed = claim(TASK, "ann", NOON)
    assert is_claimable(claimed, "ann", NOON)
    assert not is_claimable(claimed, "bob", NOON)
    with pytest.raises(TaskClaimed, match="claimed by ann"):
        complete(claimed, "spam", "bob", NOON)
    assert is_claimable(claimed, "bob", NOON + LEASE)
    assert complete(claimed, "spam", "bob", NOON + LEASE).annotator == "bob"


def test_an_answer_ends_the_lease_and_is_not_claimed_again():
    done = complete(claim(TASK, "ann", NOON), "spam", "ann", NOON)
    assert (done.lease_holder, done.lease_expire_time) == ("", None)
    assert complete(done, "spam", "ann", NOON) == done
    assert not is_claimable(done, "ann", NOON)


def answered(task: Task, *answers: tuple[str, str]) -> Task:
    for annotator, label in answers:
        task = complete(task, label, annotator, NOON)
    return task


def test_a_task_of_several_annotators_waits_for_all_of_them():
    task = replace(TASK, overlap=3)
    once = complete(claim(task, "ann", NOON), "spam", "ann", NOON)
    assert (once.state, once.label, once.lease_holder) == (TaskState.OPEN, "", "")
    assert not is_claimable(once, "ann", NOON)
    assert is_claimable(once, "bob", NOON)
    assert complete(once, "SPAM", "ann", NOON) == once
    with pytest.raises(TaskAnswered, match="answered by ann"):
        complete(once, "ham", "ann", NOON)
    done = answered(once, ("bob", ""), ("cy", "spam"))
    assert (done.state, done.label, done.annotator) == (TaskState.DONE, "spam", "cy")
    assert [(each.annotator, each.label) for each in done.given] == [
        ("ann", "spam"),
        ("bob", ""),
        ("cy", "spam"),
    ]
    with pytest.raises(TaskAnswered):
        complete(done, "spam", "dan", NOON)


def test_a_task_whose_annotators_disagree_has_no_label_and_one_that_all_skip_is_skipped():
    task = replace(TASK, overlap=2)
    torn = answered(task, ("ann", "spam"), ("bob", "ham"))
    assert (torn.state, torn.label) == (TaskState.DONE, "")
    assert answered(task, ("ann", ""), ("bob", "")).state is TaskState.SKIPPED


@pytest.mark.parametrize("overlap", [0, -1, 21])
def test_the_number_of_annotators_has_bounds(overlap):
    with pytest.raises(BadOverlap):
        checked_overlap(overlap)
