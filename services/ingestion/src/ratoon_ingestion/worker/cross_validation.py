"""Nested cross-validation of a classical model on what a split does not test, for projects with few records.

The outer folds judge, the inner ones choose the settings: no record is judged by a model whose settings it chose. Near
duplicates, and records of one group, are in one fold.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.ingestion.v1.split_pb2 import Split

MAX_RECORDS, MAX_CHARS = 10_000, 2_000
"""Records that are judged at most, and characters of a text that are read."""
INNER_FOLDS = 3
_CONFIDENCE = 0.95
_STRENGTHS = (1.0, 10.0)
_FEATURES = ("words", "characters")

Texts = npt.NDArray[np.object_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelledTexts:
    """Records with a label, and the unit (cluster or group) that stays in one fold."""

    texts: Sequence[str]
    labels: Sequence[str]
    units: Sequence[str]


def cross_validated(records: LabelledTexts, folds: int, seed: int) -> Split.CrossValidation | None:
    """Return the scores of each fold and their mean; None without two labels that are in two folds each."""
    from sklearn.metrics import f1_score

    labels = sorted({label for label in records.labels if label})
    frequent = _frequent(records, labels)
    rows = [row for row, label in enumerate(records.labels) if label in frequent]
    if len(frequent) < 2:
        return None
    texts = np.array([records.texts[row][:MAX_CHARS] for row in rows], dtype=object)
    truth = np.array([labels.index(records.labels[row]) for row in rows], np.int64)
    units = np.array([records.units[row] for row in rows], dtype=object)
    scores, settings = [], []
    for train, held_out in _folds(folds, seed)(truth, units):
        features, strength = _chosen(texts[train], truth[train], units[train], seed)
        predicted = _predictions(texts[train], truth[train], texts[held_out], features, strength)
        scores.append(float(f1_score(truth[held_out], predicted, average="macro", zero_division=0)))
        settings.append(f"{features}, C={strength:g}")
    mean, half = float(np.mean(scores)), half_width(scores, 1 / (folds - 1))
    return Split.CrossValidation(
        fold_scores=scores,
        score=mean,
        lower=max(0.0, mean - half),
        upper=min(1.0, mean + half),
        settings=settings,
        record_count=len(rows),
    )


def joined(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return the unit of each pair of a cluster and a group (empty: none): pairs that share either are in one."""
    parents: dict[tuple[int, str], tuple[int, str]] = {}

    def root(name: tuple[int, str]) -> tuple[int, str]:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = parents[parent]
            name = parent
        return name

    for cluster, group in pairs:
        first, second = root((0, cluster)), root((1, group) if group else (0, cluster))
        parents[max(first, second)] = min(first, second)
    return [root((0, cluster))[1] for cluster, _ in pairs]


def half_width(scores: Sequence[float], test_share: float) -> float:
    """Return half of the 95 % interval of the mean over folds, whose training parts overlap.

    Nadeau and Bengio, "Inference for the generalization error" (2003): the variance of the mean is s² (1 / k + r),
    where `test_share` is r, the records of a fold by those of the others.
    """
    from scipy.stats import t

    if len(scores) < 2:
        return 1.0
    deviation = float(np.std(scores, ddof=1))
    return (
        float(t.ppf((1 + _CONFIDENCE) / 2, len(scores) - 1)) * deviation * sqrt(1 / len(scores) + test_share)
    )


def _frequent(records: LabelledTexts, labels: Sequence[str]) -> set[str]:
    """Return the labels that at least two units have."""
    pairs = {(label, unit) for label, unit in zip(records.labels, records.units, strict=True) if label}
    counts = Counter(label for label, _ in pairs)
    return {label for label in labels if counts[label] > 1}


def _folds(count: int, seed: int) -> Callable[[Places, Texts], list[tuple[Places, Places]]]:
    """Return a function that divides records into folds; folds without training or judged records are left out."""
    from sklearn.model_selection import StratifiedGroupKFold

    def divided(truth: Places, units: Texts) -> list[tuple[Places, Places]]:
        number = min(count, len(set(units.tolist())))
        if number < 2:
            return []
        splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed % 2**32)
        pairs = splitter.split(np.zeros(len(truth)), truth, units)
        return [(train, held) for train, held in pairs if len(held) and len(set(truth[train].tolist())) > 1]

    return divided


def _chosen(texts: Texts, truth: Places, units: Texts, seed: int) -> tuple[str, float]:
    """Return the features and the strength that do best on the inner folds, the first among equals."""
    from sklearn.metrics import f1_score

    inner = _folds(INNER_FOLDS, seed)(truth, units)
    best, chosen = -1.0, (_FEATURES[0], _STRENGTHS[-1])
    for features, strength in product(_FEATURES, _STRENGTHS):
        scores = [
            f1_score(
                truth[held],
                _predictions(texts[train], truth[train], texts[held], features, strength),
                average="macro",
                zero_division=0,
            )
            for train, held in inner
        ]
        if scores and float(np.mean(scores)) > best:
            best, chosen = float(np.mean(scores)), (features, strength)
    return chosen


def _predictions(texts: Texts, truth: Places, unseen: Texts, features: str, strength: float) -> Places:
    from sklearn.linear_model import LogisticRegression

    vectorizer = _vectorizer(features)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn: the texts have no word
        return np.full(len(unseen), np.bincount(truth).argmax(), np.int64)
    model = LogisticRegression(C=strength, max_iter=300).fit(weights, truth)
    predicted: Places = model.predict(vectorizer.transform(unseen))
    return predicted


def _vectorizer(features: str) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if features == "characters":
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=50_000, sublinear_tf=True)
    return TfidfVectorizer(analyzer=_words, max_features=50_000, sublinear_tf=True)


def _words(text: str) -> list[str]:
    from ratoon_ingestion.worker.steps.ngrams import words_in

    return words_in(text, by_characters=False)
