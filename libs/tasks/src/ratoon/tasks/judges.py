"""Judges of texts: their kinds, the metrics of judges and of people, and when a gate may name one of a judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from ratoon.tasks.kind import Metric, metrics

LOWEST, HIGHEST = 1, 5
"""Ends of the scale of scores and ratings."""
METRICS: Mapping[str, Metric] = metrics(
    Metric("judge_win_rate"),
    Metric("judge_consistency"),
    Metric("rubric_score", low=LOWEST, high=HIGHEST),
    Metric("human_win_rate"),
    Metric("human_rating", low=LOWEST, high=HIGHEST),
)
"""Metrics of judges and of people, beside those of the kind of task."""
COMPARED: tuple[str, ...] = ("rubric_score", "human_rating")
"""Those that the candidate and the reference both have."""
OF_PAIRS: tuple[str, ...] = ("judge_win_rate", "judge_consistency", "human_win_rate")
"""Those that need a reference."""
HUMAN: tuple[str, ...] = ("human_win_rate", "human_rating")


class JudgeKind(StrEnum):
    """How a judge judges."""

    PAIRWISE = "PAIRWISE"
    """Which of two answers is better."""
    RUBRIC = "RUBRIC"
    """A score for one answer."""


METRICS_OF_KIND: Mapping[JudgeKind, tuple[str, ...]] = {
    JudgeKind.PAIRWISE: ("judge_win_rate", "judge_consistency"),
    JudgeKind.RUBRIC: ("rubric_score",),
}


@dataclass(frozen=True)
class Requirements:
    """What must be known of a judge before a gate may name one of its metrics."""

    min_pairs: int = 50
    """Pairs or answers that people and the judge both judged."""
    min_kappa: float = 0.4

    @property
    def is_valid(self) -> bool:
        """Return whether both numbers can be met."""
        return self.min_pairs >= 0 and isfinite(self.min_kappa) and -1 <= self.min_kappa <= 1

    def unmet(self, pairs: int, kappa: float | None) -> str:
        """Return why a judge of this agreement with people may not gate, after its name; empty if it may."""
        if pairs < self.min_pairs:
            return (
                f"was compared with people on {pairs:,} pairs or answers, and {self.min_pairs:,} are needed"
            )
        if kappa is None:
            return "has no Cohen's kappa with people, because all verdicts are the same"
        if kappa < self.min_kappa:
            return (
                f"agrees with people by a Cohen's kappa of {kappa:.2f} on {pairs:,} pairs or answers, and "
                f"{self.min_kappa:g} is needed"
            )
        return ""
