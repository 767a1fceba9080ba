"""Scores that training looks at while it validates; the evaluation of a model is not its business."""

from collections.abc import Sequence


def macro_f1(confusion: Sequence[Sequence[float]]) -> float:
    """The mean over labels of F1, from counts by (true label, said label); labels without samples are left out."""
    scores = []
    for label in range(len(confusion)):
        hit = confusion[label][label]
        said, true = sum(row[label] for row in confusion), sum(confusion[label])
        if true:
            scores.append(2 * hit / (said + true))
    return sum(scores) / len(scores) if scores else 0.0
