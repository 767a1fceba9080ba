"""The gate with the metrics of every kind of task, whichever direction is better."""

import math
import random
from statistics import NormalDist, fmean

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kind import Direction
from ratoon.tasks.kinds import KINDS as SHARED
from ratoon.tasks.regress import Regress
from ratoon_evaluation.domain import gate
from ratoon_evaluation.domain.gate import Rule, RuleKind, Verdict, judge
from ratoon_evaluation.domain.kinds.table import KINDS
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores


def interval(value: float, reach: float = 0.01) -> Interval:
    return Interval(value, value - reach, value + reach)


def scores(unmeasured=None, **metrics: float) -> Scores:
    measured = {name: interval(value) for name, value in metrics.items()}
    return Scores(100, metrics=measured, unmeasured=unmeasured or {})


def verdict(
    rule: Rule, task, primary="", candidate=None, reference=None, difference=None, **baselines
) -> Verdict:
    domain = DomainScores(
        "new",
        "0" * 64,
        candidate or scores(),
        reference,
        baselines={name: each for name, each in baselines.items() if name != "best"},
        differences=difference or {},
        best_baseline=baselines.get("best", ""),
    )
    return judge([rule], Measurements((domain,)), task, primary)


@pytest.mark.parametrize(
    ("threshold", "change", "passed"),
    [
        (0.0, (-0.04, -0.06, -0.02), True),
        (0.0, (-0.04, -0.06, 0.0), False),
        (0.03, (-0.04, -0.06, -0.02), False),
        (-0.05, (0.01, -0.01, 0.04), True),
        (-0.05, (0.01, -0.01, 0.05), False),
    ],
)
def test_a_lower_error_is_a_gain(threshold, change, passed):
    rule = Rule(RuleKind.BETTER, "new", threshold)
    decided = verdict(rule, Regress(), difference={"mae": Interval(*change)})
    assert decided.passed is passed
    assert "MAE changes by" in decided.sentence
    assert "(lower is better)" in decided.sentence
    assert "macro-F1" not in decided.sentence


def test_a_sentence_names_the_metric_its_bound_and_its_direction():
    rule = Rule(RuleKind.BEATS_MAJORITY, "new")
    decided = verdict(rule, Regress(), candidate=scores(mae=0.41), mean=scores(mae=0.40))
    assert decided.sentence == (
        "Refused: Better than the baseline on the domain new: MAE is 0.41 [0.4, 0.42]; always the mean gives 0.4; "
        "the upper bound 0.42 is not below 0.4."
    )


def test_the_primary_metric_of_the_run_decides_unless_a_rule_names_another():
    difference = {"chrf": interval(0.1), "rouge_l": interval(-0.1)}
    better = Rule(RuleKind.BETTER, "new")
    assert not verdict(better, Generate(), difference=difference).passed
    assert verdict(better, Generate(), "chrf", difference=difference).passed
    named = Rule(RuleKind.BETTER, "new", metric="rouge_l")
    assert "ROUGE-L changes by -0.100" in verdict(named, Generate(), "chrf", difference=difference).sentence


def test_a_rule_compares_with_the_baseline_that_it_names():
    baselines = {"nearest_reference": scores(rouge_l=0.2), "zero_shot": scores(rouge_l=0.4)}
    rule = Rule(RuleKind.BEATS_MAJORITY, "new")
    assert verdict(rule, Generate(), candidate=scores(rouge_l=0.3), **baselines).passed
    named = Rule(RuleKind.BEATS_MAJORITY, "new", baseline="zero_shot")
    refused = verdict(named, Generate(), candidate=scores(rouge_l=0.3), **baselines)
    assert not refused.passed
    assert "the base model gives 0.400" in refused.sentence


@pytest.mark.parametrize(("margin", "passed"), [(0.02, False), (0.05, True), (0.06, True)])
def test_the_margin_to_the_best_baseline_is_a_loss_whatever_the_direction(margin, passed):
    domain = DomainScores(
        "new",
        "0" * 64,
        scores(mae=0.45),
        baselines={"mean": scores(mae=0.9), "ridge_tfidf": scores(mae=0.40)},
        best_baseline="ridge_tfidf",
        baseline_differences={"mae": interval(0.05)},
    )
    decided = judge([Rule(RuleKind.NEAR_BASELINE, "new", -margin)], Measurements((domain,)), Regress())
    assert decided.passed is passed
    assert "ridge regression on TF-IDF reaches MAE 0.4, the model 0.45 (difference +0.05" in decided.sentence
    assert passed or "A simpler model is better" in decided.sentence
    assert "turns this rule off" not in decided.sentence


@pytest.mark.parametrize(
    "rule",
    [
        Rule(RuleKind.MIN_VALUE, "new", 0.0, "json_validity"),
        Rule(RuleKind.MAX_VALUE, "new", 1e9, "perplexity"),
        Rule(RuleKind.BETTER, "new", -1.0),
        Rule(RuleKind.NOT_WORSE, "new", -1.0, "perplexity"),
        Rule(RuleKind.BEATS_MAJORITY, "new", -1.0),
        Rule(RuleKind.NEAR_BASELINE, "new", -1.0),
    ],
)
def test_a_metric_that_cannot_be_computed_fails_the_rule_with_its_reason(rule):
    why = "No record has a reference."
    without = scores({"rouge_l": why, "perplexity": why, "json_validity": why})
    decided = verdict(
        rule,
        Generate(),
        candidate=without,
        reference=without,
        nearest_reference=without,
        best="nearest_reference",
    )
    assert not decided.passed
    assert "was not measured there (No record has a reference), which counts as failure" in decided.sentence


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", RuleKind)
def test_what_is_no_finite_number_never_passes(kind, value):
    broken = Scores(1, metrics={"mae": Interval(value, value, value)})
    domain = DomainScores(
        "new",
        "0" * 64,
        broken,
        broken,
        baselines={"mean": broken},
        best_baseline="mean",
        differences={"mae": Interval(value, value, value)},
        baseline_differences={"mae": Interval(value, value, value)},
    )
    rule = Rule(kind, "new", 0.0, "mae")
    assert not judge([rule], Measurements((domain,)), Regress()).passed


@pytest.mark.parametrize(
    "task", [Classify(("a", "b")), Classify(("a", "b"), multi_label=True), Generate(), Regress()]
)
def test_metrics_and_baselines_are_those_of_the_kind(task):
    ours, shared = KINDS[task.kind], SHARED[task.kind]
    compared = ours.compared_metrics(task)
    assert set(compared) <= set(ours.gated_metrics(task)) <= set(shared.METRICS)
    assert shared.PRIMARY in compared
    assert tuple(ours.BASELINE_TITLES) == shared.BASELINES
    assert {ours.BASELINE, *ours.BASE_BASELINES} <= set(shared.BASELINES)
    assert all(shared.METRICS[name].direction is not Direction.NONE for name in compared)


@pytest.mark.parametrize(
    ("task", "change", "detectable"),
    [
        (Generate(), {"rouge_l": Interval(0.02, -0.01, 0.05)}, "0.043"),
        (Regress(), {"mae": Interval(-2.0, -5.0, 1.0)}, "4.288"),
    ],
)
def test_a_refused_gain_says_which_gain_the_records_can_show(task, change, detectable):
    refused = verdict(Rule(RuleKind.BETTER, "new"), task, difference=change)
    assert f"With these records, a true gain below {detectable} is often missed." in refused.sentence
    accepted = verdict(Rule(RuleKind.NOT_WORSE, "new", -10.0), task, difference=change)
    assert "often missed" not in accepted.sentence


def test_the_gain_that_records_can_show_is_found_in_four_of_five_samples():
    """The mean of n normal gains around the smallest detectable one: its interval lies above 0 in 80 % of draws."""
    drawn, n = random.Random(1), 100
    reach = NormalDist().inv_cdf(0.975) / math.sqrt(n)
    detectable = gate._DETECTABLE * 2 * reach
    significant = sum(fmean(drawn.gauss(detectable, 1.0) for _ in range(n)) > reach for _ in range(2000))
    assert significant / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("metric", ["json_validity", "json_field_f1"])
def test_a_rule_on_json_fails_with_its_reason_where_answers_are_no_json(metric):
    rule = Rule(RuleKind.MIN_VALUE, "new", 0.0, metric)
    refused = verdict(rule, Generate())
    assert "was not measured there (The form of the answers is not JSON)" in refused.sentence
    accepted = verdict(rule, Generate(Form.JSON), candidate=scores(**{metric: 0.9}))
    assert accepted.passed
