"""Task `regress`: a number, with a unit and a range."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, isfinite
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

METRICS = metrics(
    error("mae"),
    error("mse"),
    error("rmse"),
    Metric("r2", low=float("-inf")),
    Metric("spearman", low=-1.0),
)
PRIMARY = "mae"
BASELINES: tuple[str, ...] = ("mean", "ridge_tfidf", "classical")
RECIPES: tuple[str, ...] = ("sft", "classical", "neural")
SELECTION: tuple[str, ...] = ("mae", "mse", "rmse", "r2", "spearman")
DRIFT_INPUTS: tuple[DriftInput, ...] = (*PROMPT_INPUTS, DriftInput.NUMBERS, DriftInput.ANSWER_STATUS)
DEFAULT_SPLIT = SplitMode.QUANTILES
FREE_TEXT = False

MAX_UNIT_CHARS = 32
MAX_STEPS = 1_000
"""Steps of a scale at most."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MINUS = "\u2212"
_ROUNDING = 1e-9
"""Relative distance that counts as none: sums of decimal fractions are not exact."""


@dataclass(frozen=True)
class Regress:
    """Task of a model that answers with a number."""

    unit: str = ""
    min: float | None = None
    max: float | None = None
    tolerance: float = 0.0
    """Accepted distance of an answer from the right number."""
    kind: Literal[Kind.REGRESS] = Kind.REGRESS


def check(task: Regress, /) -> None:
    """Raise BadTask if the range is empty or a number is not finite."""
    for field in ("min", "max", "tolerance"):
        value = getattr(task, field)
        if value is not None and not isfinite(value):
            raise BadTask(f"{field} must be a finite number.", field)
    if task.min is not None and task.max is not None and task.min >= task.max:
        raise BadTask(f"max must be more than min, {task.min:g}; it is {task.max:g}.", "max")
    if task.tolerance < 0:
        raise BadTask(f"tolerance must be 0 or more, not {task.tolerance:g}.", "tolerance")
    if len(task.unit) > MAX_UNIT_CHARS or not task.unit.isprintable() or task.unit != task.unit.strip():
        raise BadTask(
            f"unit must be printable, without white space around it, of at most {MAX_UNIT_CHARS} characters.",
            "unit",
        )
    if _NUMBER.match(task.unit):
        raise BadTask(f"unit {task.unit!r} begins like a number.", "unit")


def record_fault(task: Regress, record: Record, /) -> str:
    """Return why a record is not a prompt with a number in range."""
    if fault := conversation_fault(record.turns):
        return fault
    if len(record.answers) != 1:
        return f"The record has {len(record.answers)} numbers, not 1."
    if parse(task, record.answers[0]) is None:
        return f"{record.answers[0][:50]!r} is not {valid_answers(task)}."
    return ""


def number(task: Regress, text: str, /) -> float | None:
    """Return the number that a text is, with or without the unit; None if it is none or out of range.

    The decimal separator is a point; a comma is refused, because it means thousands in other places.
    """
    plain = text.strip().removesuffix(task.unit).rstrip().replace(_MINUS, "-")
    if not _NUMBER.fullmatch(plain):
        return None
    value = float(plain)
    low, high = (bound if bound is not None else value for bound in (task.min, task.max))
    return value if isfinite(value) and low <= value <= high else None


def parse(task: Regress, text: str, /) -> str | None:
    """Return the shortest decimal form of a number, without the unit."""
    value = number(task, text)
    return None if value is None else format_number(value)


def format_number(value: float) -> str:
    """Return the shortest text that gives the same number, without a point in integers: `3`, `0.25`, `1e+22`."""
    return repr(value + 0.0).removesuffix(".0")


def scale(task: Regress, numbers: Sequence[float]) -> tuple[str, ...]:
    """Return all answers from the lowest to the highest, with as many decimal places as the numbers have.

    With fewer places if there would be more than MAX_STEPS steps. Without bounds, or if even integers are too many,
    there is no scale.
    """
    if task.min is None or task.max is None or not numbers:
        return ()
    for places in range(max(map(_decimal_places, numbers)), -1, -1):
        steps = 10**places
        if (task.max - task.min) * steps <= MAX_STEPS:
            first, last = ceil(task.min * steps - _ROUNDING), floor(task.max * steps + _ROUNDING)
            return tuple(format_number(step / steps) for step in range(first, last + 1))
    return ()


def _decimal_places(value: float) -> int:
    exponent = Decimal(format_number(value)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def valid_answers(task: Regress, /) -> str:
    """Return the range and the unit."""
    unit = f" ({task.unit})" if task.unit else ""
    if task.min is not None and task.max is not None:
        return f"a number from {task.min:g} to {task.max:g}{unit}"
    if task.min is not None:
        return f"a number of {task.min:g} or more{unit}"
    return f"a number of {task.max:g} or less{unit}" if task.max is not None else f"a number{unit}"


def misfit(task: Regress, text: str, /) -> str:
    """Return nothing: unit and range say it all."""
    return ""


def is_wrong(task: Regress, answered: str, expected: str, /) -> bool:
    """Return whether an answer is farther from the right number than the tolerance."""
    answer, right = number(task, answered), number(task, expected)
    if answer is None or right is None:
        return True
    return abs(answer - right) > task.tolerance + _ROUNDING * max(abs(answer), abs(right))


def right_answer(task: Regress, answered: str, verdict: Verdict, /) -> str | None:
    """Return the number if it was praised; blame names no right number."""
    return parse(task, answered) if verdict is Verdict.POSITIVE else None
