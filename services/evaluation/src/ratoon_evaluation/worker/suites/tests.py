"""What tests of suites share: models in the form that a test needs, and scores from one value a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.models import ModelFolder
from ratoon_evaluation.domain.scores import Interval, TestScores
from ratoon_evaluation.worker.bootstrap import MIN_UNITS, Draws, OfSums, drawn
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.spec import compute_of_spec

Advance = Callable[[int], None]

_ONE_DOCUMENT = "One document gives no interval: add others."


class Loader(Protocol):
    """Loads the models of a kind of task."""

    def load(self, folder: ModelFolder) -> Any:
        """Return a model that answers."""
        ...


class Model:
    """A model in the form that a test needs; one form is in memory at a time."""

    def __init__(self, folder: ModelFolder, loader: Loader, spec: ScoringSpec) -> None:
        self._folder, self._loader = folder, loader
        self._threads, self._compute = spec.threads, compute_of_spec(spec)
        self._of_task: Any = None
        self._plain: LoadedModel | None = None

    def of_task(self) -> Any:
        """Return the model as the kind of task loads it."""
        if self._of_task is None:
            self._plain, self._of_task = None, self._loader.load(self._folder)
        return self._of_task

    def plain(self) -> LoadedModel:
        """Return the model with its tokenizer."""
        if self._plain is None:
            self._of_task, self._plain = None, LoadedModel(self._folder, self._threads, self._compute)
        return self._plain


class Runner(Protocol):
    """Applies one test of a suite to models."""

    @property
    def count(self) -> int:
        """Number of prompts for each model."""
        ...

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer; `advance` gets the number of finished prompts, and may raise to stop."""
        ...

    def scores(self) -> TestScores:
        """Return what was measured, without the names of the test."""
        ...


def of_documents(
    values: Mapping[str, Mapping[str, Sequence[float]]], how: Resampling, answers: str, unanswered: int
) -> TestScores:
    """Return the means of metrics, by role and by name of the metric one value a document, with their intervals."""
    first = next(iter(values[CANDIDATE].values()))
    draws = _drawn(values, len(first), how)
    if draws is None:
        unmeasured = dict.fromkeys(values[CANDIDATE], _ONE_DOCUMENT)
        return TestScores(
            "", records=len(first), unmeasured=unmeasured, answers=answers, unanswered=unanswered
        )
    candidate, reference = draws[CANDIDATE], draws.get(REFERENCE)
    none: dict[str, Interval] = {}
    return TestScores(
        "",
        records=len(first),
        candidate=candidate.intervals(how),
        reference=reference.intervals(how) if reference else none,
        differences=candidate.differences(reference, how) if reference else none,
        answers=answers,
        unanswered=unanswered,
    )


def _drawn(
    values: Mapping[str, Mapping[str, Sequence[float]]], count: int, how: Resampling
) -> dict[str, Draws] | None:
    if count < MIN_UNITS:
        return None
    units = np.arange(count)
    statistics = [
        {
            name: OfSums(
                lambda sums: np.asarray(sums[..., 0] / sums[..., 1]),
                np.stack([np.asarray(each, dtype=np.float64), np.ones(count)], axis=1),
                units,
            )
            for name, each in metrics.items()
        }
        for metrics in values.values()
    ]
    return dict(zip(values, drawn(how, count, statistics), strict=True))
