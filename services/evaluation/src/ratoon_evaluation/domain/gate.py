"""The gate: rules over measurements, and the verdict. It does not know how anything was measured.

What was not measured counts as failure. A verdict carries the numbers, so that a refusal says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ratoon_evaluation.domain.scores import MAJORITY, Interval, Measurements


class RuleKind(StrEnum):
    """What a rule asks for."""

    BEATS_MAJORITY = "BEATS_MAJORITY"
    """The candidate's macro-F1 has its lower bound above the majority class's plus the threshold."""
    BETTER = "BETTER"
    """The paired difference (candidate minus reference) has a lower bound above the threshold, usually 0."""
    NOT_WORSE = "NOT_WORSE"
    """The same with a threshold below 0, usually −0.08: a small loss is accepted."""


@dataclass(frozen=True)
class Rule:
    """One condition on one domain. `threshold` is a difference of macro-F1, in −1..1."""

    kind: RuleKind
    domain: str
    threshold: float = 0.0


@dataclass(frozen=True)
class Finding:
    """How one rule came out: what was measured, the bound its lower end had to exceed, and a sentence."""

    rule: Rule
    passed: bool
    sentence: str
    measured: Interval | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may go on, by all rules together."""

    passed: bool
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """For people: the outcome, then what failed, or all that held."""
        decisive = [finding.sentence for finding in self.findings if finding.passed == self.passed]
        return ("Passed: " if self.passed else "Refused: ") + (" ".join(decisive) or "the gate has no rule.")


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found: the measurements and the verdict over them."""

    measured: Measurements
    verdict: Verdict


def judge(rules: Sequence[Rule], measured: Measurements) -> Verdict:
    """Hold each rule against the measurements; a gate without a rule lets nothing through."""
    findings = tuple(_finding(rule, measured) for rule in rules)
    return Verdict(bool(findings) and all(finding.passed for finding in findings), findings)


def _finding(rule: Rule, measured: Measurements) -> Finding:
    if rule.kind is RuleKind.BEATS_MAJORITY:
        return _beats_majority(rule, measured)
    return _compared(rule, measured)


def _beats_majority(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    if scores is None:
        return _missing(rule, "the candidate was not scored there")
    majority = scores.baselines.get(MAJORITY)
    if majority is None:
        return _missing(rule, "the majority class was not scored there")
    f1, bound = scores.candidate.macro_f1, majority.macro_f1.value + rule.threshold
    return _held(
        rule, f1, bound, f"macro-F1 is {_span(f1)} and the majority class has {majority.macro_f1.value:.3f}"
    )


def _compared(rule: Rule, measured: Measurements) -> Finding:
    scores = measured.domain(rule.domain)
    if scores is None or scores.difference is None:
        return _missing(rule, "the candidate was not compared with a reference there")
    said = f"macro-F1 changes by {_span(scores.difference, sign='+')} against the reference"
    return _held(rule, scores.difference, rule.threshold, said)


def _held(rule: Rule, interval: Interval, bound: float, said: str) -> Finding:
    if not (math.isfinite(interval.low) and math.isfinite(bound)):
        return _missing(rule, "what was measured is not a number")
    passed = interval.low > bound
    relation = "above" if passed else "not above"
    sentence = f"{_title(rule)}: {said}; the lower bound {interval.low:.3f} is {relation} {bound:.3f}."
    return Finding(rule, passed, sentence, interval, bound)


def _missing(rule: Rule, why: str) -> Finding:
    return Finding(rule, False, f"{_title(rule)}: {why}, which counts as failure.")


def _title(rule: Rule) -> str:
    return f"{rule.kind} on the domain {rule.domain}"


def _span(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
