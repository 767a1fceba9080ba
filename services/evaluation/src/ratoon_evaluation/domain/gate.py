"""The gate: rules over measurements, and the verdict. It does not know how anything was measured.

What was not measured counts as failure. A verdict carries the numbers, so that a refusal says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ratoon_evaluation.domain.scores import BASELINE_TITLES, MAJORITY, DomainScores, Interval, Measurements


class RuleKind(StrEnum):
    """What a rule asks for."""

    BEATS_MAJORITY = "BEATS_MAJORITY"
    """The candidate's macro-F1 has its lower bound above the majority class's plus the threshold."""
    BETTER = "BETTER"
    """The paired difference (candidate minus reference) has a lower bound above the threshold, usually 0."""
    NOT_WORSE = "NOT_WORSE"
    """The same with a threshold below 0, usually −0.08: a small loss is accepted."""
    NEAR_BASELINE = "NEAR_BASELINE"
    """The measured macro-F1 minus the best baseline's is at least the threshold, usually −0.02.

    The measured difference decides, not its lower bound: a test part of any size lets an equal of the baseline pass.
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
    """Metric that is bounded or compared; empty: the primary metric."""
    baseline: str = ""
    """Baseline of BEATS_MAJORITY; empty: the simplest one of the kind of task."""


@dataclass(frozen=True)
class Finding:
    """How one rule came out: what was measured, the bound its lower end had to exceed, and a sentence."""

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


def judge(rules: Sequence[Rule], measured: Measurements) -> Verdict:
    """Hold each rule against the measurements; a gate without a rule lets nothing through."""
    findings = _noted([_finding(rule, measured) for rule in rules], measured)
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


def _finding(rule: Rule, measured: Measurements) -> Finding:
    if rule.kind is RuleKind.BEATS_MAJORITY:
        return _beats_majority(rule, measured)
    if rule.kind is RuleKind.NEAR_BASELINE:
        return _near_baseline(rule, measured)
    if rule.kind in BOUNDS:
        return _bounded(rule, measured)
    return _compared(rule, measured)


def _bounded(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    interval: Interval | None = getattr(scores.candidate, rule.metric) if scores else None
    if interval is None:
        return _missing(rule, f"{rule.metric} was not measured there")
    is_lower = rule.kind is RuleKind.MIN_VALUE
    end = interval.low if is_lower else interval.high
    if not math.isfinite(end):
        return _missing(rule, "the measured value is not a number")
    passed = end >= rule.threshold if is_lower else end <= rule.threshold
    side, limit = ("lower", "at least") if is_lower else ("upper", "at most")
    sentence = (
        f"{_title(rule)}: {rule.metric} is {_span(interval)}; the {side} bound {end:.3f} is "
        f"{'' if passed else 'not '}{limit} {rule.threshold:.3f}."
    )
    return Finding(rule, passed, sentence, interval, rule.threshold)


def _beats_majority(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    if scores is None:
        return _missing(rule, "the candidate was not scored there")
    majority = scores.baselines.get(MAJORITY)
    if majority is None:
        return _missing(rule, "the majority class was not scored there")
    f1, bound = scores.candidate.macro_f1, majority.macro_f1.value + rule.threshold
    text = (
        f"macro-F1 is {_span(f1)}; always answering the commonest label gives {majority.macro_f1.value:.3f}"
    )
    return _held(rule, f1, bound, text)


def _near_baseline(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    if scores is None or scores.baseline_difference is None:
        return _missing(rule, "no baseline was fitted there (the domain has no training part)")
    difference, model = scores.baseline_difference, scores.candidate.macro_f1.value
    if not math.isfinite(difference.value):
        return _missing(rule, "the measured value is not a number")
    name = BASELINE_TITLES.get(scores.best_baseline, scores.best_baseline)
    text = (
        f"{name} reaches macro-F1 {scores.baselines[scores.best_baseline].macro_f1.value:.3f}, the model {model:.3f} "
        f"(difference {_span(difference, sign='+')})"
    )
    passed = difference.value >= rule.threshold - _ROUNDING
    return Finding(rule, passed, _baseline_sentence(rule, text, passed), difference, rule.threshold)


def _baseline_sentence(rule: Rule, text: str, passed: bool) -> str:
    if passed:
        return f"On the domain {rule.domain}, {text}; a difference down to {rule.threshold:+.3f} is accepted."
    return (
        f"A simpler model is better: on the domain {rule.domain}, {text}, and at most {-rule.threshold:.3f} less is "
        f"accepted. Add labelled records or train for more epochs; gate.baseline_margin sets what is accepted "
        f"(1 turns this rule off)."
    )


def _compared(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    if scores is None or scores.difference is None:
        return _missing(rule, "the candidate was not compared with a reference there")
    text = f"macro-F1 changes by {_span(scores.difference, sign='+')} against the reference"
    return _held(rule, scores.difference, rule.threshold, text)


def _held(rule: Rule, interval: Interval, bound: float, text: str) -> Finding:
    if not (math.isfinite(interval.low) and math.isfinite(bound)):
        return _missing(rule, "the measured value is not a number")
    passed = interval.low > bound
    relation = "above" if passed else "not above"
    sentence = f"{_title(rule)}: {text}; the lower bound {interval.low:.3f} is {relation} {bound:.3f}."
    return Finding(rule, passed, sentence, interval, bound)


def _missing(rule: Rule, why: str) -> Finding:
    return Finding(rule, False, f"{_title(rule)}: {why}, which counts as failure.")


def _title(rule: Rule) -> str:
    return f"{_TITLES[rule.kind]} on the domain {rule.domain}"


_TITLES = {
    RuleKind.BEATS_MAJORITY: "Better than the commonest label",
    RuleKind.BETTER: "Better than the version in production",
    RuleKind.NOT_WORSE: "Not worse than the version in production",
    RuleKind.NEAR_BASELINE: "Close to the best baseline",
    RuleKind.MIN_VALUE: "Not below the minimum",
    RuleKind.MAX_VALUE: "Not above the maximum",
}
_ROUNDING = 1e-9
"""A difference that equals the threshold but for floating-point error passes."""


def _span(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
