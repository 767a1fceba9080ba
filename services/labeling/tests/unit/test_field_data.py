"""Cases of the field data: overlap (D34), undefined agreement (D35) and the order of classes (D37)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ratoon.tasks.classify import Classify
from ratoon_labeling.domain.errors import TaskAnswered
from ratoon_labeling.domain.queues import Queue, moved
from ratoon_labeling.domain.summaries import summary_of
from ratoon_labeling.domain.tasks import (
    LEASE,
    Answer,
    Reason,
    Task,
    TaskState,
    claim,
    is_claimable,
    with_answer,
)
from ratoon_labeling.worker.label_errors import confident_joint, error_share, find_errors

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TASK = Task(
    "projects/p/tasks/t",
    NOW,
    NOW,
    "r",
    "d",
    "projects/p/datasets/d/versions/v",
    Classify(("1", "2", "3")),
    "",
    Reason.QUEUE,
    overlap=2,
    queue="projects/p/queues/q",
)


def answered(task: Task, annotator: str, label: str = "1", **fields) -> Task:
    return with_answer(task, Answer(annotator, label, **fields), NOW)


def test_d34_a_task_is_done_by_two_different_people_who_do_not_skip():
    once = answered(TASK, "P")
    assert answered(once, "P") == once
    with pytest.raises(TaskAnswered):
        answered(once, "P", "2")
    skipped = answered(once, "Q", "", skip_reason="no text")
    assert (once.state, skipped.state) == (TaskState.OPEN, TaskState.OPEN)
    held = claim(skipped, "R", NOW)
    assert not is_claimable(held, "S", NOW)
    assert is_claimable(held, "S", NOW + LEASE + timedelta(seconds=1))
    assert not is_claimable(held, "P", NOW + LEASE + timedelta(seconds=1))
    done = answered(held, "R", "2")
    assert done.state is TaskState.DONE
    with pytest.raises(TaskAnswered, match="create an annotation"):
        answered(done, "S")
    assert not is_claimable(done, "S", NOW)
    assert [(each.annotator, each.label) for each in done.answers] == [("P", "1"), ("Q", ""), ("R", "2")]


def test_d34_gold_items_count_for_no_overlap_and_a_queue_counts_each_task_once():
    queue = Queue(TASK.queue, NOW, NOW, TASK.dataset_version, "projects/p/guidelines/g", TASK.task)
    queue = moved(queue, None, TASK)
    gold = replace(TASK, state=TaskState.GOLD, expected_label="1")
    assert answered(answered(gold, "P"), "Q").state is TaskState.GOLD
    queue = moved(queue, None, gold)
    done = answered(answered(TASK, "P"), "Q")
    queue = moved(queue, TASK, done)
    assert (queue.open_count, queue.done_count, queue.gold_count) == (0, 1, 1)


def summary(*units: dict[str, str]):
    tasks = [
        replace(TASK, name=f"{TASK.name}{number}", answers=tuple(Answer(*each) for each in unit.items()))
        for number, unit in enumerate(units)
    ]
    return summary_of(TASK.task, tasks)


def test_d35_a_missing_rating_is_no_label():
    result = summary(
        {"r1": "1", "r2": "1"},
        {"r1": "1", "r2": "1", "r3": "1"},
        {"r1": "2", "r3": "2"},
        dict(r1="2", r2="2", r3="2"),
    )
    assert (result.alpha, result.raw_agreement, result.undefined_reason) == (1, 1, "")
    assert (result.compared_count, result.pair_count) == (4, 8)


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ([{"r1": "3", "r2": "3", "r3": "3"}] * 3, "All answers are the same"),
        ([{"r1": "1"}, {"r1": "2"}], "No task has answers of two annotators"),
        ([{"r1": "1"}, {"r2": "2"}], "No task has answers of two annotators"),
        ([], "No task has an answer"),
    ],
)
def test_d35_undefined_agreement_is_no_number_and_says_why(units, reason):
    result = summary(*units)
    assert result.alpha is None
    assert reason in result.undefined_reason


def test_d35_one_odd_answer_gives_zero_next_to_the_raw_agreement():
    result = summary(*[{"r1": "3", "r2": "3"}] * 9, {"r1": "3", "r2": "1"})
    assert result.alpha == pytest.approx(0)
    assert result.raw_agreement == pytest.approx(0.9)


def test_d37_the_order_of_classes_changes_no_named_result():
    rng = np.random.default_rng(2)
    classes = ["pos", "neg", "10", "2"]
    codes = rng.integers(0, 4, 400)
    probabilities = rng.dirichlet(np.ones(4), 400) * 0.3
    probabilities[np.arange(400), codes] += 0.7
    flipped = rng.choice(400, 20, replace=False)
    given = codes.copy()
    given[flipped] = (given[flipped] + 1) % 4
    suspects, joint = confident_joint(probabilities, given)
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order)
    moved_suspects, moved_joint = confident_joint(probabilities[:, order], place[given])
    named = [(row, classes[each]) for row, each in suspects]
    assert named == [(row, classes[order[each]]) for row, each in moved_suspects]
    assert len(set(flipped.tolist()) & {row for row, _ in named}) > 12
    assert error_share(joint, given) == pytest.approx(error_share(moved_joint, place[given]))


def test_d37_classes_travel_by_name_and_one_that_training_lacks_is_left_out():
    texts = [f"{word} number {n}" for word in ("ten", "two", "yes") for n in range(20)] + [
        "alone in its class"
    ]
    labels = ["10"] * 20 + ["2"] * 20 + ["pos"] * 20 + ["neg"]
    labels[5], labels[30] = "2", "pos"
    result, report = find_errors(texts, labels, "seed")
    assert {(each.row, each.suggested_label) for each in result} == {(5, "10"), (30, "2")}
    assert report.checked_count == 60
    nothing, empty = find_errors(["a", "b"], ["x", "y"], "seed")
    assert (nothing, empty.checked_count) == ([], 0)
