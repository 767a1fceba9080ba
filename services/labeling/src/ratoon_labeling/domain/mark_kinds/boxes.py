"""Marks `boxes`: annotators draw boxes on an image.

An answer is a JSON list of `x`, `y`, `width`, `height` and `label`, in shares of the width and height of the image.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

from ratoon_labeling.domain.agreement import Agreement
from ratoon_labeling.domain.errors import BadAnswer
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.mark_kinds import mark_lists
from ratoon_labeling.domain.mark_kinds.mark_lists import Mark
from ratoon_labeling.domain.marks import Boxes
from ratoon_labeling.domain.ratings import Work

WORK: tuple[Work, ...] = (Work.ANSWER,)
HAS_CLASSES = False
NEEDS_TEXT = False
POLICIES: tuple[ConflictPolicy, ...] = (
    ConflictPolicy.HUMAN_FIRST,
    ConflictPolicy.LATEST,
    ConflictPolicy.MAJORITY,
)
COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]] = {}
EXACT, OVERLAPPING = 0.75, 0.5
"""Intersection of two boxes as a share of their union, from which on they count as equal, and as overlapping."""
_SIDES = ("x", "y", "width", "height")
_FORM = '{"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4, "label": "CAT"}'
_DECIMALS, _SLACK = 6, 1e-6


def check(task: Boxes, /) -> None:
    """Raise BadLabels unless annotators can choose from the labels."""
    mark_lists.check_labels(task.labels)


def labels(task: Boxes, /) -> tuple[str, ...]:
    """Return the labels that annotators choose from."""
    return task.labels


def with_labels(task: Boxes, labels: Sequence[str], /) -> Boxes:
    """Return the marks with other labels; BadLabels if annotators cannot choose from them."""
    changed = replace(task, labels=tuple(labels))
    check(changed)
    return changed


def checked_answer(task: Boxes, text: str, /) -> str:
    """Return the boxes from the top of the image to its bottom; BadAnswer or UnknownLabel if one is none."""
    marks = [_checked(task, number, mark) for number, mark in enumerate(mark_lists.read(text, _FORM), 1)]
    return mark_lists.written(sorted(marks, key=lambda mark: (mark["y"], mark["x"], mark["label"])))


def _checked(task: Boxes, number: int, mark: Mark) -> Mark:
    sides = [mark.get(side) for side in _SIDES]
    if set(mark) != {*_SIDES, "label"} or not all(_is_share(side) for side in sides):
        raise BadAnswer(
            f"Box {number} must be written as {_FORM}: numbers from 0 to 1, shares of the image.", "label"
        )
    x, y, width, height = (float(side) for side in sides if side is not None)
    if width <= 0 or height <= 0 or x + width > 1 + _SLACK or y + height > 1 + _SLACK:
        raise BadAnswer(
            f"Box {number} reaches from ({x:g}, {y:g}) to ({x + width:g}, {y + height:g}): it must have an area and "
            "lie within the image, from (0, 0) to (1, 1).",
            "label",
        )
    rounded = {
        side: round(float(value), _DECIMALS)
        for side, value in zip(_SIDES, (x, y, width, height), strict=True)
    }
    return rounded | {"label": mark_lists.known_label(number, mark, task.labels)}


def _is_share(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and 0 <= value <= 1
    )


def with_text(task: Boxes, answer: str, text: str, /) -> str:
    """Return the answer: boxes do not depend on the text."""
    return answer


def imported_answer(task: Boxes, label: str, answers: Sequence[str], /) -> str:
    """Return the first answer, else the label."""
    return next(iter(answers), "") or label


def differ(task: Boxes, answers: Sequence[str], /) -> bool:
    """Return whether two answers have other boxes: people never draw the same pixels."""
    lists = [json.loads(answer) for answer in answers]
    return any(mark_lists.f1(lists[0], other, _likeness, EXACT) < 1 for other in lists[1:])


def classes(task: Boxes, answer: str, /) -> tuple[str, ...]:
    """Return the labels of the boxes."""
    return tuple(sorted({mark["label"] for mark in json.loads(answer)}))


def agreement(records: Iterable[Sequence[str]], /) -> Agreement:
    """Return the mean F1 of the boxes over the pairs of answers, of equal and of overlapping ones."""
    units = [[json.loads(answer) for answer in answers] for answers in records if len(answers) > 1]
    return Agreement(
        exact_f1=mark_lists.mean_f1(units, _likeness, EXACT),
        overlap_f1=mark_lists.mean_f1(units, _likeness, OVERLAPPING),
    )


def _likeness(one: Mark, other: Mark) -> float:
    """Return the intersection of two boxes as a share of their union."""
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(0.0, width) * max(0.0, height)
    union = one["width"] * one["height"] + other["width"] * other["height"] - shared
    return float(shared / union)


def no_answers(task: Boxes, records: str, others: str, /) -> str:
    """Return why no record has boxes, and what to do."""
    text = f"None of {records} has a JSON list of boxes"
    return f"{text}; {others}. Name the column of the boxes." if others else f"{text}: annotate records."
