"""Metrics of verdicts, which not every record has: intervals over groups of records, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ratoon_evaluation.domain.scores import DomainScores, Interval, Scores
from ratoon_evaluation.worker.answer_scores import mean_column
from ratoon_evaluation.worker.bootstrap import MIN_UNITS, Draws, OfSums, Statistic, drawn
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.resampling import Resampling

Values = Sequence[float | None]
"""One value a record; None: it does not count."""

_FEW_GROUPS = "Too few groups of records have a verdict, so no interval can be given."


@dataclass(frozen=True)
class Measured:
    """Metrics by role and name, their differences, and why metrics of the candidate have no value."""

    metrics: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    differences: Mapping[str, Interval] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    def added_to(self, scores: DomainScores) -> DomainScores:
        """Return the scores of a domain with these."""
        reference = scores.reference
        return replace(
            scores,
            candidate=replace(
                self._of_role(scores.candidate, CANDIDATE),
                unmeasured={**scores.candidate.unmeasured, **self.unmeasured},
            ),
            reference=self._of_role(reference, REFERENCE) if reference else None,
            differences={**scores.differences, **self.differences},
        )

    def _of_role(self, scores: Scores, role: str) -> Scores:
        return replace(scores, metrics={**scores.metrics, **self.metrics.get(role, {})})


def means(part: Part, how: Resampling, values: Mapping[str, Mapping[str, Values]]) -> Measured:
    """Return the means of values by role and metric, and the differences over the records that both roles have."""
    draws = _drawn(part, how, values)
    metrics = {role: each.intervals(how) for role, each in draws.items()}
    unmeasured = {name: _FEW_GROUPS for name in values[CANDIDATE] if name not in metrics[CANDIDATE]}
    both = _drawn(part, how, _complete(values)) if REFERENCE in values else draws
    differences = both[CANDIDATE].differences(both[REFERENCE], how) if REFERENCE in both else {}
    return Measured(metrics, differences, unmeasured)


def mean(part: Part, how: Resampling, values: Values) -> Interval | None:
    """Return the mean of values; None if too few groups of records have one."""
    return means(part, how, {CANDIDATE: {"": values}}).metrics[CANDIDATE].get("")


def _groups(part: Part, values: Values) -> int:
    counted = [each is not None for each in values]
    return len(np.unique(part.units[np.array(counted, dtype=np.bool_)]))


def _complete(values: Mapping[str, Mapping[str, Values]]) -> dict[str, dict[str, Values]]:
    """Return the metrics that both roles have, on the records where both have a value."""
    complete: dict[str, dict[str, Values]] = {role: {} for role in values}
    for name in values[CANDIDATE].keys() & values[REFERENCE].keys():
        rows = list(zip(values[CANDIDATE][name], values[REFERENCE][name], strict=True))
        known = [row if None not in row else (None, None) for row in rows]
        complete[CANDIDATE][name], complete[REFERENCE][name] = map(list, zip(*known, strict=True))
    return complete


def _drawn(part: Part, how: Resampling, values: Mapping[str, Mapping[str, Values]]) -> dict[str, Draws]:
    """Return the draws of each role's metrics; those that fewer than two groups of records have are left out."""
    statistics: list[dict[str, Statistic]] = [
        {name: _statistic(part, each) for name, each in of_role.items() if _groups(part, each) >= MIN_UNITS}
        for of_role in values.values()
    ]
    if not any(statistics):
        return {role: Draws({}, {}) for role in values}
    return dict(zip(values, drawn(how, int(part.units.max()) + 1, statistics), strict=True))


def _statistic(part: Part, values: Values) -> OfSums:
    counted = np.array([each is not None for each in values], dtype=np.float64)
    column = mean_column([each or 0.0 for each in values], counted)
    return OfSums(column.of, column.summands, part.units)
