"""Scores of validation while training; the evaluation of a model belongs to the evaluation service."""

from collections.abc import Sequence


def macro_f1(confusion: Sequence[Sequence[float]]) -> float:
    """The mean over labels of F1, from counts by (true label, predicted label); labels without samples are left out."""
    scores = []
    for label in range(len(confusion)):
        hit = confusion[label][label]
        predicted, true = sum(row[label] for row in confusion), sum(confusion[label])
        if true:
            scores.append(2 * hit / (predicted + true))
    return sum(scores) / len(scores) if scores else 0.0
