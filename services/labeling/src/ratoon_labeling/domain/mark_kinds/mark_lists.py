"""Lists of marks: their JSON form, and the F1 by which two of them are compared."""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import fsum
from typing import Any

from ratoon.tasks import generate
from ratoon.tasks.labels import duplicate_sentence, duplicates, label_key, match_label
from ratoon_labeling.domain.annotations import MAX_ANSWER_CHARS, is_storable
from ratoon_labeling.domain.errors import BadAnswer, BadLabels, UnknownLabel
from ratoon_labeling.domain.marks import MODEL_TASK

Mark = dict[str, Any]
LONGEST_LABEL, MAX_LABELS, MAX_MARKS = 200, 1_000, 1_000


def check_labels(labels: Sequence[str]) -> None:
    """Raise BadLabels unless there are 1 to 1,000 labels, none empty, padded or the same as another."""
    if not 1 <= len(labels) <= MAX_LABELS:
        raise BadLabels(f"Marks need 1 to {MAX_LABELS:,} labels; got {len(labels)}.", "labels")
    for label in labels:
        if not label_key(label) or label != label.strip() or len(label) > LONGEST_LABEL:
            raise BadLabels(
                f"The label {label[:50]!r} is empty, padded with white space or longer than {LONGEST_LABEL}.",
                "labels",
            )
    if same := duplicates(labels):
        raise BadLabels(duplicate_sentence(*same[0]), "labels")


def read(text: str, form: str) -> list[Mark]:
    """Return the marks of an answer; BadAnswer unless it is a JSON list of objects. `form` shows one of them."""
    try:
        marks = json.loads(text)
    except (ValueError, RecursionError):
        marks = None
    if not isinstance(marks, list) or not all(isinstance(mark, dict) for mark in marks):
        raise BadAnswer(f"{text[:50]!r} is no JSON list of marks, each as {form}.", "label")
    if len(marks) > MAX_MARKS:
        raise BadAnswer(f"The answer has {len(marks):,} marks; it may have {MAX_MARKS:,}.", "label")
    return marks


def known_label(number: int, mark: Mark, labels: Sequence[str]) -> str:
    """Return the label of a mark in the spelling of the guideline; UnknownLabel if it has another one."""
    label = mark.get("label")
    known = match_label(label, labels) if isinstance(label, str) else None
    if known is None:
        raise UnknownLabel(
            f"Mark {number} has the label {str(label)[:50]!r}, which is none of {', '.join(labels)}.", "label"
        )
    return known


def written(marks: Iterable[Mark]) -> str:
    """Return an answer in its canonical form; BadAnswer if it is too long."""
    text = generate.parse(MODEL_TASK, json.dumps(list(marks), ensure_ascii=False))
    if text is None or not is_storable(text):
        raise BadAnswer(
            f"The answer may have {MAX_ANSWER_CHARS:,} characters, and no half characters.", "label"
        )
    return text


def mean_f1(
    units: Iterable[Sequence[Sequence[Mark]]], likeness: Callable[[Mark, Mark], float], threshold: float
) -> float | None:
    """Return the mean over the units of the mean F1 of their pairs of lists; None without a pair.

    Marks of the same label are matched one to one, the most alike first, if their likeness reaches `threshold`.
    """
    scores = [
        [f1(first, second, likeness, threshold) for first, second in combinations(lists, 2)]
        for lists in units
        if len(lists) > 1
    ]
    return fsum(fsum(each) / len(each) for each in scores) / len(scores) if scores else None


def f1(
    first: Sequence[Mark], second: Sequence[Mark], likeness: Callable[[Mark, Mark], float], threshold: float
) -> float:
    """Return the F1 of two lists of marks; 1 if both are empty."""
    if not first and not second:
        return 1.0
    alike = sorted(
        (
            (-value, row, column)
            for row, one in enumerate(first)
            for column, other in enumerate(second)
            if one["label"] == other["label"] and (value := likeness(one, other)) >= threshold and value > 0
        ),
    )
    rows, columns = set[int](), set[int]()
    for _, row, column in alike:
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
    return 2 * len(rows) / (len(first) + len(second))
