"""The gate: rules over measurements, and the verdict. It does not know how anything was measured.

What was not measured counts as failure. A verdict carries the numbers, so that a refusal says why. Rules compare gains:
of a metric whose lower values are better, a gain is a decrease.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

from ratoon.tasks import judges, kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Direction, Metric
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.titles import metric_title
from ratoon_evaluation.domain.kinds.table import kind_of
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores
from ratoon_evaluation.domain.suites import is_suite_metric, suite_metric
from ratoon_evaluation.domain.wording import number, span


class RuleKind(StrEnum):
    """What a rule asks for."""

    BEATS_MAJORITY = "BEATS_MAJORITY"
    """The worse bound of the metric is better than the simplest baseline's value by more than the threshold."""
    BETTER = "BETTER"
    """The paired gain over the reference has a lower bound above the threshold, usually 0."""
    NOT_WORSE = "NOT_WORSE"
    """The same with a threshold below 0, usually −0.08: a small loss is accepted."""
    NEAR_BASELINE = "NEAR_BASELINE"
    """The measured gain over the best baseline is at least the threshold, usually −0.02.

    The measured gain decides, not its lower bound: a test part of any size lets an equal of the baseline pass.
    """
    MIN_VALUE = "MIN_VALUE"
    """The candidate's lower bound of a metric is at least the threshold."""
    MAX_VALUE = "MAX_VALUE"
    """The candidate's upper bound of a metric is at most the threshold."""


BOUNDS = (RuleKind.MIN_VALUE, RuleKind.MAX_VALUE)
"""Kinds of rules on the value of one metric."""


@dataclass(frozen=True)
class Rule:
    """One condition on one domain. `threshold` is a gain in units of the metric, or a value of `metric`."""

    kind: RuleKind
    domain: str
    threshold: float = 0.0
    metric: str = ""
    """Metric that is bounded or compared; empty: the primary metric. Of a suite: `suite:NAME.metric`."""
    baseline: str = ""
    """Baseline of BEATS_MAJORITY; empty: the simplest one of the kind of task."""


@dataclass(frozen=True)
class Finding:
    """How one rule came out: what was measured, the bound that its worse end had to exceed, and a sentence."""

    rule: Rule
    passed: bool
    sentence: str
    measured: Interval | None = None
    bound: float | None = None
    note: str = ""
    """A sentence on the measurement itself, for example on labels without records."""


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may go on, by all rules together."""

    passed: bool
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """For people: the outcome, then what failed, or all that held."""
        decisive = [finding.sentence for finding in self.findings if finding.passed == self.passed]
        decisive += [finding.note for finding in self.findings if finding.note]
        return ("Passed: " if self.passed else "Refused: ") + (" ".join(decisive) or "the gate has no rule.")


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found: the measurements and the verdict over them."""

    measured: Measurements
    verdict: Verdict


_ANY_LABELS = Classify()


@dataclass(frozen=True)
class _Criteria:
    """What rules compare, by the kind of task: its metrics, the primary one, and its baselines."""

    metrics: Mapping[str, Metric]
    primary: str
    simplest: str
    titles: Mapping[str, str]
    unmeasurable: Mapping[str, str]

    def metric(self, rule: Rule) -> Metric:
        """Return the metric of a rule."""
        return self.metrics[rule.metric or self.primary]

    def baseline(self, rule: Rule) -> str:
        """Return the name of the baseline of a rule BEATS_MAJORITY."""
        return rule.baseline or self.simplest

    def title(self, baseline: str) -> str:
        """Return the name of a baseline for people."""
        return self.titles.get(baseline, baseline)


def judge(
    rules: Sequence[Rule], measured: Measurements, task: TaskSpec = _ANY_LABELS, primary: str = ""
) -> Verdict:
    """Hold each rule against the measurements; a gate without a rule lets nothing through.

    `primary` is the metric of rules without one; empty: that of the kind of task.
    """
    ours, shared = kind_of(task), kinds.kind_of(task)
    criteria = _Criteria(
        metrics={**judges.METRICS, **shared.METRICS},
        primary=primary or shared.PRIMARY,
        simplest=ours.BASELINE,
        titles=ours.BASELINE_TITLES,
        unmeasurable=ours.unmeasurable(task),
    )
    findings = _noted([_finding(rule, measured, criteria) for rule in rules], measured)
    return Verdict(bool(findings) and all(finding.passed for finding in findings), findings)


def _noted(findings: Sequence[Finding], measured: Measurements) -> tuple[Finding, ...]:
    """The findings, the first one of each domain with a note on labels that were not tested there."""
    noted: list[Finding] = []
    domains: set[str] = set()
    for finding in findings:
        domain = finding.rule.domain
        scores = measured.domain(domain) if domain not in domains else None
        domains.add(domain)
        noted.append(replace(finding, note=untested(scores)) if scores else finding)
    return tuple(noted)


def untested(scores: DomainScores) -> str:
    """A sentence that names the labels without records in a domain's test part; empty: each label has some."""
    absent = scores.candidate.classes_without_records
    if not absent:
        return ""
    names = ", ".join(repr(label) for label in absent)
    has, it = ("has", "it is") if len(absent) == 1 else ("have", "they are")
    return f"{names} {has} no record in the test part of the domain {scores.domain}: {it} not tested."


def _finding(rule: Rule, measured: Measurements, criteria: _Criteria) -> Finding:
    if is_suite_metric(rule.metric):
        return _of_suite(rule, measured, criteria)
    scores, metric = measured.domain(rule.domain), criteria.metric(rule)
    if scores is None:
        return _missing(rule, "the candidate was not scored there")
    if rule.kind is RuleKind.BEATS_MAJORITY:
        return _beats_baseline(rule, scores, metric, criteria)
    if rule.kind is RuleKind.NEAR_BASELINE:
        return _near_baseline(rule, scores, metric, criteria)
    if rule.kind in BOUNDS:
        return _bounded(rule, scores, metric, criteria)
    return _compared(rule, scores, metric, criteria)


def _of_suite(rule: Rule, measured: Measurements, criteria: _Criteria) -> Finding:
    """Return whether the metric of a suite or of one of its tests keeps a bound."""
    named = suite_metric(rule.metric, [scores.suite for scores in measured.suites])
    scores = measured.suite(named.suite) if named else None
    if named is None or scores is None:
        return _missing(rule, "the suite was not applied")
    tests = [test for test in scores.tests if named.test in ("", test.test)]
    interval = (
        scores.mean(named.metric)
        if not named.test
        else tests[0].candidate.get(named.metric)
        if tests
        else None
    )
    metric = criteria.metrics.get(named.metric, Metric(named.metric))
    if interval is not None:
        return _within(rule, interval, metric)
    reasons = (test.unmeasured.get(named.metric) or test.unmeasured.get("", "") for test in tests)
    why = next((reason.rstrip(".") for reason in reasons if reason), "")
    return _missing(rule, "it was not measured" + (f" ({why})" if why else ""))


def _bounded(rule: Rule, scores: DomainScores, metric: Metric, criteria: _Criteria) -> Finding:
    interval = scores.candidate.measured.get(metric.name)
    if interval is None:
        return _unmeasured(rule, scores.candidate, metric, criteria)
    return _within(rule, interval, metric)


def _within(rule: Rule, interval: Interval, metric: Metric) -> Finding:
    """Return whether the outer end of an interval keeps a bound."""
    is_lower = rule.kind is RuleKind.MIN_VALUE
    end = interval.low if is_lower else interval.high
    if not math.isfinite(end):
        return _missing(rule, _NO_NUMBER)
    passed = end >= rule.threshold if is_lower else end <= rule.threshold
    side, limit = ("lower", "at least") if is_lower else ("upper", "at most")
    sentence = (
        f"{_title(rule)}: {metric_title(metric.name)} is {span(interval, metric)}; the {side} bound "
        f"{number(end, metric)} is {'' if passed else 'not '}{limit} {number(rule.threshold, metric)}."
    )
    return Finding(rule, passed, sentence, interval, rule.threshold)


def _beats_baseline(rule: Rule, scores: DomainScores, metric: Metric, criteria: _Criteria) -> Finding:
    name = criteria.title(criteria.baseline(rule))
    baseline = scores.baselines.get(criteria.baseline(rule))
    if baseline is None:
        return _missing(rule, f"the baseline ({name}) was not scored there")
    ours, theirs = (each.measured.get(metric.name) for each in (scores.candidate, baseline))
    if ours is None or theirs is None:
        return _unmeasured(rule, baseline if ours else scores.candidate, metric, criteria)
    text = f"{metric_title(metric.name)} is {span(ours, metric)}; {name} gives {number(theirs.value, metric)}"
    return _held(rule, ours, theirs.value + _raw(rule.threshold, metric), metric, text)


def _near_baseline(rule: Rule, scores: DomainScores, metric: Metric, criteria: _Criteria) -> Finding:
    best = scores.baselines.get(scores.best_baseline)
    if best is None:
        return _missing(rule, "no baseline was fitted there (the domain has no training part)")
    difference = scores.baseline_difference_of(metric.name)
    ours, theirs = (each.measured.get(metric.name) for each in (scores.candidate, best))
    if difference is None or ours is None or theirs is None:
        return _unmeasured(rule, best if ours else scores.candidate, metric, criteria)
    if not math.isfinite(difference.value):
        return _missing(rule, _NO_NUMBER)
    text = (
        f"{criteria.title(scores.best_baseline)} reaches {metric_title(metric.name)} "
        f"{number(theirs.value, metric)}, the model {number(ours.value, metric)} "
        f"(difference {span(difference, metric, sign='+')})"
    )
    passed = metric.gain(difference.value, 0.0) >= rule.threshold - _ROUNDING
    bound = _raw(rule.threshold, metric)
    return Finding(rule, passed, _baseline_sentence(rule, text, metric, passed), difference, bound)


def _baseline_sentence(rule: Rule, text: str, metric: Metric, passed: bool) -> str:
    if passed:
        accepted = number(_raw(rule.threshold, metric), metric, sign="+")
        way = "up" if _is_lower_better(metric) else "down"
        return f"On the domain {rule.domain}, {text}; a difference {way} to {accepted} is accepted."
    worse = "more" if _is_lower_better(metric) else "less"
    off = " (1 turns this rule off)" if metric.high - metric.low <= 1 else ""
    return (
        f"A simpler model is better: on the domain {rule.domain}, {text}, and at most "
        f"{number(-rule.threshold, metric)} {worse} is accepted. Add labelled records or train for more epochs; "
        f"gate.baseline_margin sets what is accepted{off}."
    )


def _compared(rule: Rule, scores: DomainScores, metric: Metric, criteria: _Criteria) -> Finding:
    difference = scores.difference_of(metric.name)
    if scores.reference is None and difference is None:
        return _missing(rule, "the candidate was not compared with a reference there")
    if difference is None:
        has_value = metric.name in scores.candidate.measured
        lacking = scores.reference if scores.reference and has_value else scores.candidate
        return _unmeasured(rule, lacking, metric, criteria)
    better = " (lower is better)" if _is_lower_better(metric) else ""
    text = f"{metric_title(metric.name)} changes by {span(difference, metric, sign='+')} against the reference{better}"
    finding = _held(rule, difference, _raw(rule.threshold, metric), metric, text)
    if finding.passed or finding.measured is None or rule.kind is not RuleKind.BETTER:
        return finding
    detectable = number(rule.threshold + _DETECTABLE * (difference.high - difference.low), metric)
    sentence = f"{finding.sentence} With these records, a true gain below {detectable} is often missed."
    return replace(finding, sentence=sentence)


def _held(rule: Rule, interval: Interval, bound: float, metric: Metric, text: str) -> Finding:
    """Return whether the worse end of an interval is better than a bound."""
    is_lower_better = _is_lower_better(metric)
    end = interval.high if is_lower_better else interval.low
    if not (math.isfinite(end) and math.isfinite(bound)):
        return _missing(rule, _NO_NUMBER)
    passed = metric.gain(end, bound) > 0
    side, relation = ("upper", "below") if is_lower_better else ("lower", "above")
    sentence = (
        f"{_title(rule)}: {text}; the {side} bound {number(end, metric)} is {'' if passed else 'not '}"
        f"{relation} {number(bound, metric)}."
    )
    return Finding(rule, passed, sentence, interval, bound)


def _raw(gain: float, metric: Metric) -> float:
    """Return a gain as a difference of values."""
    return -gain if _is_lower_better(metric) else gain


def _is_lower_better(metric: Metric) -> bool:
    return metric.direction is Direction.LOWER


def _unmeasured(rule: Rule, scores: Scores, metric: Metric, criteria: _Criteria) -> Finding:
    why = {**criteria.unmeasurable, **scores.unmeasured}.get(metric.name, "").rstrip(".")
    reason = f" ({why})" if why else ""
    return _missing(rule, f"{metric_title(metric.name)} was not measured there{reason}")


def _missing(rule: Rule, why: str) -> Finding:
    return Finding(rule, False, f"{_title(rule)}: {why}, which counts as failure.")


def _title(rule: Rule) -> str:
    if is_suite_metric(rule.metric):
        return f"{_TITLES[rule.kind]} on {rule.metric}"
    return f"{_TITLES[rule.kind]} on the domain {rule.domain}"


_TITLES = {
    RuleKind.BEATS_MAJORITY: "Better than the baseline",
    RuleKind.BETTER: "Better than the version in production",
    RuleKind.NOT_WORSE: "Not worse than the version in production",
    RuleKind.NEAR_BASELINE: "Close to the best baseline",
    RuleKind.MIN_VALUE: "Not below the minimum",
    RuleKind.MAX_VALUE: "Not above the maximum",
}
_DETECTABLE = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) / (2 * NormalDist().inv_cdf(0.975))
"""Gain that a 95 % interval lies above in 80 % of samples, as a share of the width of the interval."""
_NO_NUMBER = "the measured value is not a number"
_ROUNDING = 1e-9
"""A difference that equals the threshold but for floating-point error passes."""
