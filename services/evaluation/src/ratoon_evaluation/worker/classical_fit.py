"""The best classical model that a training part gives, as a baseline. It imports neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratoon.classical.errors import ClassicalError
from ratoon.classical.fitting import Choice, Examples, fit_texts
from ratoon.classical.model import Task, title
from ratoon.tasks.classify import Classify

_SELECTION_RECORDS = 1_000
"""Records of the training part on which the candidates are compared."""


def best_answers(
    task: Task, texts: Sequence[str], answers: Sequence[str], test_texts: Sequence[str]
) -> dict[str, Any] | None:
    """Return the answers of the best classical model of a training part, with what it is and its size.

    None if the training part gives none.
    """
    try:
        model = fit_texts(task, Examples(texts, answers), Choice(selection_records=_SELECTION_RECORDS))
    except ClassicalError:
        return None
    answered = model.answer(test_texts)
    return {
        "predicted": list(answered.texts),
        "classes": list(task.labels) if isinstance(task, Classify) else [],
        "probabilities": np.exp(answered.logprobs).tolist() if answered.logprobs is not None else [],
        "card": {
            "title": title(model.about.features, model.about.estimator, task),
            "bytes": sum(map(len, model.files().values())),
            "parameters": model.parameters,
            "columns": model.about.columns,
        },
    }
