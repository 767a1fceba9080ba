"""Scores of answers in free text and of numbers, as statistics that can be resampled. It knows no model.

A metric is a function of sums over records, so a resample of thousands of records costs one product of matrices.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ratoon.tasks import generate, regress, text_metrics
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.regress import Regress
from ratoon_evaluation.worker.bootstrap import Floats, Linearised, OfSums, Spearman, Statistic, Units

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """A metric: its summands (records, k), and the function from their sums (…, k) to values (…)."""

    of: Callable[[Floats], Floats]
    summands: Floats


class AnswerScores(Protocol):
    """Scores of one answerer on a part."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """The metrics that are functions of sums, by name."""
        ...

    @property
    def unanswered(self) -> int:
        """Number of answers that are empty or no answer of the task."""
        ...

    @property
    def unmeasured(self) -> Mapping[str, str]:
        """Why a metric has no value, as a sentence by its name."""
        ...

    @property
    def wrong(self) -> Sequence[bool]:
        """Which records are answered wrongly."""
        ...

    def statistics(self, rows: Rows, units: Units) -> dict[str, Statistic]:
        """Return the metrics over these records; `units` has one entry for each of them."""
        ...

    def of_record(self, metric: str) -> Sequence[float | None]:
        """Return the metric of each record alone; None where it has none."""
        ...


class ScoresOfColumns:
    """What all kinds of answers do with their columns."""

    columns: Mapping[str, Column]

    def statistics(self, rows: Rows, units: Units) -> dict[str, Statistic]:
        """Return the metrics over these records; `units` has one entry for each of them."""
        return {
            name: OfSums(column.of, column.summands[rows], units) for name, column in self.columns.items()
        }

    def of_record(self, metric: str) -> Sequence[float | None]:
        """Return the metric of each record alone; None where it has none."""
        column = self.columns.get(metric)
        if column is None:
            return [None] * len(next(iter(self.columns.values())).summands)
        return [float(value) if math.isfinite(value) else None for value in column.of(column.summands)]


@dataclass(frozen=True)
class Answered:
    """Answers in free text to the records of a part, with their references."""

    task: Generate
    references: Sequence[Sequence[str]]
    texts: Sequence[str]
    tokenizer: str
    """Tokenizer of BLEU, by the scripts of the references."""
    nll: Floats | None = None
    """Negative log-likelihood of each reference; None: not of a model."""
    nll_tokens: Floats = field(default_factory=lambda: np.zeros(0))


_NO_REFERENCE = "No record of the test part has a reference answer."
_OF_REFERENCES = ("rouge_l", "exact_match", "token_f1", "bleu", "chrf")


class TextScores(ScoresOfColumns):
    """Scores of answers in free text.

    BLEU and chrF are values of the whole corpus. `answer_length` counts characters. A record without a reference counts
    only where none is needed.
    """

    def __init__(self, answered: Answered) -> None:
        self._words = [text_metrics.words(text) for text in answered.texts]
        parsed = [generate.parse(answered.task, text) for text in answered.texts]
        self.unanswered = sum(answer is None for answer in parsed)
        self.wrong = [
            bool(references) and all(generate.is_wrong(answered.task, text, each) for each in references)
            for text, references in zip(answered.texts, answered.references, strict=True)
        ]
        columns = _of_answers(answered, parsed)
        self.unmeasured: dict[str, str] = {}
        if any(answered.references):
            columns |= _of_references(answered)
        else:
            names = (*_OF_REFERENCES, *(["json_field_f1"] if answered.task.form is Form.JSON else []))
            self.unmeasured |= dict.fromkeys(names, _NO_REFERENCE)
        if answered.nll is not None:
            columns |= self._perplexity(answered.nll, answered.nll_tokens)
        self.columns = columns
        self.unmeasured |= _without_grams(self._words, columns)

    def statistics(self, rows: Rows, units: Units) -> dict[str, Statistic]:
        """Return the metrics over these records, distinct-n included."""
        words = [self._words[row] for row in rows]
        distinct = {f"distinct_{order}": _distinct(words, order, units) for order in (1, 2)}
        return {**super().statistics(rows, units), **distinct}

    def _perplexity(self, nll: Floats, tokens: Floats) -> dict[str, Column]:
        if not tokens.any():
            self.unmeasured["perplexity"] = "No record has a reference answer that fits the model."
            return {}
        return {"perplexity": Column(_perplexity, np.stack([nll, tokens], axis=1))}


def _of_answers(answered: Answered, parsed: Sequence[str | None]) -> dict[str, Column]:
    """Return the metrics that need no reference."""
    columns = {
        "refusal_rate": mean_column([text_metrics.is_refusal(text) for text in answered.texts]),
        "answer_length": mean_column([len(text) for text in answered.texts]),
    }
    if answered.task.form is Form.JSON:
        columns["json_validity"] = mean_column([answer is not None for answer in parsed])
    return columns


def _of_references(answered: Answered) -> dict[str, Column]:
    known = np.array([bool(each) for each in answered.references], dtype=np.float64)

    def mean(score: Callable[[str, Sequence[str]], float]) -> Column:
        scores = [
            score(text, each) if each else 0.0
            for text, each in zip(answered.texts, answered.references, strict=True)
        ]
        return mean_column(scores, known)

    columns = {
        "rouge_l": mean(text_metrics.rouge_l_of_texts),
        "exact_match": mean(text_metrics.exact_match),
        "token_f1": mean(text_metrics.token_f1),
        "bleu": Column(_each(text_metrics.bleu_of), _bleu_counts(answered)),
        "chrf": Column(_each(text_metrics.chrf_of), _chrf_counts(answered)),
    }
    if answered.task.form is Form.JSON:
        columns["json_field_f1"] = mean(_json_field_f1)
    return columns


def _json_field_f1(answer: str, references: Sequence[str]) -> float:
    return max(text_metrics.json_field_f1(answer, each) for each in references)


def _bleu_counts(answered: Answered) -> Floats:
    counts = np.zeros((len(answered.texts), 2 * text_metrics.BLEU_ORDER + 2))
    for row, (text, references) in enumerate(zip(answered.texts, answered.references, strict=True)):
        if references:
            answer, *right = (
                text_metrics.bleu_tokens(each, answered.tokenizer) for each in (text, *references)
            )
            counts[row] = text_metrics.bleu_counts(answer, right)
    return counts


def _chrf_counts(answered: Answered) -> Floats:
    rows = [
        text_metrics.chrf_counts(text, references or ("",))
        for text, references in zip(answered.texts, answered.references, strict=True)
    ]
    return np.array(rows, dtype=np.float64)


def _each(of: Callable[[Sequence[float]], float]) -> Callable[[Floats], Floats]:
    """Return the function for several rows of sums; NaN where nothing was counted, as without any reference."""
    return lambda sums: np.array([of(row) if any(row) else math.nan for row in sums.tolist()])


def mean_column(values: Sequence[float], counted: Floats | None = None) -> Column:
    """Return the mean of one value a record, over the records that count."""
    scores = np.asarray(values, dtype=np.float64)
    return Column(ratio_of, np.stack([scores, np.ones(len(scores)) if counted is None else counted], axis=1))


def ratio_of(sums: Floats) -> Floats:
    """Return the first of two sums divided by the second; NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _perplexity(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(ratio_of(sums)))


def _without_grams(words: Sequence[Sequence[str]], columns: Mapping[str, Column]) -> dict[str, str]:
    """Return why metrics of n-grams have no value: no answer is long enough to have one."""
    longest = max(map(len, words), default=0)
    unmeasured = {
        f"distinct_{order}": f"No answer has {order} word{'s' if order > 1 else ''}."
        for order in (1, 2)
        if longest < order
    }
    possible = 2 * text_metrics.BLEU_ORDER - 1
    if "bleu" in columns and not columns["bleu"].summands[:, possible].any():
        unmeasured["bleu"] = f"No answer has {text_metrics.BLEU_ORDER} tokens, which BLEU needs."
    return unmeasured


def _distinct(words: Sequence[Sequence[str]], order: int, units: Units) -> Statistic:
    """Return distinct-n: resamples repeat n-grams, so its interval comes from leaving out one unit at a time."""
    grams = [list(zip(*(each[i:] for i in range(order)), strict=False)) for each in words]
    owners: dict[tuple[str, ...], int] = {}
    for unit, each in zip(units.tolist(), grams, strict=True):
        for gram in each:
            owners[gram] = unit if owners.get(gram, unit) == unit else -1
    own = Counter(unit for unit in owners.values() if unit >= 0)
    totals = np.bincount(units, weights=[len(each) for each in grams])
    unique = np.array([own[unit] for unit in range(len(totals))])
    left = np.maximum(totals.sum() - totals, 1)
    value = len(owners) / max(totals.sum(), 1)
    return Linearised(value, (len(owners) - unique) / left)


class NumberScores(ScoresOfColumns):
    """Scores of predicted numbers.

    An answer that is no number of the task counts as the worst number of its range: the end that is farther from the
    right number. An open end is that of the right numbers of the part.
    """

    unmeasured: Mapping[str, str]

    def __init__(self, task: Regress, truth: Floats, answers: Sequence[str]) -> None:
        predicted = [regress.number(task, answer) for answer in answers]
        self.unanswered = sum(number is None for number in predicted)
        right = [regress.format_number(number) for number in truth.tolist()]
        self.wrong = [
            regress.is_wrong(task, answer, each) for answer, each in zip(answers, right, strict=True)
        ]
        self._truth, self._predicted = truth, _filled(task, truth, predicted)
        error, ones = self._truth - self._predicted, np.ones(len(truth))
        centred = truth - truth.mean()
        self.columns = {
            "mae": Column(ratio_of, np.stack([abs(error), ones], axis=1)),
            "mse": Column(ratio_of, np.stack([error**2, ones], axis=1)),
            "rmse": Column(lambda sums: np.sqrt(ratio_of(sums)), np.stack([error**2, ones], axis=1)),
            "r2": Column(_r2, np.stack([error**2, centred, centred**2, ones], axis=1)),
        }
        self.unmeasured = self._undefined()

    def statistics(self, rows: Rows, units: Units) -> dict[str, Statistic]:
        """Return the metrics over these records, the correlation of ranks included."""
        ranked = Spearman(self._truth[rows], self._predicted[rows], units)
        return {**super().statistics(rows, units), "spearman": ranked}

    def _undefined(self) -> dict[str, str]:
        if not np.ptp(self._truth):
            return dict.fromkeys(("r2", "spearman"), "All right numbers of the test part are the same.")
        return {} if np.ptp(self._predicted) else {"spearman": "All predicted numbers are the same."}


def _filled(task: Regress, truth: Floats, predicted: Sequence[float | None]) -> Floats:
    """Return the predicted numbers, the worst of the range in place of answers that are none."""
    low = float(truth.min()) if task.min is None else task.min
    high = float(truth.max()) if task.max is None else task.max
    if low == high:
        low, high = low - max(1.0, abs(low)), high + max(1.0, abs(high))
    worst = np.where(truth - low > high - truth, low, high)
    return np.array(
        [float(end) if number is None else number for number, end in zip(predicted, worst, strict=True)]
    )


def _r2(sums: Floats) -> Floats:
    residual, total, squares, count = (sums[..., place] for place in range(4))
    with np.errstate(invalid="ignore", divide="ignore"):
        variation = squares - total**2 / count
        return np.asarray(np.where(variation > 1e-12 * squares, 1 - residual / variation, np.nan))
