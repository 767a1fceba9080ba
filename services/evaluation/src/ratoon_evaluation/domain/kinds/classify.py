"""Task `classify`: scores of a classifier from its confusion matrix and its label scores.

It does not know where they came from.

Formulas after scikit-learn's `precision_recall_fscore_support` with `zero_division=0`: what is undefined
counts as 0. Macro averages are over the labels that records bear: a label without records cannot be scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ratoon.tasks.classify import Classify
from ratoon.tasks.number_metrics import ranks
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.generation import Generation, check_absent

METRICS_OF_SEVERAL: tuple[str, ...] = ("macro_f1", "micro_f1", "accuracy", "precision", "recall")
"""Metrics of several labels a record; `accuracy` is the share of records whose labels are all right."""
BASELINE = "majority"
BASELINE_TITLES: Mapping[str, str] = {
    "majority": "always the commonest label",
    "tfidf": "TF-IDF on words",
    "tfidf_chars": "TF-IDF on characters",
    "classical": "the best classical model",
}
BASE_BASELINES: tuple[str, ...] = ()
OTHER = ""
"""Stands for every answer that is no label; it is always wrong. No label is empty, but one may be called `other`."""


def gated_metrics(task: Classify, /) -> tuple[str, ...]:
    """Return the metrics of labels; models that list several give no scores of labels, and so no AUC."""
    return METRICS_OF_SEVERAL if task.multi_label else ("macro_f1", "accuracy", "auc")


def compared_metrics(task: Classify, /) -> tuple[str, ...]:
    """Return the metrics of answers."""
    return METRICS_OF_SEVERAL if task.multi_label else ("macro_f1", "accuracy")


def labels(task: Classify, /) -> tuple[str, ...]:
    """Return the labels that answers are scored by; BadEvaluation unless they are two or more and differ."""
    if len(task.labels) < 2 or len(set(task.labels)) < len(task.labels) or not all(task.labels):
        raise BadEvaluation("Name at least two labels, none empty and none twice.", "labels")
    return task.labels


def generation(task: Classify, requested: Generation | None, /) -> None:
    """Return no settings; BadEvaluation if some are requested."""
    check_absent(requested)


def unmeasurable(task: Classify, /) -> Mapping[str, str]:
    """Return no metric: each has a value for some answers."""
    return {}


@dataclass(frozen=True)
class ClassScore:
    """One class: shares in 0..1, and how many records bear the label."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """How often each label was answered by each prediction.

    `counts[i][j]`: records with label `labels[i]` predicted as `labels[j]`; the last column is `OTHER`.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(labels: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Confusion:
        """Count (label, predicted) pairs; a prediction that is no label goes to `OTHER`.

        Raises KeyError when a record bears a label that is not among `labels`.
        """
        rows = {label: index for index, label in enumerate(labels)}
        counts = [[0] * (len(labels) + 1) for _ in labels]
        for label, predicted in pairs:
            counts[rows[label]][rows.get(predicted, len(labels))] += 1
        return Confusion(tuple(labels), tuple(tuple(row) for row in counts))

    @property
    def total(self) -> int:
        """How many records were counted."""
        return sum(map(sum, self.counts))

    @property
    def other(self) -> int:
        """How many answers were no label."""
        return sum(row[-1] for row in self.counts)

    def accuracy(self) -> float:
        """Share of right answers; 0 when there are no records."""
        return _ratio(sum(self.counts[i][i] for i in range(len(self.labels))), self.total)

    def classes(self) -> tuple[ClassScore, ...]:
        """Precision, recall and F1 of each label."""
        return tuple(self._class(index) for index in range(len(self.labels)))

    def macro(self) -> ClassScore:
        """The unweighted means over the labels that records bear; its support is the total."""
        scores = [score for score in self.classes() if score.support]
        precision, recall, f1 = (
            _ratio(math.fsum(getattr(score, name) for score in scores), len(scores))
            for name in ("precision", "recall", "f1")
        )
        return ClassScore("macro", precision, recall, f1, self.total)

    def _class(self, index: int) -> ClassScore:
        right = self.counts[index][index]
        support = sum(self.counts[index])
        answered = sum(row[index] for row in self.counts)
        f1 = _ratio(2 * right, support + answered)
        return ClassScore(self.labels[index], _ratio(right, answered), _ratio(right, support), f1, support)


def auc(positive: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Area under the ROC curve by the rank sum (ties count half); None when one class is absent."""
    wins = sum(positive)
    losses = len(positive) - wins
    if not wins or not losses:
        return None
    rank_sum = math.fsum(rank for rank, hit in zip(ranks(scores), positive, strict=True) if hit)
    return (rank_sum - wins * (wins + 1) / 2) / (wins * losses)


def macro_auc(
    labels: Sequence[str], truth: Sequence[str], scores: Mapping[str, Sequence[float]]
) -> float | None:
    """Mean one-against-the-rest area over the labels that have both sides; None when none has."""
    areas = [auc([label == true for true in truth], scores[label]) for label in labels]
    known = [area for area in areas if area is not None]
    return math.fsum(known) / len(known) if known else None


def softmax(values: Sequence[float]) -> tuple[float, ...]:
    """Shares in 0..1 that sum to 1, from log-weights."""
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def perplexity(nll: float, tokens: int) -> float | None:
    """exp of the mean negative log-likelihood (natural log) a token; None without tokens. Lower is better."""
    return math.exp(nll / tokens) if tokens else None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
