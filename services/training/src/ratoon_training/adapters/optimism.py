"""Corrected value of the best trial of a sweep, by folds or by a bootstrap over the records of the validation part.

BBC (Tsamardinos et al. 2018): each resample of the records chooses its own best trial, which is scored on the records
that the resample left out. numpy is imported with the first correction.
"""

import json
from typing import TYPE_CHECKING, Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.optimism import fold_optimism
from ratoon_training.domain.sweeps import Correction, Sweep, Trial, TrialState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

RESAMPLES = 500
_MAX_RECORDS = 3_000
"""Records that are resampled at most; of a larger part, evenly chosen ones."""
_METRICS = ("macro_f1", "accuracy")


class StoredOptimism:
    """Corrections by what the runs of trials have stored."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def corrected(self, sweep: Sweep) -> Correction | None:
        """Return the corrected value of the best trial; None: it follows from nothing that is stored."""
        completed = [trial for trial in sweep.trials if trial.state is TrialState.COMPLETED]
        if sweep.best is None or len(completed) < 2:
            return None
        return _by_folds(sweep, completed) if sweep.folds else self._by_records(sweep, completed)

    def _by_records(self, sweep: Sweep, completed: list[Trial]) -> Correction | None:
        best, scored = sweep.best, [trial for trial in completed if trial.scores]
        if sweep.metric not in _METRICS or best not in scored or len(scored) < 2:
            return None
        assert best is not None and best.value is not None, "the best trial is a completed one"
        answers = [json.loads(self._artifacts.read(trial.scores[0].digest)) for trial in scored]
        if any(each["right"] != answers[0]["right"] for each in answers):
            return None
        values = out_of_bag(answers, sweep.metric, sweep.seed)
        if len(values) == 0:
            return None
        import numpy as np

        low, high = np.quantile(values, [0.025, 0.975])
        value = float(np.mean(values))
        return Correction(
            value=value,
            optimism=best.value - value if sweep.maximizes else value - best.value,
            method="bootstrap",
            units=len(answers[0]["right"]),
            trials=len(scored),
            low=float(low),
            high=float(high),
        )


def out_of_bag(answers: list[dict[str, Any]], metric: str, seed: int) -> "Numbers":
    """Return the score of the best trial of each resample on the records that it left out.

    `answers` holds the right and the predicted label of each record by trial, and the number of labels.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    every = max(1, -(-len(answers[0]["right"]) // _MAX_RECORDS))
    right = np.asarray(answers[0]["right"][::every])
    count, labels = len(right), int(answers[0]["labels"])
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    inside, outside = drawn.astype(np.float64), (drawn == 0).astype(np.float64)
    predictions = [np.asarray(each["predicted"][::every]) for each in answers]
    chosen = np.argmax([_scores(inside, right, each, labels, metric) for each in predictions], axis=0)
    left_out = np.stack([_scores(outside, right, each, labels, metric) for each in predictions])
    values: Numbers = left_out[chosen, np.arange(RESAMPLES)]
    scored: Numbers = values[outside.sum(axis=1) > 0]
    return scored


def _scores(weights: "Numbers", right: Any, predicted: Any, labels: int, metric: str) -> "Numbers":
    """Return the metric by row of weights (resamples by records)."""
    import numpy as np

    if metric == "accuracy":
        shares: Numbers = weights @ (right == predicted) / np.maximum(weights.sum(axis=1), 1)
        return shares
    names = np.arange(labels)
    true = weights @ (right[:, None] == names)
    answered = weights @ (predicted[:, None] == names)
    hit = weights @ ((right[:, None] == names) & (predicted[:, None] == names))
    present = true > 0
    f1 = np.where(present, 2 * hit / np.maximum(true + answered, 1), 0.0)
    means: Numbers = f1.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return means


def _by_folds(sweep: Sweep, completed: list[Trial]) -> Correction | None:
    best = sweep.best
    whole = [trial for trial in completed if len(trial.reports) == len(sweep.folds)]
    if best not in whole or best is None or best.value is None or len(whole) < 2:
        return None
    values = [[report.value for report in trial.reports] for trial in whole]
    optimism = fold_optimism(values, whole.index(best), maximize=sweep.maximizes)
    value = best.value - optimism if sweep.maximizes else best.value + optimism
    return Correction(value, optimism, "folds", len(sweep.folds), len(whole))
