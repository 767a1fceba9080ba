"""Task `classify`: one label out of a list, or several."""

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
BASELINES: tuple[str, ...] = ("majority", "tfidf", "tfidf_chars")
RECIPES: tuple[str, ...] = ("sft",)
DRIFT_INPUTS: tuple[DriftInput, ...] = (*PROMPT_INPUTS, DriftInput.LABELS)
DEFAULT_SPLIT = SplitMode.STRATIFIED
FREE_TEXT = False

MAX_LABELS = 1000
MAX_LABEL_CHARS = 64
_SEPARATOR = "\n"
"""Between the labels of one record."""


@dataclass(frozen=True)
class Classify:
    """Task of a model that answers with labels out of a list."""

    labels: tuple[str, ...] = ()
    multi_label: bool = False
    """A record may have several labels."""
    kind: Literal[Kind.CLASSIFY] = Kind.CLASSIFY


def check(task: Classify, /) -> None:
    """Raise BadTask unless there are 2 to 1,000 different labels of one word each."""
    if not 2 <= len(task.labels) <= MAX_LABELS:
        raise BadTask(
            f"A project needs 2 to {MAX_LABELS:,} labels, the words that the model answers with; "
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
    unknown = [answer for answer in record.answers if match_label(answer, task.labels) is None]
    return f"{unknown[0][:50]!r} is not one of the labels {', '.join(task.labels)}." if unknown else ""


def parse(task: Classify, text: str, /) -> str | None:
    """Return the label that a text names, in the spelling of the task; of several labels one a line, in its order."""
    if not task.multi_label:
        return match_label(text, task.labels)
    lines = [line for line in text.splitlines() if label_key(line)]
    named = {match_label(line, task.labels) for line in lines}
    if not named or None in named:
        return None
    return _SEPARATOR.join(label for label in task.labels if label in named)


def valid_answers(task: Classify, /) -> str:
    """Return the list of labels."""
    return f"one of {', '.join(task.labels)}"


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
    return frozenset(map(label_key, text.splitlines() if task.multi_label else [text]))


def _check_label(label: str) -> None:
    if not label_key(label) or len(label) > MAX_LABEL_CHARS or any(c.isspace() for c in label):
        raise BadTask(
            f"Label {label[:MAX_LABEL_CHARS]!r} must be one word of at most {MAX_LABEL_CHARS} characters.",
            "labels",
        )
    if has_invisible(label) or not label.isprintable():
        raise BadTask(f"Label {label!a} contains an invisible character: remove it.", "labels")
