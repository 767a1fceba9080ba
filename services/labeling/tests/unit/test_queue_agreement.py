"""Agreement and quality of annotators, against published values and the cases where they are undefined."""

import random
from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon_labeling.domain.agreement import cohen_kappa, fleiss_kappa, nominal_alpha
from ratoon_labeling.domain.annotator_quality import dawid_skene, estimated_accuracies
from ratoon_labeling.domain.queues import filter_terms, lot, shares
from ratoon_labeling.domain.summaries import summary_of
from ratoon_labeling.domain.tasks import Answer, Reason, Task, TaskState, queued_id

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FLEISS = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip
"""Example of the article of 1971 as it is usually printed: 10 units, 14 raters, 5 categories; kappa 0.210."""
ANAESTHETISTS = [
    "111 1 1 1 1", "333 4 3 3 4", "112 2 1 2 2", "222 3 1 2 1", "222 3 2 2 2", "222 3 3 2 2", "122 2 1 1 1",
    "333 3 4 3 3", "222 2 2 2 3", "232 2 2 2 3", "444 4 4 4 4", "222 3 3 4 3", "111 1 1 1 1", "222 3 2 1 2",
    "121 1 1 1 1", "111 2 1 1 1", "111 1 1 1 1", "111 1 1 1 1", "222 2 2 2 1", "222 1 3 2 2", "222 2 2 2 2",
    "222 2 2 2 1", "222 3 2 2 2", "221 2 2 2 2", "111 1 1 1 1", "111 1 1 1 1", "232 2 2 2 2", "111 1 1 1 1",
    "111 1 1 1 1", "112 1 1 2 1", "111 1 1 1 1", "333 3 2 3 3", "111 1 1 1 1", "222 2 2 2 2", "222 3 2 3 2",
    "433 4 3 4 3", "221 2 2 3 2", "232 3 2 3 3", "333 4 3 4 4", "111 1 1 1 1", "111 1 1 1 1", "121 2 1 1 1",
    "232 2 2 2 2", "121 1 1 1 1", "222 2 2 2 2",
]  # fmt: skip
"""Ratings of 45 patients after Dawid and Skene (1979): three assessments of the first observer, one of each other.

The article gives the shares 0.40, 0.42, 0.11 and 0.07 of the categories; there the first observer has one matrix, here
each of the assessments has its own."""


def test_kappa_of_two_annotators():
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 5) is None


def test_kappa_of_many_annotators():
    units = [[name for name, count in enumerate(row) for _ in range(count)] for row in FLEISS]
    assert fleiss_kappa(units) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa([["a"], ["b"]]) is None
    assert fleiss_kappa([["a", "a"]] * 3) is None


def test_a_missing_rating_is_no_label_and_one_label_alone_is_undefined():
    assert nominal_alpha([[1, 1], [1, 1], [2, 2], [2, 2]]) == 1
    assert nominal_alpha([[3, 3]] * 9) is None
    assert nominal_alpha([[3, 3]] * 9 + [[3, 1]]) == pytest.approx(0)
    assert nominal_alpha([["a"], ["b"]]) is None


def test_the_published_example_of_dawid_and_skene():
    tasks = []
    for row in ANAESTHETISTS:
        first, *others = row.split()
        tasks.append(
            {f"1{mark}": label for mark, label in zip("abc", first, strict=True)} | dict(enumerate(others, 2))
        )
    model = dawid_skene(tasks, smoothing=0.0)
    assert [model.shares[label] for label in "1234"] == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.03)
    best = [max(truth, key=truth.get) for truth in model.truths]
    assert best[0] == "1"
    assert best[10] == "4"


def test_the_accuracy_of_careful_and_careless_annotators_is_estimated():
    rng = random.Random(3)
    tasks = []
    for _ in range(300):
        truth = rng.choice("ab")
        tasks.append(
            {
                name: truth if rng.random() < right else "ab".replace(truth, "")
                for name, right in (("ann", 0.95), ("bob", 0.9), ("cy", 0.6), ("dan", 0.85))
            }
        )
    quality = estimated_accuracies(tasks)
    assert quality["ann"] == pytest.approx(0.95, abs=0.06)
    assert quality["cy"] == pytest.approx(0.6, abs=0.08)
    assert not estimated_accuracies(tasks[:9])


def task(record: str, answers: dict[str, str], **more: object) -> Task:
    given = tuple(Answer(who, label) for who, label in answers.items())
    return Task(
        f"projects/p/tasks/{queued_id('q', record)}", NOW, NOW, record, "", "v", Classify(("ham", "spam")), "",
        Reason.QUEUE, TaskState.DONE, answers=given, queue="q", **more,
    )  # fmt: skip


def test_a_summary_says_why_alpha_is_undefined_and_hides_others_from_an_annotator():
    spec = Classify(("ham", "spam"))
    assert summary_of(spec, []).undefined_reason == "No task has an answer."
    one = [task("a", {"ann": "ham"})]
    assert summary_of(spec, one).undefined_reason == "No task has answers of two annotators."
    same = summary_of(spec, [task("a", {"ann": "ham", "bob": "ham"})])
    assert (same.alpha, same.raw_agreement) == (None, 1)
    assert "same" in same.undefined_reason
    mixed = [task("a", {"ann": "ham", "bob": "ham"}), task("b", {"ann": "spam", "bob": "ham", "cy": "spam"})]
    whole = summary_of(spec, mixed)
    assert whole.answer_counts == {"ham": 3, "spam": 2}
    assert (whole.compared_count, whole.pair_count, whole.raw_agreement) == (2, 4, 0.5)
    assert {each.label for each in whole.labels} == {"ham", "spam"}
    own = whole.for_annotator("cy")
    assert [each.name for each in own.annotators] == ["cy"]
    assert all("cy" in (each.first, each.second) for each in own.pairs)


def test_filters_lots_and_shares():
    assert filter_terms('language = zh AND attributes.channel = "a b"') == [
        ("language", "zh"),
        ("attributes.channel", "a b"),
    ]
    assert 0 <= lot("a", "b") < 1
    assert lot("a", "b") != lot("ab", "")
    assert (shares(10, 0.3), shares(1, 0.1), shares(0, 0.3)) == ((3, 7), (1, 0), (0, 0))
