"""Scores of several labels a record against scikit-learn."""

import random

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from ratoon.tasks.classify import Classify, members
from ratoon_evaluation.worker.answer_baselines import label_sets
from ratoon_evaluation.worker.label_sets import LabelSetScores

TASK = Classify(("billing", "shipping", "urgent", "other"), multi_label=True)


def drawn(seed: int, count: int, labels=TASK.labels) -> list[str]:
    generator = random.Random(seed)
    sets = [[label for label in labels if generator.random() < 0.4] or [labels[0]] for _ in range(count)]
    return ["\n".join(each) for each in sets]


def values(scores, rows):
    statistics = scores.statistics(np.array(rows), np.arange(len(rows)))
    return {name: float(each(np.ones((1, len(rows))))[0]) for name, each in statistics.items()}


@pytest.mark.parametrize("seed", range(5))
def test_the_scores_are_those_of_scikit_learn(seed):
    truth, answers = drawn(seed, 60), drawn(seed + 100, 60)
    right, named = (
        MultiLabelBinarizer(classes=TASK.labels).fit_transform(map(members, each))
        for each in (truth, answers)
    )
    scores = LabelSetScores(TASK, truth, answers)
    measured = values(scores, range(60))
    assert measured["accuracy"] == pytest.approx(accuracy_score(right, named))
    assert measured["micro_f1"] == pytest.approx(f1_score(right, named, average="micro"))
    macro = precision_recall_fscore_support(right, named, average="macro", zero_division=0)
    for name, value in zip(("precision", "recall", "macro_f1"), macro, strict=False):
        assert measured[name] == pytest.approx(value)
    by_label = precision_recall_fscore_support(right, named, zero_division=0)
    for row, each in enumerate(scores.classes()):
        expected = [column[row] for column in by_label]
        assert [each.precision, each.recall, each.f1, each.support] == pytest.approx(expected)


def test_labels_without_records_are_left_out_of_the_macro_averages():
    scores = LabelSetScores(TASK, ["billing", "billing\nurgent"], ["billing", "billing\nother"])
    assert values(scores, [0, 1])["macro_f1"] == pytest.approx((1 + 0) / 2)
    assert values(scores, [0])["macro_f1"] == 1
    assert [each.support for each in scores.classes()] == [2, 0, 1, 0]


def test_answers_that_name_other_labels_have_none():
    scores = LabelSetScores(TASK, ["billing"] * 4, ["Billing ", "billing\nspam", "", "billing;"])
    assert (scores.unanswered, scores.wrong) == (2, [False, True, True, False])
    assert values(scores, [1])["micro_f1"] == 0
    assert list(scores.of_record("accuracy")) == [1.0, 0.0, 0.0, 1.0]


def test_baselines_answer_with_at_least_one_label():
    texts = [f"pay the invoice {n}" for n in range(10)] + [f"parcel lost, pay back {n}" for n in range(8)]
    answers = [["billing"]] * 10 + [["billing", "shipping"]] * 8
    task = {"texts": texts, "answers": answers, "test_texts": ["pay invoice", "parcel lost", "strange words"]}
    known = label_sets(task)
    assert known["majority"] == ["billing"] * 3
    assert known["tfidf"][:2] == ["billing", "billing\nshipping"]
    assert all(all(map(members, each)) for each in known.values())
    assert label_sets(task | {"answers": [["billing"]] * 18})["tfidf"] == ["billing"] * 3
