"""Filter by a classifier that learns from a source of good texts and one of bad texts."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon_ingestion.worker.steps.ngrams import words_in
from ratoon_ingestion.worker.steps.references import COUNTS, BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute

SCORE = "quality_score"
MAX_TEXTS, MAX_CHARS = 20_000, 5_000
"""Number of texts of each source that are read, and of characters of a text."""
_MIN_TEXTS = 20
_FOLDS = 5
_WEIGHTS = "weights.npz"

Floats = npt.NDArray[np.float64]


def prepare_classifier(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Fit the model on both sources and write its weights; count how many held-out texts it judges right."""
    from sklearn.model_selection import StratifiedKFold

    texts: list[str] = []
    labels: list[int] = []
    for label, source in enumerate((settings["bad"], settings["good"])):
        read = list(islice(references.texts(source), MAX_TEXTS))
        if len(read) < _MIN_TEXTS:
            raise BadReference(
                f"The source {source} has {len(read)} texts; the step classifier needs {_MIN_TEXTS} or more "
                "of each kind."
            )
        texts += read
        labels += [label] * len(read)
    features, right = _features(texts), 0
    is_good = np.array(labels)
    for train, held_out in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(features, is_good):
        scores = _Weights.fitted(features[train], is_good[train]).scores(features[held_out])
        right += int(((scores >= 0.5) == is_good[held_out]).sum())
    _Weights.fitted(features, is_good).save(folder / _WEIGHTS)
    (folder / COUNTS).write_text(json.dumps({"held_out": len(texts), "held_out_right": right}))


def classifier(batch: pa.RecordBatch, min_score: float, model: Path, **_: Any) -> StepResult:
    """Store the score, 0 to 1, as an attribute; remove texts below the minimum."""
    scores = _Weights.load(model / _WEIGHTS).scores(_features(batch.column("text").to_pylist()))
    removed = ["LOW_QUALITY_SCORE" if score < min_score else None for score in scores]
    return StepResult(
        removed=pa.array(removed, pa.string()),
        attributes=attribute(SCORE, (f"{score:.4f}" for score in scores)),
    )


class _Weights:
    """Inverse document frequencies and weights of a logistic regression."""

    def __init__(self, idf: Floats, weights: Floats, intercept: float) -> None:
        self._idf, self._weights, self._intercept = idf, weights, intercept

    @classmethod
    def fitted(cls, features: Any, is_good: npt.NDArray[np.int64]) -> "_Weights":
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        idf = TfidfTransformer().fit(features)
        regression = LogisticRegression(
            C=10.0, class_weight="balanced", max_iter=300, solver="liblinear", random_state=0
        )
        regression.fit(idf.transform(features), is_good)
        return cls(idf.idf_, regression.coef_[0], float(regression.intercept_[0]))

    def scores(self, features: Any) -> Floats:
        """Return the probability of each text to be good."""
        if not features.shape[0]:
            return np.zeros(0)
        weighted = features.multiply(self._idf).tocsr()
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        sums = weighted @ self._weights / np.where(lengths > 0, lengths, 1.0) + self._intercept
        result: Floats = 1 / (1 + np.exp(-np.clip(sums, -50, 50)))
        return result

    def save(self, path: Path) -> None:
        """Write the arrays."""
        np.savez(path, idf=self._idf, weights=self._weights, intercept=np.array(self._intercept))

    @staticmethod
    @cache
    def load(path: Path) -> "_Weights":
        """Read the arrays."""
        with np.load(path, allow_pickle=False) as arrays:
            return _Weights(arrays["idf"], arrays["weights"], float(arrays["intercept"]))


@cache
def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(analyzer=_grams, n_features=1 << 18, norm=None, alternate_sign=False)


def _features(texts: Sequence[str]) -> Any:
    return _vectorizer().transform(texts)


def _grams(text: str) -> list[str]:
    """Return the words of the beginning of a text, and the pairs of neighbours."""
    words = words_in(text[:MAX_CHARS], by_characters=False)
    return words + [f"{one} {other}" for one, other in pairwise(words)]
