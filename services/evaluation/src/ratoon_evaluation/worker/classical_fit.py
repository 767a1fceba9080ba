"""The best classical model that a training part gives, as a baseline. It imports neither torch nor transformers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ratoon.classical.errors import ClassicalError
from ratoon.classical.estimators import Estimator
from ratoon.classical.fitting import Choice, Examples, fit_texts
from ratoon.classical.model import ClassicalModel, Task, title
from ratoon.tasks.classify import Classify

_CHOICE = Choice(
    estimators=(Estimator.LINEAR, Estimator.LINEAR_SVM, Estimator.FOREST), selection_records=1_000
)
"""Candidates: those that a training run compares, without the slow ones, on as many records of the training part."""


def best_answers(
    task: Task, texts: Sequence[str], answers: Sequence[str], test_texts: Sequence[str]
) -> dict[str, Any] | None:
    """Return the answers of the best classical model of a training part, with what it is and its size.

    None if the training part gives none.
    """
    try:
        model = fit_texts(task, Examples(texts, answers), _CHOICE)
    except ClassicalError:
        return None
    model.answer(test_texts[:1])  # the first answer loads libraries
    started = time.process_time()
    answered = model.answer(test_texts)
    seconds = time.process_time() - started
    return {
        "seconds": seconds,
        "predicted": list(answered.texts),
        "classes": list(task.labels) if isinstance(task, Classify) else [],
        "probabilities": np.exp(answered.logprobs).tolist() if answered.logprobs is not None else [],
        "card": {
            "title": title(model.about.features, model.about.estimator, task),
            "bytes": _size(model),
            "parameters": model.parameters,
            "columns": model.about.columns,
        },
    }


def _size(model: ClassicalModel) -> int:
    """Return the bytes of the numbers and terms of a model of texts, about those of its files."""
    return 8 * (model.parameters + model.about.columns) + sum(map(len, model.features.vocabulary))
