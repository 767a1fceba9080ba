"""Task `regress`: annotators enter a number."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from statistics import mean, median

from ratoon.tasks import regress
from ratoon.tasks.kind import BadTask
from ratoon.tasks.regress import Regress, format_number
from ratoon_labeling.domain.agreement import Agreement, interval_alpha
from ratoon_labeling.domain.errors import BadAnswer
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.ratings import Work

WORK: tuple[Work, ...] = (Work.ANSWER,)
HAS_CLASSES = False
NEEDS_TEXT = False
_MORE_DECIMALS = 3
"""Decimal places that a computed number has beyond those of the numbers that it is computed of."""


def check(task: Regress, /) -> None:
    """Raise BadTask if a setting of the task is out of range."""
    regress.check(task)


def labels(task: Regress, /) -> tuple[str, ...]:
    """Return none: answers are numbers."""
    return ()


def with_labels(task: Regress, labels: Sequence[str], /) -> Regress:
    """Return the task; BadTask if there are labels."""
    if labels:
        raise BadTask("A task of the kind `regress` has no labels.", "labels")
    return task


def checked_answer(task: Regress, text: str, /) -> str:
    """Return the shortest form of a number; BadAnswer if the text is none or the number is out of range."""
    known = regress.parse(task, text)
    if known is None:
        raise BadAnswer(f"{text[:50]!r} is not {regress.valid_answers(task)}.", "label")
    return known


def with_text(task: Regress, answer: str, text: str, /) -> str:
    """Return the answer: it does not depend on the text."""
    return answer


def imported_answer(task: Regress, label: str, answers: Sequence[str], /) -> str:
    """Return the label, else the first answer."""
    return label or next(iter(answers), "")


def differ(task: Regress, answers: Sequence[str], /) -> bool:
    """Return whether the smallest and the largest number lie farther apart than the tolerance."""
    ordered = sorted(answers, key=float)
    return regress.is_wrong(task, ordered[0], ordered[-1])


def classes(task: Regress, answer: str, /) -> tuple[str, ...]:
    """Return none: answers are numbers."""
    return ()


def agreement(records: Iterable[Sequence[str]], /) -> Agreement:
    """Return Krippendorff's alpha, interval."""
    return Agreement(alpha=interval_alpha([float(each) for each in answers] for answers in records))


def no_answers(task: Regress, records: str, others: str, /) -> str:
    """Return why no record has a number, and what to do."""
    text = f"None of {records} has {regress.valid_answers(task)}"
    if not others:
        return f"{text}, and none has any answer: name the column of the numbers, or annotate records."
    return f"{text}; {others}. Change the range of the task, or name the column that holds the numbers."


def _rounded(statistic: Callable[[Sequence[Fraction]], Fraction], answers: Sequence[str]) -> str:
    """Return a statistic of numbers, computed exactly and rounded to a length that a model can learn to write."""
    places = max(-int(Decimal(each).as_tuple().exponent) for each in answers)
    value = statistic([Fraction(each) for each in answers])
    return format_number(float(round(value, max(0, places) + _MORE_DECIMALS)))


COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]] = {
    ConflictPolicy.MEAN: lambda answers: _rounded(mean, answers),
    ConflictPolicy.MEDIAN: lambda answers: _rounded(median, answers),
}
POLICIES: tuple[ConflictPolicy, ...] = (*COMBINED, ConflictPolicy.HUMAN_FIRST, ConflictPolicy.LATEST)
