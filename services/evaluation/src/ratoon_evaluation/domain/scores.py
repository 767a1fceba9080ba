"""What an evaluation measured, as values. It knows no formula and no gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratoon_evaluation.domain.kinds.classify import ClassScore, Confusion

MAJORITY = "majority"
"""The baseline that always answers the training part's commonest label."""
TFIDF = "tfidf"
"""The baseline by logistic regression on TF-IDF weights of words, fitted on the training part alone."""
TFIDF_CHARS = "tfidf_chars"
"""The same on character n-grams of 1 to 3 characters."""
BASELINE_TITLES = {
    MAJORITY: "always the commonest label",
    TFIDF: "TF-IDF on words",
    TFIDF_CHARS: "TF-IDF on characters",
}
"""Names of the baselines for people."""


@dataclass(frozen=True)
class Interval:
    """A measured value and its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SliceScore:
    """The records of one slice (`language=en`, `chars=200-499`): how many, and how well answered."""

    slice: str
    records: int
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True)
class Scores:
    """One answerer (a model or a baseline) on one domain. Shares lie in 0..1; None: not measured."""

    records: int
    accuracy: Interval
    macro_f1: Interval
    precision: float
    """Macro average, as `recall`."""
    recall: float
    auc: Interval | None
    perplexity: float | None
    """Of the text's own tokens, special tokens excluded; baselines have none."""
    classes: tuple[ClassScore, ...]
    """One entry a label; labels without records (support 0) are left out of the macro averages."""
    confusion: Confusion
    slices: tuple[SliceScore, ...] = ()
    unfit: int = 0
    """Records whose text does not fit the model's positions; they count as wrong."""
    predictions: str = field(default="", metadata={"artifact": True})
    """Digest of the predictions, record by record (parquet); baselines have none."""

    @property
    def classes_without_records(self) -> tuple[str, ...]:
        """The labels that no record of the test part bears."""
        return tuple(score.label for score in self.classes if not score.support)


@dataclass(frozen=True)
class DomainScores:
    """All that was measured on one domain: a population, stood for by one sealed test part."""

    domain: str
    test: str
    """Digest of the test part."""
    candidate: Scores
    reference: Scores | None = None
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    difference: Interval | None = None
    """Macro-F1 of the candidate minus the reference's on the same records, by paired bootstrap."""
    best_baseline: str = ""
    """Name of the baseline that did best on held-out records of the training part; empty: none was fitted."""
    baseline_difference: Interval | None = None
    """Macro-F1 of the candidate minus the best baseline's on the same records, by paired bootstrap."""
    wrong: str = field(default="", metadata={"artifact": True})
    """Digest of the candidate's wrong answers (parquet)."""
    wrong_count: int = 0


@dataclass(frozen=True)
class Measurements:
    """What one evaluation run measured, domain by domain."""

    domains: tuple[DomainScores, ...] = ()

    def domain(self, name: str) -> DomainScores | None:
        """The domain of that name, if it was measured."""
        return next((scores for scores in self.domains if scores.domain == name), None)
