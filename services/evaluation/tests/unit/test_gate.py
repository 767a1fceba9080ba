"""The gate's rules: what passes, what is refused, and that the sentence carries the numbers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_evaluation.domain.gate import Rule, RuleKind, judge
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores

CONFUSION = Confusion.of(("ham", "spam"), [("ham", "ham"), ("spam", "spam")])


def scores(macro_f1):
    interval = Interval(*macro_f1) if isinstance(macro_f1, tuple) else Interval(macro_f1, macro_f1, macro_f1)
    return Scores(10, interval, interval, 0.5, 0.5, None, None, CONFUSION.classes(), CONFUSION)


def measured(name="old", macro_f1=(0.9, 0.85, 0.95), majority=0.4, difference=None):
    return Measurements(
        (
            DomainScores(
                domain=name,
                test="0" * 64,
                candidate=scores(macro_f1),
                baselines={} if majority is None else {"majority": scores(majority)},
                difference=None if difference is None else Interval(*difference),
            ),
        )
    )


def against(difference, *, candidate=0.58, best=0.86):
    """Measurements of a candidate and the two regressions, the one on characters being the best."""
    (scores_of,) = measured(macro_f1=candidate).domains
    baselines = {"majority": scores(0.33), "tfidf": scores(0.67), "tfidf_chars": scores(best)}
    interval = None if difference is None else Interval(*difference)
    compared = replace(
        scores_of, baselines=baselines, best_baseline="tfidf_chars", baseline_difference=interval
    )
    return Measurements((compared,))


NEAR = Rule(RuleKind.NEAR_BASELINE, "old", -0.02)


def test_a_model_below_the_best_baseline_is_refused_with_both_numbers():
    verdict = judge([BEATS, NEAR], against((-0.279, -0.34, -0.22), candidate=0.581))
    assert not verdict.passed
    assert verdict.sentence.startswith("Refused: A simpler model is better")
    for part in ("TF-IDF on characters reaches macro-F1 0.860, the model 0.581", "Add labelled records"):
        assert part in verdict.sentence


@pytest.mark.parametrize(
    ("difference", "passed"),
    [
        ((0.05, 0.01, 0.09), True),
        ((-0.02, -0.06, 0.02), True),
        ((-0.021, -0.06, 0.02), False),
        ((math.nan, 0.0, 0.0), False),
        (None, False),
    ],
)
def test_the_measured_difference_to_the_baseline_decides(difference, passed):
    assert judge([NEAR], against(difference)).passed is passed


def test_labels_without_records_are_named():
    (scores_of,) = measured().domains
    confusion = Confusion.of(("ham", "spam", "other"), [("ham", "ham"), ("spam", "spam")])
    candidate = replace(scores_of.candidate, classes=confusion.classes(), confusion=confusion)
    verdict = judge([BEATS], Measurements((replace(scores_of, candidate=candidate),)))
    assert "'other' has no record in the test part of the domain old: it is not tested." in verdict.sentence


BEATS = Rule(RuleKind.BEATS_MAJORITY, "old")


def test_a_candidate_whose_lower_bound_beats_the_majority_passes():
    verdict = judge([BEATS], measured())
    assert verdict.passed
    assert "0.900 [0.850, 0.950]" in verdict.sentence
    assert "0.400" in verdict.sentence


def test_equal_to_the_majority_is_not_enough():
    verdict = judge([BEATS], measured(macro_f1=(0.5, 0.4, 0.6)))
    assert not verdict.passed
    assert "not above 0.400" in verdict.sentence


@pytest.mark.parametrize(
    ("kind", "threshold", "difference", "passed"),
    [
        (RuleKind.BETTER, 0.0, (0.1, 0.01, 0.2), True),
        (RuleKind.BETTER, 0.0, (0.1, 0.0, 0.2), False),
        (RuleKind.NOT_WORSE, -0.08, (-0.03, -0.07, 0.01), True),
        (RuleKind.NOT_WORSE, -0.08, (-0.06, -0.09, -0.02), False),
    ],
)
def test_a_comparison_is_decided_by_the_lower_bound(kind, threshold, difference, passed):
    verdict = judge([Rule(kind, "old", threshold)], measured(difference=difference))
    assert verdict.passed is passed
    assert verdict.findings[0].bound == threshold
    assert f"{difference[1]:.3f}" in verdict.sentence


@pytest.mark.parametrize(
    ("rule", "measurements"),
    [
        (BEATS, Measurements()),
        (BEATS, measured(majority=None)),
        (BEATS, measured(macro_f1=(math.nan, math.nan, math.nan))),
        (Rule(RuleKind.BETTER, "old"), measured()),
        (Rule(RuleKind.BETTER, "new"), measured(difference=(0.1, 0.05, 0.2))),
    ],
)
def test_missing_data_counts_as_failure(rule, measurements):
    verdict = judge([rule], measurements)
    assert not verdict.passed
    assert "counts as failure" in verdict.sentence


def test_a_gate_without_rules_lets_nothing_through():
    assert not judge([], measured()).passed


def test_a_refusal_names_only_what_failed():
    verdict = judge([BEATS, Rule(RuleKind.BETTER, "old")], measured(difference=(-0.2, -0.3, -0.1)))
    assert verdict.sentence.startswith("Refused: Better than the version in production on the domain old:")
    assert "-0.200 [-0.300, -0.100]" in verdict.sentence


bounds = st.floats(-1, 1)


@given(bounds, bounds, bounds)
def test_a_higher_lower_bound_never_turns_a_pass_into_a_refusal(threshold, low, gain):
    rule = Rule(RuleKind.NOT_WORSE, "old", threshold)
    before = judge([rule], measured(difference=(0, low, 1))).passed
    after = judge([rule], measured(difference=(0, low + abs(gain), 1))).passed
    assert after or not before


@pytest.mark.parametrize(
    ("kind", "threshold", "passed"),
    [
        (RuleKind.MIN_VALUE, 0.85, True),
        (RuleKind.MIN_VALUE, 0.86, False),
        (RuleKind.MAX_VALUE, 0.95, True),
        (RuleKind.MAX_VALUE, 0.94, False),
    ],
)
def test_a_bound_on_a_metric_holds_for_the_whole_interval(kind, threshold, passed):
    verdict = judge([Rule(kind, "old", threshold, "accuracy")], measured())
    assert verdict.passed is passed
    assert "accuracy is 0.900 [0.850, 0.950]" in verdict.sentence


@pytest.mark.parametrize(
    ("measurements", "metric"),
    [
        (measured(), "auc"),
        (measured("other"), "accuracy"),
        (measured(macro_f1=(math.nan, math.nan, math.nan)), "accuracy"),
    ],
)
def test_a_metric_that_was_not_measured_does_not_pass(measurements, metric):
    verdict = judge([Rule(RuleKind.MIN_VALUE, "old", 0.0, metric)], measurements)
    assert not verdict.passed
    assert "counts as failure" in verdict.sentence
