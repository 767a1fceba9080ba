"""From answers to scores: confusion, intervals, slices. It knows neither models nor storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ratoon_evaluation.domain.kinds import classify
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.scores import Interval, Scores, SliceScore
from ratoon_evaluation.domain.slices import slices_of
from ratoon_evaluation.worker import resampling
from ratoon_evaluation.worker.bootstrap import MIN_UNITS
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.scorer import Answers


def model_scores(
    part: Part, labels: Sequence[str], answers: Answers, how: Resampling, predictions: str = ""
) -> Scores:
    """A model's scores on a part, slices included; `predictions` is the digest of its stored answers."""
    shares = np.array([classify.softmax(row) for row in answers.label_logprobs.tolist()])
    scores = answer_scores(part.labels, labels, answers.predicted, shares, how)
    perplexity = classify.perplexity(float(answers.nll.sum()), int(answers.tokens.sum()))
    slices = slice_scores(part, labels, answers.predicted, how)
    unfit = int(answers.unfit.sum())
    return replace(scores, perplexity=perplexity, slices=slices, unfit=unfit, predictions=predictions)


def answer_scores(
    truth: Sequence[str],
    labels: Sequence[str],
    predicted: Sequence[str],
    shares: npt.NDArray[np.float64],
    how: Resampling,
) -> Scores:
    """Scores of any answerer; `shares` (records, labels) are its probabilities of the labels."""
    confusion = Confusion.of(labels, zip(truth, predicted, strict=True))
    macro = confusion.macro()
    accuracy, macro_f1 = _intervals(confusion, how) if confusion.total >= MIN_UNITS else (None, None)
    auc = _auc(truth, labels, shares, how)
    return Scores(
        records=confusion.total,
        accuracy=accuracy,
        macro_f1=macro_f1,
        precision=macro.precision,
        recall=macro.recall,
        auc=auc,
        perplexity=None,
        classes=confusion.classes(),
        confusion=confusion,
        unmeasured=_unmeasured(confusion, auc),
    )


def _unmeasured(confusion: Confusion, auc: Interval | None) -> dict[str, str]:
    """Return why metrics have no value."""
    if confusion.total < MIN_UNITS:
        return dict.fromkeys(("macro_f1", "accuracy", "auc"), _ONE_RECORD)
    return {} if auc else {"auc": _ONE_LABEL}


def slice_scores(
    part: Part, labels: Sequence[str], predicted: Sequence[str], how: Resampling
) -> tuple[SliceScore, ...]:
    """Scores of each slice of the part that has enough records."""
    slices = slices_of([len(text) for text in part.texts], part.languages, part.attributes)
    return tuple(
        _slice_score(name, rows, part.labels, labels, predicted, how) for name, rows in slices.items()
    )


def gains(
    part: Part, labels: Sequence[str], candidate: Sequence[str], reference: Sequence[str], how: Resampling
) -> dict[str, Interval]:
    """Metrics of the candidate minus the reference's by name, by paired bootstrap over the part's records."""
    if len(part) < MIN_UNITS:
        return {}
    index = {label: position for position, label in enumerate(labels)}
    truth, first, second = (_coded(index, answers) for answers in (part.labels, candidate, reference))
    statistics = _STATISTICS.values()
    intervals = resampling.differences(how, truth, first, second, len(labels), *statistics)
    return dict(zip(_STATISTICS, intervals, strict=True))


_ONE_RECORD = "The test part has one record, which gives no interval. Add others."
_ONE_LABEL = "All records of the test part have the same label."
_STATISTICS: Mapping[str, Callable[[resampling.Counts], resampling.Floats]] = {
    "macro_f1": resampling.macro_f1,
    "accuracy": resampling.accuracy,
}


def _slice_score(
    name: str,
    rows: Sequence[int],
    truth: Sequence[str],
    labels: Sequence[str],
    predicted: Sequence[str],
    how: Resampling,
) -> SliceScore:
    """Macro-F1 is over the labels that occur in the slice: one that cannot be found is no fault."""
    occurring = {truth[row] for row in rows}
    present = [label for label in labels if label in occurring]
    confusion = Confusion.of(present, ((truth[row], predicted[row]) for row in rows))
    accuracy, macro_f1 = _intervals(confusion, how)
    return SliceScore(name, len(rows), accuracy, macro_f1)


def _intervals(confusion: Confusion, how: Resampling) -> tuple[Interval, Interval]:
    """Accuracy and macro-F1."""
    counts = np.array(confusion.counts, dtype=np.int64)
    accuracy, macro_f1 = resampling.of_confusion(how, counts, resampling.accuracy, resampling.macro_f1)
    return accuracy, macro_f1


def _auc(
    truth: Sequence[str], labels: Sequence[str], shares: npt.NDArray[np.float64], how: Resampling
) -> Interval | None:
    present = [label for label in labels if 0 < Counter(truth)[label] < len(truth)]
    columns = [shares[:, labels.index(label)] for label in present]
    named = {label: column.tolist() for label, column in zip(present, columns, strict=True)}
    value = classify.macro_auc(present, truth, named) if present else None
    if value is None:
        return None
    index = {label: position for position, label in enumerate(present)}
    return resampling.of_auc(how, value, _coded(index, truth), columns)


def _coded(index: dict[str, int], answers: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each answer as its label's number; what is no label as the next number."""
    return np.array([index.get(answer, len(index)) for answer in answers], dtype=np.int64)
