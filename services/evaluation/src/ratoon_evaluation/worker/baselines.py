"""What any model has to beat: the majority class, and a TF-IDF logistic regression, both fitted on the
training part.

Run as a process of its own (`python -m ratoon_evaluation.worker.baselines <folder>`), so that scikit-learn
loads and fits on another core while the models are scored. The folder holds `texts.json`; the answers come in
`answers.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon_evaluation.domain.scores import MAJORITY, TFIDF

JSON = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What to fit on, and what to answer then."""

    texts: Sequence[str]
    labels: Sequence[str]
    asked: Sequence[str]


@dataclass(frozen=True)
class BaselineAnswers:
    """A baseline's answers to the texts asked, and its probability of each label, (texts, labels)."""

    predicted: list[str]
    probabilities: list[list[float]]


class BaselinesFailed(RuntimeError):
    """The process that fits the baselines ended badly."""

    reason = "BASELINES_FAILED"


class Baselines:
    """The baselines' process: started at once, asked for its answers later."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / "texts.json").write_text(json.dumps([asdict(task) for task in tasks]), encoding="utf-8")
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        command = [sys.executable, "-m", __name__, str(folder)]
        self._process = subprocess.Popen(command, env={**os.environ, **single})

    def answers(self, labels: Sequence[str]) -> list[dict[str, BaselineAnswers]]:
        """Wait for the answers to each task, by baseline; raises BaselinesFailed."""
        if self._process.wait():
            raise BaselinesFailed("The baselines could not be fitted; the job's log says why.")
        told = json.loads((self._folder / "answers.json").read_text(encoding="utf-8"))
        return [{name: _in_order(one, labels) for name, one in task.items()} for task in told]

    def stop(self) -> None:
        """End the process and remove the texts."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for name in ("texts.json", "answers.json"):
            (self._folder / name).unlink(missing_ok=True)


def majority(labels: Sequence[str]) -> str:
    """The commonest label; of equals the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def fit_and_answer(task: Task) -> dict[str, JSON]:
    """Answers of both baselines, with the classes that the training part has."""
    shares = {label: count / len(task.labels) for label, count in sorted(Counter(task.labels).items())}
    always: JSON = {
        "classes": list(shares),
        "predicted": [majority(task.labels)] * len(task.asked),
        "probabilities": [list(shares.values())] * len(task.asked),
    }
    return {MAJORITY: always, TFIDF: _regression(task) if len(shares) > 1 else always}


def _regression(task: Task) -> JSON:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(sublinear_tf=True)
    regression = LogisticRegression(C=10.0, max_iter=1000)
    regression.fit(vectorizer.fit_transform(task.texts), task.labels)
    rows = vectorizer.transform(task.asked)
    return {
        "classes": list(regression.classes_),
        "predicted": list(regression.predict(rows)),
        "probabilities": regression.predict_proba(rows).tolist(),
    }


def _in_order(told: JSON, labels: Sequence[str]) -> BaselineAnswers:
    """Columns in the labels' order; a label that the training part lacks has probability 0."""
    column = {label: index for index, label in enumerate(told["classes"])}
    shares = [
        [row[column[label]] if label in column else 0.0 for label in labels] for row in told["probabilities"]
    ]
    return BaselineAnswers(told["predicted"], shares)


def _main(folder: Path) -> None:
    tasks = [Task(**task) for task in json.loads((folder / "texts.json").read_text(encoding="utf-8"))]
    answers = [fit_and_answer(task) for task in tasks]
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
