"""Quality of annotators by their answers alone: the model of Dawid and Skene, fitted by expectation maximisation.

Source: A. P. Dawid, A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm",
Applied Statistics 28 (1979). Each annotator has a confusion matrix (true label × answer); the true labels are unknown.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

MIN_TASKS = 10
"""Tasks with answers of several annotators below which nothing is estimated."""
_ITERATIONS, _TOLERANCE, _SMOOTHING = 100, 1e-6, 0.01


@dataclass(frozen=True)
class DawidSkene:
    """Fitted model: probabilities of the true label of each task, shares of the labels, and confusion matrices."""

    truths: Sequence[Mapping[str, float]]
    shares: Mapping[str, float]
    confusions: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Annotator → true label → answer → probability."""

    def accuracy(self, annotator: str) -> float:
        """Return the probability that an answer of an annotator is right."""
        matrix = self.confusions[annotator]
        return sum(share * matrix[label].get(label, 0.0) for label, share in self.shares.items())


def estimated_accuracies(tasks: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Return the estimated accuracy of each annotator; none if too few tasks have answers of several annotators.

    Each task maps annotators to labels.
    """
    compared = [each for each in tasks if len(each) > 1]
    if len(compared) < MIN_TASKS:
        return {}
    model = dawid_skene(compared)
    return {annotator: model.accuracy(annotator) for annotator in model.confusions}


def dawid_skene(tasks: Sequence[Mapping[str, str]], smoothing: float = _SMOOTHING) -> DawidSkene:
    """Fit the model to tasks that map annotators to labels; at least one answer in all.

    The estimation starts with the shares of the answers of each task. `smoothing` is added to each count, so that an
    annotator who never gave an answer is not taken to be unable to.
    """
    labels = sorted({label for task in tasks for label in task.values()})
    truths = [{label: count / len(task) for label, count in Counter(task.values()).items()} for task in tasks]
    likelihood = float("-inf")
    for _ in range(_ITERATIONS):
        shares = _shares(truths, labels)
        confusions = _confusions(tasks, truths, labels, smoothing)
        truths, latest = _expected(tasks, shares, confusions)
        if abs(latest - likelihood) < _TOLERANCE * max(1.0, abs(latest)):
            break
        likelihood = latest
    return DawidSkene(truths, _shares(truths, labels), confusions)


def _shares(truths: Sequence[Mapping[str, float]], labels: Sequence[str]) -> dict[str, float]:
    return {label: sum(each.get(label, 0.0) for each in truths) / len(truths) for label in labels}


def _confusions(
    tasks: Sequence[Mapping[str, str]],
    truths: Sequence[Mapping[str, float]],
    labels: Sequence[str],
    smoothing: float,
) -> dict[str, dict[str, dict[str, float]]]:
    counts: dict[str, dict[str, dict[str, float]]] = defaultdict(
        lambda: {label: dict.fromkeys(labels, smoothing) for label in labels}
    )
    for task, truth in zip(tasks, truths, strict=True):
        for annotator, answer in task.items():
            rows = counts[annotator]
            for label, probability in truth.items():
                rows[label][answer] += probability
    return {
        annotator: {label: _normalised(row) for label, row in rows.items()}
        for annotator, rows in counts.items()
    }


def _normalised(row: Mapping[str, float]) -> dict[str, float]:
    total = sum(row.values())
    return {name: count / total for name, count in row.items()} if total else dict(row)


def _expected(
    tasks: Sequence[Mapping[str, str]],
    shares: Mapping[str, float],
    confusions: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> tuple[list[dict[str, float]], float]:
    """Return the probabilities of the true labels, and the logarithm of the likelihood of the answers."""
    truths, likelihood = [], 0.0
    for task in tasks:
        logs = {
            label: log(share) + sum(_log(confusions[who][label][answer]) for who, answer in task.items())
            for label, share in shares.items()
            if share > 0
        }
        largest = max(logs.values())
        weights = {label: exp(each - largest) for label, each in logs.items()}
        total = sum(weights.values())
        likelihood += largest + log(total)
        truths.append({label: weight / total for label, weight in weights.items()})
    return truths, likelihood


def _log(probability: float) -> float:
    return log(probability) if probability > 0 else -1e9
