"""Rules that propose labels: keywords and patterns, both by RE2, and how often they are right on people's labels."""

import re
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ratoon_labeling.domain.intervals import wilson
from ratoon_labeling.domain.queues import Rule
from ratoon_labeling.domain.refills import RuleAccuracy


class Text(Protocol):
    """Record with a text, and the label that counts for it."""

    @property
    def text(self) -> str: ...
    @property
    def label(self) -> str: ...


class RuleSet:
    """Rules in their order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def matches(self, texts: Sequence[str]) -> list[list[bool]]:
        """Return for each rule which texts it matches."""
        column = pa.array(texts, pa.large_string())
        return [
            pc.match_substring_regex(column, _pattern(rule), ignore_case=True).to_pylist()
            for rule in self._rules
        ]

    def labels(self, texts: Sequence[str]) -> list[str]:
        """Return the label of the first rule that matches each text; empty if none does."""
        labels = [""] * len(texts)
        for rule, matched in zip(self._rules, self.matches(texts), strict=True):
            for row, matches in enumerate(matched):
                if matches and not labels[row]:
                    labels[row] = rule.label
        return labels


def accuracies(
    rules: Sequence[Rule], candidates: Sequence[Text], by_people: Sequence[Text]
) -> tuple[RuleAccuracy, ...]:
    """Return the accuracy of each rule on the labels that people gave, with its interval (Wilson)."""
    if not rules:
        return ()
    rule_set = RuleSet(rules)
    waiting = rule_set.matches([each.text for each in candidates])
    checked = rule_set.matches([each.text for each in by_people])
    return tuple(
        _accuracy(number, rule, sum(waiting[number]), _right(rule, checked[number], by_people))
        for number, rule in enumerate(rules)
    )


def _right(rule: Rule, matched: Sequence[bool], by_people: Sequence[Text]) -> list[bool]:
    return [
        rule.label in each.label.split("\n")
        for each, matches in zip(by_people, matched, strict=True)
        if matches
    ]


def _accuracy(number: int, rule: Rule, match_count: int, right: Sequence[bool]) -> RuleAccuracy:
    counts = (number, rule.label, match_count, len(right), sum(right))
    if not right:
        return RuleAccuracy(*counts)
    estimate = wilson(list(map(float, right)))
    return RuleAccuracy(*counts, estimate.mean, estimate.low, estimate.high)


def _pattern(rule: Rule) -> str:
    """Return the expression of a rule; keywords of letters match whole words only where words are spaced."""
    return rule.pattern or "|".join(map(_keyword, rule.keywords))


def _keyword(keyword: str) -> str:
    escaped = re.escape(keyword.strip())
    return rf"\b{escaped}\b" if re.fullmatch(r"[A-Za-z0-9_]+", keyword.strip()) else escaped
