"""What tests of suites share: models in the form that a test needs, and scores from one value a document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.process.errors import NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder
from ratoon_evaluation.domain.scores import TestScores
from ratoon_evaluation.worker.bootstrap import MIN_UNITS, Draws, OfSums, drawn
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.parts import write_table
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.spec import compute_of_spec
from ratoon_evaluation.worker.suites.failures import TestFailed

Advance = Callable[[int], None]

_SETTINGS = b"ratoon.answer_settings"
_VERSION = 1
"""Raised when answers to the same tests would change."""
_ONE_DOCUMENT = "One document gives no interval: add others."
_NO_NUMBER = "The value of a document is not a number."


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
        """Return the model with its tokenizer; TestFailed for a classical or small neural model, which has none."""
        if self._folder.is_small:
            raise TestFailed(
                "A classical or small neural model answers tests by records only, and not step by step: it has no "
                "tokenizer and continues no text."
            )
        if self._plain is None:
            self._of_task, self._plain = None, LoadedModel(self._folder, self._threads, self._compute)
        return self._plain


class Runner(Protocol):
    """Applies one test of a suite to models."""

    @property
    def count(self) -> int:
        """Number of prompts for each model."""
        ...

    @property
    def settings(self) -> str:
        """Digest of all that the answers depend on beside the model."""
        ...

    def restore(self, role: str, answers: str) -> bool:
        """Take over answers that an earlier job stored; False if they are gone, or of other settings."""
        ...

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer; `advance` gets the number of finished prompts, and may raise to stop."""
        ...

    def scores(self) -> TestScores:
        """Return what was measured, without the names of the test."""
        ...


def settings_of(*parts: object) -> str:
    """Return the digest of what answers depend on."""
    return hashlib.sha256(json.dumps([_VERSION, *parts], sort_keys=True).encode()).hexdigest()


def write_answers(store: ArtifactStore, columns: dict[str, pa.Array], settings: str) -> str:
    """Store answers with the settings that they depend on; returns the digest of the table."""
    return write_table(store, columns, {_SETTINGS: settings.encode()})


def read_answers(store: ArtifactStore, digest: str, settings: str) -> pa.Table | None:
    """Return stored answers; None if they are gone, or of other settings."""
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
    except (NotFound, pa.ArrowInvalid):
        return None
    return table if (table.schema.metadata or {}).get(_SETTINGS) == settings.encode() else None


def of_documents(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    how: Resampling,
    answers: Mapping[str, str],
    unanswered: int,
) -> TestScores:
    """Return the means of metrics, by role and by name of the metric one value a document, with their intervals.

    `answers` are the digests of the stored answers by role.
    """
    counted = TestScores(
        "",
        records=len(next(iter(values[CANDIDATE].values()))),
        answers=answers[CANDIDATE],
        reference_answers=answers.get(REFERENCE, ""),
        unanswered=unanswered,
    )
    draws = _drawn(values, counted.records, how)
    if draws is None:
        return replace(counted, unmeasured=dict.fromkeys(values[CANDIDATE], _ONE_DOCUMENT))
    candidate, reference = draws[CANDIDATE], draws.get(REFERENCE)
    known = candidate.intervals(how)
    unmeasured = dict.fromkeys(candidate.values.keys() - known.keys(), _NO_NUMBER)
    measured = replace(counted, candidate=known, unmeasured=unmeasured)
    if reference is None:
        return measured
    differences = candidate.differences(reference, how)
    return replace(measured, reference=reference.intervals(how), differences=differences)


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
