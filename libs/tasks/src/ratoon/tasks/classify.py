"""Task `classify`: one label out of a list, or several."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ratoon.tasks.kind import (
    PROMPT_INPUTS,
    BadTask,
    DriftInput,
    Kind,
    Metric,
    Record,
    SplitMode,
    Verdict,
    conversation_fault,
    error,
    metrics,
)
from ratoon.tasks.labels import duplicate_sentence, duplicates, has_invisible, label_key, match_label

METRICS = metrics(
    Metric("macro_f1"),
    Metric("micro_f1"),
    Metric("accuracy"),
    Metric("balanced_accuracy"),
    Metric("precision"),
    Metric("recall"),
    Metric("auc"),
    error("log_loss"),
    error("calibration_error", 1.0),
    error("perplexity"),
)
PRIMARY = "macro_f1"
BASELINES: tuple[str, ...] = ("majority", "tfidf", "tfidf_chars", "classical")
RECIPES: tuple[str, ...] = ("sft", "classical", "neural")
SELECTION: tuple[str, ...] = ("macro_f1", "accuracy")
DRIFT_INPUTS: tuple[DriftInput, ...] = (*PROMPT_INPUTS, DriftInput.LABELS)
DEFAULT_SPLIT = SplitMode.STRATIFIED
FREE_TEXT = False

MAX_LABELS = 1000
MAX_LABEL_CHARS = 64
MAX_ANSWER_TOKENS = 512
_SEPARATOR = "\n"
"""Between the labels of one record."""
_SEPARATORS = ";|,"
"""Characters that separate the labels of a line in files, tried in this order if the line itself is no label."""


@dataclass(frozen=True)
class Classify:
    """Task of a model that answers with labels out of a list."""

    labels: tuple[str, ...] = ()
    multi_label: bool = False
    """A record may have several labels."""
    kind: Literal[Kind.CLASSIFY] = Kind.CLASSIFY


def check(task: Classify, /) -> None:
    """Raise BadTask unless there are 2 to 1,000 different labels of one line each."""
    if not 2 <= len(task.labels) <= MAX_LABELS:
        raise BadTask(
            f"A project needs 2 to {MAX_LABELS:,} labels, the answers that the model gives; "
            f"got {len(task.labels)}.",
            "labels",
        )
    for label in task.labels:
        _check_label(label)
    if same := duplicates(task.labels):
        raise BadTask(duplicate_sentence(*same[0]), "labels")


def record_fault(task: Classify, record: Record, /) -> str:
    """Return why a record is not a prompt with labels of the list."""
    if fault := conversation_fault(record.turns):
        return fault
    if not record.answers:
        return "The record has no label."
    if len(record.answers) > 1 and not task.multi_label:
        return f"The record has {len(record.answers)} labels, not 1."
    unknown = [answer for answer in record.answers if parse(task, answer) is None]
    return f"{unknown[0][:50]!r} is not one of the labels {', '.join(task.labels)}." if unknown else ""


def parse(task: Classify, text: str, /) -> str | None:
    """Return the label that a text names, in the spelling of the task; of several labels one a line, in its order.

    Several labels may also be a JSON list of texts, or stand in one line with `;`, `|` or `,` between them.
    """
    if not task.multi_label:
        return match_label(text, task.labels)
    named = {match_label(each, task.labels) for each in _several(text, task.labels)}
    if not named or None in named:
        return None
    return _SEPARATOR.join(label for label in task.labels if label in named)


def members(answer: str | None) -> tuple[str, ...]:
    """Return the labels of an answer in its canonical form; none of None."""
    return tuple(answer.split(_SEPARATOR)) if answer else ()


def max_answer_tokens(task: Classify) -> int:
    """Return how many tokens an answer of several labels has at most: a token has a byte or more, the end is one."""
    return min(MAX_ANSWER_TOKENS, sum(len(label.encode()) + 1 for label in task.labels))


def valid_answers(task: Classify, /) -> str:
    """Return the list of labels."""
    return f"one{' or more' if task.multi_label else ''} of {', '.join(task.labels)}"


def misfit(task: Classify, text: str, /) -> str:
    """Return nothing: the list of labels says it all."""
    return ""


def is_wrong(task: Classify, answered: str, expected: str, /) -> bool:
    """Return whether two answers name different labels. The spelling does not matter, nor does the list of labels."""
    return _keys(task, answered) != _keys(task, expected)


def right_answer(task: Classify, answered: str, verdict: Verdict, /) -> str | None:
    """Return the right label: praise confirms the answer, blame of one of two labels means the other."""
    label = parse(task, answered)
    if label is None or verdict is Verdict.NEUTRAL:
        return None
    if verdict is Verdict.POSITIVE:
        return label
    if task.multi_label or len(task.labels) != 2:
        return None
    return next(each for each in task.labels if each != label)


def _keys(task: Classify, text: str) -> frozenset[str]:
    return frozenset(map(label_key, _several(text, task.labels) if task.multi_label else [text]))


def _several(text: str, labels: Sequence[str]) -> list[str]:
    """Return the labels that a text lists, as they are written."""
    listed = _json_list(text)
    lines = text.splitlines() if listed is None else listed
    return [each for line in lines for each in _of_line(line, labels) if label_key(each)]


def _json_list(text: str) -> list[str] | None:
    """Return the texts of a JSON list; None if the text is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if all(isinstance(value, str) for value in values) else None


def _of_line(line: str, labels: Sequence[str]) -> list[str]:
    if match_label(line, labels) is not None:
        return [line]
    separator = next((each for each in _SEPARATORS if each in line), None)
    return [line] if separator is None else line.split(separator)


def _check_label(label: str) -> None:
    if not label_key(label) or len(label) > MAX_LABEL_CHARS or label != " ".join(label.split()):
        raise BadTask(
            f"Label {label[:MAX_LABEL_CHARS]!r} must be one line of at most {MAX_LABEL_CHARS} characters, with single "
            "spaces between its words.",
            "labels",
        )
    if has_invisible(label) or not label.isprintable():
        raise BadTask(f"Label {label!a} contains an invisible character: remove it.", "labels")
