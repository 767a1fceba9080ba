"""Numbers that are one token each, so that a model answers with the middle of its distribution, not with its mode.

A number that is written digit by digit is decoded one digit at a time: first the likelier sign, and so on. On a scale
that is bounded and short, each number is a token of its own instead, and near numbers share the target of an answer
(soft labels for ordinal regression, Diaz and Marathe 2019). The likeliest token is then near the median of the numbers
that the model expects, or near their mean if errors are squared. Greedy decoding finds it: in evaluation, in
verification and in engines alike. This module does not know torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ratoon.tasks import regress
from ratoon.tasks.kind import Record
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress

SQUARED = ("mse", "rmse", "r2")
"""Metrics whose best answer is the mean; that of the others is the median."""
_WIDTH = 0.6
"""Distance over which targets are shared, in standard deviations of the right numbers."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Numbers:
    """Numbers that are one token each: ids and values, in the order of the values."""

    tokens: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64]

    def nearest(self, value: float) -> float:
        """Return the number that is nearest to a value; of two, the lower one."""
        return float(self.values[np.abs(self.values - value).argmin()])


def scale_of(task: TaskSpec, records: Iterable[Record]) -> tuple[str, ...]:
    """Return the numbers that become tokens of a model from scratch; none without a bounded and short scale."""
    return regress.scale(task, _right(task, records)) if isinstance(task, Regress) else ()


def numbers_of(task: TaskSpec, tokenizer: Tokenizer) -> Numbers | None:
    """Return the tokens of a tokenizer that are numbers in the range of the task; None if there are not two."""
    if not isinstance(task, Regress):
        return None
    known = {
        value: number
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if not token.special and (value := regress.number(task, token.content)) is not None
    }
    if len(known) < 2:
        return None
    values = sorted(known)
    return Numbers(np.array([known[value] for value in values], np.int32), np.array(values, np.float64))


def on_scale(task: TaskSpec, record: Record, numbers: Numbers) -> Record:
    """Return a record with its answers on the scale; one that is no number stays as it is."""
    assert isinstance(task, Regress)
    rounded = (
        answer
        if (value := regress.number(task, answer)) is None
        else regress.format_number(numbers.nearest(value))
        for answer in record.answers
    )
    return replace(record, answers=tuple(rounded))


def spread(task: TaskSpec, records: Iterable[Record]) -> float:
    """Return the distance over which the right numbers of these records share targets; 0 if all are the same."""
    assert isinstance(task, Regress)
    right = _right(task, records)
    return _WIDTH * float(np.std(right)) if right else 0.0


def shared_targets(values: npt.NDArray[np.float64], width: float, *, squared: bool) -> Floats:
    """Return the target of each number over all of them, (numbers, numbers); each row sums to 1.

    Shares fall with the distance, exponentially or, if errors are squared, as a normal distribution. Width 0: a number
    is its own target alone.
    """
    distance = np.abs(values[:, None] - values[None, :])
    if width <= 0:
        return np.eye(len(values), dtype=np.float32)
    scaled = distance / width
    shares = np.exp(-(scaled**2) / 2 if squared else -scaled)
    narrowed: Floats = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return narrowed


def arrays(numbers: Numbers | None, width: float) -> Mapping[str, npt.NDArray[np.generic]]:
    """Return the arrays of a prepared part; none without numbers."""
    if numbers is None:
        return {}
    return {
        "number_tokens": numbers.tokens,
        "number_values": numbers.values,
        "number_width": np.array([width], np.float64),
    }


def _right(task: Regress, records: Iterable[Record]) -> list[float]:
    numbers = (regress.number(task, answer) for record in records for answer in record.answers)
    return [value for value in numbers if value is not None]
