"""Simple models that a candidate is compared with: the majority class, logistic regressions on TF-IDF weights of words
(Jieba cuts Chinese) and of character n-grams, and the best classical model, all fitted on the training part.

Run as a process of its own, `python -m ratoon_evaluation.worker.baselines <folder>`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ratoon.classical.words import MAX_CHARS, cut, words
from ratoon.tasks.classify import Classify
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.scores import CLASSICAL, MAJORITY, TFIDF, TFIDF_CHARS
from ratoon_evaluation.worker.classical_fit import best_answers
from ratoon_evaluation.worker.fitting import BaselinesFailed, FittingProcess, answer_tasks

__all__ = [
    "VECTORIZERS",
    "Baselines",
    "BaselinesFailed",
    "FittedBaselines",
    "Task",
    "fit_and_answer",
    "majority",
    "stride",
    "words",
]

JSON = dict[str, Any]
BEST = "best"
"""Key of the best baseline's name among a task's answers."""
MAX_FITTED_CHARS = 20_000_000
"""Characters of the training part that baselines are fitted on: of larger parts every n-th record is taken."""
_HELD_OUT = 5
"""One training record in this many is held out to find the best baseline."""


@dataclass(frozen=True)
class Task:
    """Training texts with their labels, and the texts to classify."""

    texts: Sequence[str]
    labels: Sequence[str]
    test_texts: Sequence[str]
    task_labels: Sequence[str] = ()
    """Labels of the task; empty: those of the training part."""


@dataclass(frozen=True)
class BaselineAnswers:
    """A baseline's answers to the test texts, and its probability of each label, (texts, labels)."""

    predicted: list[str]
    probabilities: list[list[float]]


@dataclass(frozen=True)
class FittedBaselines:
    """The answers of each baseline by name, the name of the best one, and what the best classical model is."""

    answers: dict[str, BaselineAnswers]
    best: str
    card: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Processor time of all answers of a baseline, by its name."""


class Baselines:
    """The process that fits the baselines."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self._process = FittingProcess(folder, __name__, [asdict(task) for task in tasks])

    def answers(self, labels: Sequence[str]) -> list[FittedBaselines]:
        """Wait for the answers to each task; raises BaselinesFailed."""
        return [_fitted(task, labels) for task in self._process.result()]

    def stop(self) -> None:
        """End the process and remove the texts."""
        self._process.stop()


def majority(labels: Sequence[str]) -> str:
    """The commonest label; of equals the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def fit_and_answer(task: Task) -> dict[str, Any]:
    """Answers of all baselines, with the classes that the training part has, and the best baseline's name."""
    shares = {label: count / len(task.labels) for label, count in sorted(Counter(task.labels).items())}
    always: JSON = {
        "classes": list(shares),
        "predicted": [majority(task.labels)] * len(task.test_texts),
        "probabilities": [list(shares.values())] * len(task.test_texts),
    }
    if len(shares) < 2:
        return {MAJORITY: always, TFIDF: always, TFIDF_CHARS: always, BEST: MAJORITY}
    fitted = {name: _regression(task, vectorizer) for name, vectorizer in VECTORIZERS.items()}
    own = best_answers(Classify(tuple(task.task_labels or shares)), task.texts, task.labels, task.test_texts)
    if own is None:
        return {MAJORITY: always, **fitted, BEST: _best(task)}
    # Chosen by cross-validation among both regressions and others.
    return {MAJORITY: always, **fitted, CLASSICAL: own, BEST: CLASSICAL}


def _best(task: Task) -> str:
    """The regression that does best on a share of the training part that it is not fitted on, by macro-F1."""
    held = [index % _HELD_OUT == 0 for index in range(len(task.labels))]
    train = [index for index, out in enumerate(held) if not out]
    out = [index for index, is_out in enumerate(held) if is_out]
    part = Task(
        [task.texts[index] for index in train],
        [task.labels[index] for index in train],
        [task.texts[index] for index in out],
    )
    if len(set(part.labels)) < 2:
        return TFIDF
    truth = [task.labels[index] for index in out]
    scores = {name: _macro_f1(truth, _regression(part, make)) for name, make in VECTORIZERS.items()}
    return max(scores, key=lambda name: scores[name])


def _macro_f1(truth: Sequence[str], result: JSON) -> float:
    labels = sorted({*truth, *result["classes"]})
    return Confusion.of(labels, zip(truth, result["predicted"], strict=True)).macro().f1


def _of_words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, tokenizer=words, token_pattern=None)


def _of_characters() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3), max_features=200_000)


VECTORIZERS: dict[str, Callable[[], Any]] = {TFIDF: _of_words, TFIDF_CHARS: _of_characters}


def _regression(task: Task, make: Callable[[], Any]) -> JSON:
    from sklearn.linear_model import LogisticRegression

    vectorizer = make()
    regression = LogisticRegression(C=10.0, max_iter=1000)
    every = stride(task.texts)
    regression.fit(vectorizer.fit_transform(cut(task.texts[::every])), task.labels[::every])
    started = time.process_time()
    rows = vectorizer.transform(cut(task.test_texts))
    answers = {
        "classes": list(regression.classes_),
        "predicted": list(regression.predict(rows)),
        "probabilities": regression.predict_proba(rows).tolist(),
    }
    return answers | {"seconds": time.process_time() - started}


def stride(texts: Sequence[str]) -> int:
    """One in how many records is fitted on, so that memory and time stay bounded."""
    return -(-sum(min(len(text), MAX_CHARS) for text in texts) // MAX_FITTED_CHARS) or 1


def _fitted(results: dict[str, Any], labels: Sequence[str]) -> FittedBaselines:
    answers = {name: _in_order(one, labels) for name, one in results.items() if name != BEST}
    seconds = {name: one["seconds"] for name, one in results.items() if name != BEST and "seconds" in one}
    card = results.get(CLASSICAL, {}).get("card", {})
    return FittedBaselines(answers, str(results[BEST]), card, seconds)


def _in_order(result: JSON, labels: Sequence[str]) -> BaselineAnswers:
    """Columns in the labels' order; a label that the training part lacks has probability 0."""
    column = {label: index for index, label in enumerate(result["classes"])}
    shares = [
        [row[column[label]] if label in column else 0.0 for label in labels]
        for row in result["probabilities"]
    ]
    return BaselineAnswers(result["predicted"], shares)


if __name__ == "__main__":
    answer_tasks(Path(sys.argv[1]), lambda task: fit_and_answer(Task(**task)))
