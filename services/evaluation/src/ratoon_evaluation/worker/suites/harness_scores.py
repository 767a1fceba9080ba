"""Scores of the answers to a task of lm-evaluation-harness, document by document. It knows no model."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_evaluation.domain.harness import (
    FALLBACK,
    Filter,
    HarnessMetric,
    HarnessTask,
    Step,
    metric_name,
)
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.harness_documents import Target

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DIGITS = str.maketrans("", "", string.digits)
_LENGTHS: Mapping[str, Callable[[str], float]] = {
    "acc": lambda choice: 1.0,
    "acc_norm": len,
    "acc_bytes": lambda choice: len(choice.encode()),
}
"""What a metric divides the log-likelihood of a choice by."""


@dataclass(frozen=True)
class DocumentScore:
    """Metrics of one document by name, and the answer that each filter extracted."""

    metrics: Mapping[str, float]
    extracted: Mapping[str, str]
    likelihoods: Sequence[float] = ()
    """Log-likelihoods (natural log) of the choices."""
    is_answered: bool = True
    """Whether a filter found an answer."""


def of_choices(
    task: HarnessTask, likelihoods: Sequence[float], choices: Sequence[str], target: Target
) -> DocumentScore:
    """Return the scores of the likeliest choice: as it is, by its characters, and by its bytes."""
    if not all(choices):
        raise TestFailed("A choice is empty, so that no likelihood can be given by its length.")
    right = _places(target, choices)
    metrics = {
        metric.name: float(likeliest(metric.name, likelihoods, choices) in right) for metric in task.metrics
    }
    return DocumentScore(metrics, {"": choices[likeliest("acc", likelihoods, choices)]}, likelihoods)


def likeliest(metric: str, likelihoods: Sequence[float], choices: Sequence[str]) -> int:
    """Return the place of the likeliest choice by a metric; the first one of equals."""
    length = _LENGTHS[metric]
    return max(range(len(choices)), key=lambda place: (likelihoods[place] / length(choices[place]), -place))


def right_answers(target: Target, choices: Sequence[str], several: bool) -> list[str]:
    """Return the right texts, or the right choices; `several` says that targets are lists."""
    if choices:
        return [choices[place] for place in sorted(_places(target, choices))]
    return references_of(target, choices, several)


def of_text(task: HarnessTask, answer: str, references: Sequence[str]) -> DocumentScore:
    """Return whether what each filter extracts equals a reference."""
    extracted = {each.name: filtered(answer, each) for each in task.filters}
    metrics = {
        metric_name(metric.name, name): float(any(equal(metric, text, each) for each in references))
        for name, text in extracted.items()
        for metric in task.metrics
    }
    nothing = [_fallback(each) for each in task.filters]
    is_answered = any(
        text.strip() and text != none for text, none in zip(extracted.values(), nothing, strict=True)
    )
    return DocumentScore(metrics, extracted, is_answered=is_answered)


def references_of(target: Target, choices: Sequence[str], several: bool) -> list[str]:
    """Return the right texts: those of the choices, if there are some; `several` says that targets are lists."""
    if choices:
        if not isinstance(target, int) or not -len(choices) <= target < len(choices):
            raise TestFailed(f"The target {target!r} is the place of no choice.")
        return [choices[target]]
    if several:
        return [str(each) for each in target] if isinstance(target, list | tuple) else [str(target)]
    return [str(target)]


def filtered(answer: str, each: Filter) -> str:
    """Return what a filter extracts from an answer."""
    for step in each.steps:
        answer = _stepped(answer, step)
    return answer


def equal(metric: HarnessMetric, answer: str, reference: str) -> bool:
    """Return whether an answer equals a reference, without what the metric leaves out of account."""
    return _normalised(metric, answer) == _normalised(metric, reference)


def _normalised(metric: HarnessMetric, text: str) -> str:
    for pattern in metric.ignored:
        text = re.sub(pattern, "", text)
    if metric.ignore_case:
        text = text.lower()
    if metric.ignore_punctuation:
        text = text.translate(_PUNCTUATION)
    return text.translate(_DIGITS) if metric.ignore_numbers else text


def _stepped(answer: str, step: Step) -> str:
    match step.function:
        case "regex":
            return _matched(answer, step)
        case "remove_whitespace":
            return answer.strip()
        case "lowercase":
            return answer.lower()
        case "uppercase":
            return answer.upper()
        case _:
            return answer


def _matched(answer: str, step: Step) -> str:
    matches: list[Any] = re.findall(step.pattern, answer)
    try:
        match = matches[step.group]
    except IndexError:
        return step.fallback
    groups = [group for group in match if group] if isinstance(match, tuple) else [match]
    return groups[0].strip() if groups else step.fallback


def _fallback(each: Filter) -> str:
    return next((step.fallback for step in each.steps if step.function == "regex"), FALLBACK)


def _places(target: Target, choices: Sequence[str]) -> set[int]:
    """Return the places of the right choices; a target that is none of them is never right."""
    each = target if isinstance(target, list | tuple) else [target]
    places = {choices.index(one) if one in choices else -1 for one in each if isinstance(one, str)}
    places |= {int(one) for one in each if isinstance(one, int)}
    return {place for place in places if 0 <= place < len(choices)}
