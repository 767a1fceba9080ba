"""Probable errors of labels, by confident learning on a cross-validated classical model.

Source: C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal
of Artificial Intelligence Research 70 (2021). Suspects are the records that the confident joint counts outside of its
diagonal, ordered by the margin between the probability of their label and that of the most probable other one.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

from ratoon_labeling.domain.refills import ConfusedPair, LabelErrors
from ratoon_labeling.worker.learner import MAX_CHARS, MAX_FITTED, fitted, vectorizer_of

FOLDS = 5
_MAX_PAIRS = 100


@dataclass(frozen=True)
class Suspect:
    """Record whose label is probably wrong, by its position; `confidence` is the probability of its label."""

    row: int
    suggested_label: str
    confidence: float


def find_errors(texts: Sequence[str], labels: Sequence[str], seed: str) -> tuple[list[Suspect], LabelErrors]:
    """Return the suspects among records, the most probable errors first, and a report.

    Classes with one record alone are left out, since no model can learn and test them. No report is possible with fewer
    than two other classes: then no record is checked.
    """
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    counts = Counter(labels)
    order = np.random.default_rng(number).permutation(len(texts))
    rows = np.array([row for row in order if counts[labels[row]] > 1][:MAX_FITTED], dtype=int)
    given = np.array([labels[row] for row in rows])
    if len(set(given)) < 2:
        return [], LabelErrors(0, 0, 0.0, 0.0)
    classes = sorted(set(given))
    probabilities = out_of_fold([texts[row][:MAX_CHARS] for row in rows], given, classes, number)
    codes = np.searchsorted(classes, given)
    suspects, joint = confident_joint(probabilities, codes)
    guesses = np.array(classes)[probabilities.argmax(axis=1)]
    suspected = [
        Suspect(int(rows[row]), str(classes[suggested]), float(probabilities[row, codes[row]]))
        for row, suggested in suspects
    ]
    pairs = Counter((str(given[row]), str(classes[suggested])) for row, suggested in suspects)
    return suspected, LabelErrors(
        checked_count=len(rows),
        suspect_count=len(suspected),
        estimated_error_share=error_share(joint, codes),
        model_score=float(f1_score(given, guesses, average="macro", zero_division=0)),
        pairs=tuple(ConfusedPair(*pair, count) for pair, count in pairs.most_common(_MAX_PAIRS)),
    )


def confident_joint(probabilities: Any, codes: Any) -> tuple[list[tuple[int, int]], Any]:
    """Return the suspects as rows with their suggested class, and the counts by given and by confident class.

    `probabilities` has a row for each record and a column for each class, of models that did not see the record, and
    `codes` the given classes. A class is confident where its probability reaches the mean that it has among the records
    that were given it; of several the most probable one counts.
    """
    count = probabilities.shape[1]
    thresholds = np.array(
        [
            probabilities[codes == each, each].mean() if (codes == each).any() else np.inf
            for each in range(count)
        ]
    )
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    chosen = confident.argmax(axis=1)
    is_confident = confident.max(axis=1) >= 0
    joint = np.zeros((count, count))
    np.add.at(joint, (codes[is_confident], chosen[is_confident]), 1)
    rows = np.flatnonzero(is_confident & (chosen != codes))
    others = probabilities.copy()
    others[np.arange(len(codes)), codes] = -1.0
    margins = probabilities[np.arange(len(codes)), codes] - others.max(axis=1)
    ranked = rows[np.argsort(margins[rows], kind="stable")]
    return [(int(row), int(chosen[row])) for row in ranked], joint


def error_share(joint: Any, codes: Any) -> float:
    """Return the share of wrong labels by a confident joint, calibrated to the number of records of each class."""
    sizes = np.bincount(codes, minlength=len(joint)).astype(float)
    totals = joint.sum(axis=1)
    right = np.divide(np.diag(joint), totals, out=np.ones(len(joint)), where=totals > 0)
    return float((sizes * (1 - right)).sum() / sizes.sum())


def out_of_fold(texts: Sequence[str], labels: Any, classes: Sequence[str], seed: int) -> Any:
    """Return the probability of each class of each text, by a model of the other texts. Columns follow `classes`."""
    folds = max(2, min(FOLDS, min(Counter(labels).values())))
    features = csr_matrix(vectorizer_of(texts).fit_transform(texts))
    probabilities = np.zeros((len(texts), len(classes)))
    for learnt, tested in StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, labels):
        model = fitted(features[learnt], labels[learnt])
        columns = np.searchsorted(classes, model.classes_)
        probabilities[np.ix_(tested, columns)] = model.predict_proba(features[tested])
    return probabilities
