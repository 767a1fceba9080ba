"""Scores that training looks at while it validates; the evaluation of a model is not its business."""

from collections.abc import Sequence


def macro_f1(confusion: Sequence[Sequence[float]]) -> float:
    """The mean over labels of F1, from counts by (true label, said label); a label never seen nor said counts as 0."""
    scores = []
    for label in range(len(confusion)):
        hit = confusion[label][label]
        said, true = sum(row[label] for row in confusion), sum(confusion[label])
        scores.append(2 * hit / (said + true) if said + true else 0.0)
    return sum(scores) / len(scores)
