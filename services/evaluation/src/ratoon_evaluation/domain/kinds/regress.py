"""Task `regress`: which metrics an evaluation compares."""

from collections.abc import Mapping

from ratoon.tasks.regress import Regress
from ratoon_evaluation.domain.generation import Generation, check_absent

METRICS: tuple[str, ...] = ("mae", "mse", "rmse", "r2", "spearman")
BASELINE = "mean"
BASELINE_TITLES: Mapping[str, str] = {
    "mean": "always the mean",
    "ridge_tfidf": "ridge regression on TF-IDF",
    "classical": "the best classical model",
}

BASE_BASELINES: tuple[str, ...] = ()


def gated_metrics(_: Regress, /) -> tuple[str, ...]:
    """Return the metrics of numbers."""
    return METRICS


def compared_metrics(_: Regress, /) -> tuple[str, ...]:
    """Return the metrics of numbers."""
    return METRICS


def labels(task: Regress, /) -> tuple[str, ...]:
    """Return no labels: answers are numbers."""
    return ()


def generation(task: Regress, requested: Generation | None, /) -> None:
    """Return no settings; BadEvaluation if some are requested."""
    check_absent(requested)


def unmeasurable(task: Regress, /) -> Mapping[str, str]:
    """Return no metric: each has a value for some answers."""
    return {}
