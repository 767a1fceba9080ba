"""Filter by a classifier: one that learns from a source of good and one of bad texts, or a version of the project.

A version is a classical model, pinned by the digest of its artifact; the score is the probability of a label.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon_ingestion.worker.steps.ngrams import words_in
from ratoon_ingestion.worker.steps.references import COUNTS, BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute

if TYPE_CHECKING:
    from ratoon.classical.model import ClassicalModel

SCORE = "quality_score"
MAX_TEXTS, MAX_CHARS = 20_000, 5_000
"""Number of texts of each source that are read, and of characters of a text."""
_MIN_TEXTS = 20
_FOLDS = 5
_WEIGHTS = "weights.npz"
_VERSION = "version"
"""Directory of the model of a version."""

Floats = npt.NDArray[np.float64]


def prepare_classifier(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Fit the model on both sources and write its weights; count how many held-out texts it judges right."""
    from sklearn.model_selection import StratifiedKFold

    if settings["version_digest"]:
        _prepare_version(settings["version_digest"], settings["label"], references, folder)
        return
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


def _prepare_version(digest: str, label: str, references: References, folder: Path) -> None:
    """Write the files of a classical model; BadReference if the artifact is none, or has no such label."""
    from ratoon.classical.errors import BadArtifact

    place = folder / _VERSION
    for path, data in references.artifact(digest):
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    try:
        labels = labels_of(_version(place))
    except BadArtifact as error:
        raise BadReference(
            f"The artifact {digest} cannot score texts: {error} The step classifier takes a classical model of a "
            "task classify."
        ) from None
    if label not in labels:
        raise BadReference(
            f"The model {digest} has no label {label!r}, only {', '.join(map(repr, labels)) or 'numbers'}."
        )


def classifier(batch: pa.RecordBatch, min_score: float, model: Path, label: str = "", **_: Any) -> StepResult:
    """Store the score, 0 to 1, as an attribute; remove texts below the minimum."""
    texts = batch.column("text").to_pylist()
    if (model / _VERSION).is_dir():
        scores = _scores_of_label(_version(model / _VERSION), label, texts)
    else:
        scores = _Weights.load(model / _WEIGHTS).scores(_features(texts))
    removed = ["LOW_QUALITY_SCORE" if score < min_score else None for score in scores]
    return StepResult(
        removed=pa.array(removed, pa.string()),
        attributes=attribute(SCORE, (f"{score:.4f}" for score in scores)),
    )


@cache
def _version(folder: Path) -> "ClassicalModel":
    from ratoon.classical.model import ClassicalModel

    return ClassicalModel.load(folder)


def labels_of(model: "ClassicalModel") -> list[str]:
    """Return the labels of a model, in the order of its probabilities; none of numbers and of tables."""
    from ratoon.classical.model import TABLE
    from ratoon.tasks.classify import Classify

    task = model.about.task
    return list(task.labels) if isinstance(task, Classify) and model.about.features != TABLE else []


def _scores_of_label(model: "ClassicalModel", label: str, texts: Sequence[str]) -> Floats:
    """Return the probability of a label for each text."""
    if not texts:
        return np.zeros(0)
    answers = model.answer(texts)
    assert answers.logprobs is not None, "a model with labels has their probabilities"
    scores: Floats = np.exp(answers.logprobs[:, labels_of(model).index(label)])
    return scores


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
