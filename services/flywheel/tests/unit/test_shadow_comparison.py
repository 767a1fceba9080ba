"""Two versions compared on the same requests: values of the metric, and intervals that hold over callers."""

import random
import time
from datetime import UTC, datetime
from math import sqrt
from statistics import mean, stdev

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kinds import KINDS as LIBRARY
from ratoon.tasks.kinds import kind_of
from ratoon.tasks.regress import Regress
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.signals.shadows import (
    Scored,
    ShadowAnswer,
    ShadowComparison,
    Switch,
    compare_pairs,
    message_of,
    sides_of,
)

LABELS = ("ham", "spam", "bulk")
ONE, SEVERAL = Classify(LABELS), Classify(LABELS, multi_label=True)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def compared(task, metric, rows):
    """Compare rows of caller, new answer, old answer and right answer."""
    kind = KINDS[task.kind]
    pairs = [
        Scored(caller, *(kind.summands(task, metric, each, right) for each in (new, old)), False)
        for caller, new, old, right in rows
    ]
    known = kind_of(task).METRICS[metric]
    return compare_pairs(known, lambda sums: kind.metric_of(metric, sums), pairs)


def drawn(count, seed=1, labels=LABELS, callers=None, accuracy=(0.7, 0.7)):
    draws = random.Random(seed)

    def answer(right, share):
        return right if draws.random() < share else draws.choice(labels)

    rows = []
    for number in range(count):
        right = draws.choice(labels[: 2 + (number % 3 == 0)])
        caller = f"c{number % callers}" if callers else f"c{number}"
        rows.append((caller, *(answer(right, share) for share in accuracy), right))
    return rows


@pytest.mark.parametrize("metric", ["macro_f1", "micro_f1", "accuracy", "precision", "recall"])
def test_metrics_of_labels_are_those_of_scikit_learn(metric):
    sklearn = pytest.importorskip("sklearn.metrics")
    rows = drawn(300)
    result = compared(ONE, metric, rows)
    truth = [row[3] for row in rows]
    for side, value in ((1, result.new), (2, result.old)):
        answers = [row[side] for row in rows]
        scores = sklearn.precision_recall_fscore_support(truth, answers, average="macro", zero_division=0)
        expected = {
            "macro_f1": scores[2],
            "precision": scores[0],
            "recall": scores[1],
            "micro_f1": sklearn.f1_score(truth, answers, average="micro"),
            "accuracy": sklearn.accuracy_score(truth, answers),
        }
        assert value == pytest.approx(expected[metric])


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.5), ("micro_f1", 2 * 3 / (3 + 4))])
def test_several_labels(metric, value):
    rows = [("a", "ham\nspam", "", "ham\nspam"), ("b", "ham", "", "ham\nbulk")]
    assert compared(SEVERAL, metric, rows).new == pytest.approx(value)


def test_an_invalid_answer_is_wrong():
    assert compared(ONE, "accuracy", [("a", "", "ham", "ham"), ("b", "ham", "", "ham")]).new == 0.5


def test_labels_that_are_gone_are_not_right():
    assert KINDS[ONE.kind].summands(ONE, "accuracy", "ham", "a label of before") is None


@pytest.mark.parametrize(
    ("task", "metric", "new", "old", "gain"),
    [
        (Generate(), "rouge_l", 2 / 3, 0.0, 2 / 3),
        (Generate(), "exact_match", 0.0, 0.0, 0.0),
        (Regress(min=0, max=10), "mae", 1.0, 4.0, 3.0),
        (Regress(min=0, max=10), "rmse", 1.0, 4.0, 3.0),
    ],
)
def test_texts_and_numbers(task, metric, new, old, gain):
    answers = ("budget of may", "a subject", "budget of june") if task == Generate() else ("6", "1", "5")
    result = compared(task, metric, [("a", *answers)])
    assert (result.new, result.old, result.gain) == pytest.approx((new, old, gain))
    assert (result.pairs, result.callers, result.interval) == (1, 1, None)


def test_a_caller_counts_once_and_the_interval_of_a_mean_is_the_known_one():
    rows = [(f"c{n}", str(n % 3), "2", "2") for n in range(30)] + [("c0", "0", "2", "2")] * 500
    result = compared(Regress(min=0, max=10), "mae", rows)
    losses = [abs(2 - n % 3) for n in range(30)]
    assert (result.new, result.callers, result.pairs) == (pytest.approx(mean(losses)), 30, 530)
    reach = 2.0452 * stdev(losses) / sqrt(30)
    assert result.interval.high - result.gain == pytest.approx(reach, rel=1e-3)


@pytest.mark.parametrize(
    ("task", "metric", "labels"), [(ONE, "macro_f1", LABELS), (Classify(("a", "b")), "macro_f1", ("a", "b"))]
)
def test_equal_versions_are_seldom_called_different(task, metric, labels):
    """Each caller sends several requests, and is right or wrong with all of them: the interval is over callers."""
    missed = 0
    for seed in range(400):
        draws, rows = random.Random(seed), []
        for caller in range(25):
            right = labels[caller % len(labels)]
            answers = [right if draws.random() < 0.7 else draws.choice(labels) for _ in range(2)]
            rows += [(f"c{caller}", *answers, right)] * draws.randint(1, 5)
        interval = compared(task, metric, rows).interval
        missed += not interval.low <= 0 <= interval.high
    assert missed / 400 < 0.08


def test_many_callers_are_left_out_in_groups():
    """The interval is about that of one caller at a time, and its time does not follow the number of callers."""
    rows = drawn(2000, accuracy=(0.6, 0.7))
    result = compared(ONE, "accuracy", rows)
    differences = [(new == right) - (old == right) for _, new, old, right in rows]
    reach = 1.96 * stdev(differences) / sqrt(len(rows))
    assert result.callers == 2000
    assert result.interval.high - result.gain == pytest.approx(reach, rel=0.15)


@pytest.mark.timeout(30)
def test_a_thousand_labels_of_two_thousand_callers_take_no_seconds():
    task = Classify(tuple(f"label{number}" for number in range(1000)))
    labels = [task.labels[number % 1000] for number in range(2000)]
    rows = [(f"c{n}", label, labels[n - n % 3], label) for n, label in enumerate(labels)]
    began = time.process_time()
    compared(task, "macro_f1", rows)
    assert time.process_time() - began < 2.5


def test_a_worse_version_is_found():
    result = compared(ONE, "macro_f1", drawn(300, accuracy=(0.5, 0.9)))
    assert result.interval.high < 0


def test_without_pairs_there_is_no_comparison():
    assert compared(ONE, "macro_f1", []) is None


def shadow(version, live, succeeded=True, **fields):
    numbers = {"latency_ms": 300.0, "live_latency_ms": 100.0, "tokens": 4, "live_tokens": 8, **fields}
    return ShadowAnswer("s", "a", "seg", "d", version, live, NOW, "ham", succeeded, **numbers)


def test_sides_count_both_answers_of_a_version_and_its_failures_in_the_shadow():
    rows = [
        shadow("new", "old"),
        shadow("old", "new", tokens=2),
        shadow("new", "old", succeeded=False, tokens=0),
    ]
    new, old = sides_of(rows, Switch("r", "d", NOW, "new", "old"))
    assert (new.p50_s, new.mean_tokens, new.shadows, new.errors) == (0.2, 6.0, 2, 1)
    assert (old.p50_s, old.mean_tokens, old.shadows, old.errors) == (0.2, 5.0, 1, 0)


@pytest.mark.parametrize(
    ("is_paired", "expected"),
    [(False, "macro-F1 cannot be computed of answers alone."), (True, "No right answer is known yet.")],
)
def test_what_does_not_say_which_version_is_better_is_stated(is_paired, expected):
    comparison = ShadowComparison("r", NOW, LIBRARY[ONE.kind].METRICS["macro_f1"], 8, 0.75)
    message = message_of(comparison, is_paired)
    assert message.startswith(expected)
    assert "same answer to 75% of 8 requests" in message
    assert "do not say which one is better" in message
