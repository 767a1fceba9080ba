"""Validation of training runs: live curves of the resource, exact ones of the blob that a run stores at its end."""

import json
import math
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.learning_rate import trend_of
from ratoon_training.domain.runs import TrainingRun
from ratoon_training.domain.sweeps import Report

_ALMOST = 1e-6
_PUBLISHED_EPOCH = "published_epoch"


class StoredResults:
    """Results of runs by what they report, and by their curves in the artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def reports(self, run: TrainingRun, metric: str) -> tuple[Report, ...]:
        """Return the values of a metric so far, by epoch. A run in progress may skip epochs between two reports."""
        if run.trained is not None:
            rows = self._epochs(run, metric)
            return tuple(
                Report(number, value) for number, value in enumerate(rows, 1) if math.isfinite(value)
            )
        values: dict[int, float] = {}
        for measured in [*(point.metrics for point in run.curve), run.progress.metrics]:
            value, epoch = (
                measured.get(f"validation_{metric}"),
                math.floor(measured.get("epoch", 0.0) + _ALMOST),
            )
            if value is not None and math.isfinite(value) and epoch > 0:
                values.setdefault(epoch, value)
        return tuple(Report(epoch, values[epoch]) for epoch in sorted(values))

    def value(self, run: TrainingRun, metric: str, *, maximize: bool) -> float | None:
        """Return the value of the epoch that the run published, or the best where it does not say which that was."""
        if run.trained is None:
            return None
        rows, metrics = self._epochs(run, metric), run.trained.metrics
        published = round(metrics.get(_PUBLISHED_EPOCH, 0.0))
        if 0 < published <= len(rows):
            return rows[published - 1]
        finite = [value for value in rows if math.isfinite(value)]
        if finite:
            return max(finite) if maximize else min(finite)
        return metrics.get(f"validation_{metric}")

    def trend(self, run: TrainingRun) -> str:
        """Return the course of the training loss."""
        curves = self._curves(run)
        steps = curves.get("steps", {})
        columns = steps.get("columns", [])
        place = columns.index("answer_loss") if "answer_loss" in columns else None
        return "" if place is None else trend_of([row[place] for row in steps["rows"]])

    def _epochs(self, run: TrainingRun, metric: str) -> list[float]:
        """Return the metric of each epoch, of the stored curves."""
        epochs = self._curves(run).get("epochs", {})
        columns = epochs.get("columns", [])
        if metric not in columns:
            return []
        place = columns.index(metric)
        return [float(row[place]) for row in epochs["rows"]]

    def _curves(self, run: TrainingRun) -> dict[str, Any]:
        if run.trained is None or not run.trained.curves_digest:
            return {}
        blob: dict[str, Any] = json.loads(self._artifacts.read(run.trained.curves_digest))
        curves: dict[str, Any] = blob.get("curves", {})
        return curves
