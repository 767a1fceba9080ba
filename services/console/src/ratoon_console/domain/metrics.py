"""Metrics of an evaluation run, by its kind of task: their order, names, direction and number format."""

from collections.abc import Mapping
from dataclasses import dataclass

from ratoon.tasks.judges import METRICS as JUDGE_METRICS
from ratoon.tasks.kind import Direction, Kind, Metric
from ratoon.tasks.kinds import KINDS
from ratoon.tasks.titles import metric_title
from ratoon_console.domain.words import JSON, decimal, estimate

_FIELDS = {"macro_f1": "macroF1", "accuracy": "accuracy", "auc": "auc"}
"""Metrics that an earlier release sent in fields of their own."""


@dataclass(frozen=True)
class Measure:
    """Metrics of a kind of task, and the primary one."""

    metrics: Mapping[str, Metric]
    primary: str
    is_labels: bool
    """The answers are labels, which can be counted."""

    def metric(self, name: str) -> Metric:
        """Return a metric; of one that this release does not know, higher values are better."""
        return self.metrics.get(name, Metric(name))

    def title(self, name: str) -> str:
        """Return the name of a metric, with its direction if lower values are better."""
        lower = self.metric(name).direction is Direction.LOWER
        return metric_title(name) + (" (lower is better)" if lower else "")

    def text(self, name: str, interval: Mapping[str, float] | None) -> str:
        """Return a value with its 95 % interval; a dash when it was not measured."""
        if not interval or self.is_share(name):
            return estimate(interval)
        value, low, high = (decimal(interval.get(key, 0)) for key in ("value", "lower", "upper"))
        return f"{value} [{low}, {high}]"

    def is_share(self, name: str) -> bool:
        """Return whether the values of a metric lie between -1 and 1."""
        metric = self.metric(name)
        return metric.low >= -1 and metric.high <= 1

    def names(self, result: JSON) -> list[str]:
        """Return the metrics that were measured on a domain: the primary one, then those of the kind in their order."""
        answerers = [result.get("candidate"), result.get("reference")]
        answerers += [each.get("scores") for each in result.get("baselines", [])]
        measured = {name for scores in answerers if scores for name in values(scores)}
        known = [name for name in (self.primary, *self.metrics) if name in measured]
        return list(dict.fromkeys([*known, *sorted(measured)]))


def measure_of(run: JSON) -> Measure:
    """Return how a run is measured; one of an earlier release has labels."""
    task = run.get("task") or {}
    kind = next((kind for kind in Kind if kind in task), Kind.CLASSIFY)
    metrics = {**KINDS[kind].METRICS, **JUDGE_METRICS}
    return Measure(metrics, run.get("metric") or KINDS[kind].PRIMARY, kind is Kind.CLASSIFY)


OF_LABELS = measure_of({})


def values(scores: JSON) -> dict[str, JSON]:
    """Return the measured metrics of scores by name."""
    own = {name: scores[field] for name, field in _FIELDS.items() if scores.get(field)}
    return {**own, **scores.get("metrics", {})}
