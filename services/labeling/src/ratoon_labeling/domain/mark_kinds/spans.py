"""Marks `spans`: annotators mark spans of a text. An answer is a JSON list of `start`, `end`, `label` and `text`."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from ratoon_labeling.domain.agreement import Agreement
from ratoon_labeling.domain.characters import splits_character
from ratoon_labeling.domain.errors import BadAnswer
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.mark_kinds import mark_lists
from ratoon_labeling.domain.mark_kinds.mark_lists import Mark
from ratoon_labeling.domain.marks import Overlap, Spans
from ratoon_labeling.domain.ratings import Work

WORK: tuple[Work, ...] = (Work.ANSWER,)
HAS_CLASSES = False
NEEDS_TEXT = True
POLICIES: tuple[ConflictPolicy, ...] = (
    ConflictPolicy.HUMAN_FIRST,
    ConflictPolicy.LATEST,
    ConflictPolicy.MAJORITY,
)
COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]] = {}
_FORM = '{"start": 0, "end": 5, "label": "NAME"}'
_UNITS = "Offsets count Unicode code points from 0, as Python does; JavaScript counts UTF-16 units."


def check(task: Spans, /) -> None:
    """Raise BadLabels unless annotators can choose from the labels."""
    mark_lists.check_labels(task.labels)


def labels(task: Spans, /) -> tuple[str, ...]:
    """Return the labels that annotators choose from."""
    return task.labels


def with_labels(task: Spans, labels: Sequence[str], /) -> Spans:
    """Return the marks with other labels; BadLabels if annotators cannot choose from them."""
    changed = replace(task, labels=tuple(labels))
    check(changed)
    return changed


def checked_answer(task: Spans, text: str, /) -> str:
    """Return the spans in the order of the text; BadAnswer or UnknownLabel if one is none, or shares characters."""
    marks = [_checked(task, number, mark) for number, mark in enumerate(mark_lists.read(text, _FORM), 1)]
    ordered = sorted(marks, key=lambda mark: (mark["start"], -mark["end"], mark["label"]))
    for first, second in combinations(ordered, 2):
        if second["start"] >= first["end"]:
            continue
        same = (first["start"], first["end"], first["label"]) == (
            second["start"],
            second["end"],
            second["label"],
        )
        nested = second["end"] <= first["end"]
        if same or task.overlap is Overlap.NONE or (task.overlap is Overlap.NESTED and not nested):
            raise BadAnswer(
                f"The spans {_named(first)} and {_named(second)} share characters: {_OVERLAP[task.overlap]}.",
                "label",
            )
    return mark_lists.written(ordered)


_OVERLAP = {
    Overlap.NONE: "the guideline allows no overlap",
    Overlap.NESTED: "the guideline allows a span within another one only",
    Overlap.ANY: "two spans may not be equal",
}


def _checked(task: Spans, number: int, mark: Mark) -> Mark:
    start, end = mark.get("start"), mark.get("end")
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in (start, end))
    if not whole or set(mark) - {"start", "end", "label", "text"}:
        raise BadAnswer(f"Span {number} must be written as {_FORM}, with whole numbers.", "label")
    if not 0 <= start < end:  # type: ignore[operator]
        raise BadAnswer(f"Span {number} goes from {start} to {end}: it must hold a character.", "label")
    label = mark_lists.known_label(number, mark, task.labels)
    checked: Mark = {"start": start, "end": end, "label": label}
    return checked | ({"text": mark["text"]} if isinstance(mark.get("text"), str) else {})


def _named(mark: Mark) -> str:
    return f"{mark['start']} to {mark['end']} ({mark['label']})"


def with_text(task: Spans, answer: str, text: str, /) -> str:
    """Return the answer with the text of each span; BadAnswer if one lies outside of the text or splits a character."""
    marks = json.loads(answer)
    for number, mark in enumerate(marks, 1):
        start, end = mark["start"], mark["end"]
        if end > len(text):
            raise BadAnswer(
                f"Span {number} ends at {end:,}, but the text has {len(text):,} code points. {_UNITS}",
                "label",
            )
        for position in (start, end):
            if splits_character(text, position):
                raise BadAnswer(
                    f"Span {number} splits the character '{_around(text, position)}' at {position:,}: begin and end "
                    f"spans between characters. {_UNITS}",
                    "label",
                )
        if "text" in mark and mark["text"] != text[start:end]:
            raise BadAnswer(
                f"The text has {text[start:end][:50]!r} from {start} to {end}, not {mark['text'][:50]!r}. {_UNITS}",
                "label",
            )
        mark["text"] = text[start:end]
    return mark_lists.written(marks)


def _around(text: str, position: int) -> str:
    start, end = position, position
    while splits_character(text, start):
        start -= 1
    while splits_character(text, end):
        end += 1
    return text[start:end]


def imported_answer(task: Spans, label: str, answers: Sequence[str], /) -> str:
    """Return the first answer, else the label."""
    return next(iter(answers), "") or label


def differ(task: Spans, answers: Sequence[str], /) -> bool:
    """Return whether two answers mark other spans."""
    return len({_bounds(each) for each in answers}) > 1


def _bounds(answer: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(sorted((mark["start"], mark["end"], mark["label"]) for mark in json.loads(answer)))


def classes(task: Spans, answer: str, /) -> tuple[str, ...]:
    """Return the labels of the spans."""
    return tuple(sorted({mark["label"] for mark in json.loads(answer)}))


def agreement(records: Iterable[Sequence[str]], /) -> Agreement:
    """Return the mean F1 of the spans over the pairs of answers: of equal ones, and of those that share a character."""
    units = [[json.loads(answer) for answer in answers] for answers in records if len(answers) > 1]
    return Agreement(
        exact_f1=mark_lists.mean_f1(units, _likeness, 1.0),
        overlap_f1=mark_lists.mean_f1(units, _likeness, 0.0),
    )


def _likeness(one: Mark, other: Mark) -> float:
    """Return the shared characters of two spans as a share of all of theirs."""
    shared = min(one["end"], other["end"]) - max(one["start"], other["start"])
    union = max(one["end"], other["end"]) - min(one["start"], other["start"])
    return float(max(0, shared) / union)


def no_answers(task: Spans, records: str, others: str, /) -> str:
    """Return why no record has spans, and what to do."""
    text = f"None of {records} has a JSON list of spans"
    return f"{text}; {others}. Name the column of the spans." if others else f"{text}: annotate records."
