"""What `generate` and `regress` share: answers that a model writes, stored with the settings they depend on."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Compute
from ratoon.tasks.kind import Metric, Record
from ratoon_evaluation.domain.generation import Engine
from ratoon_evaluation.domain.scores import DomainScores
from ratoon_evaluation.worker import answer_tables, measuring
from ratoon_evaluation.worker.answer_baselines import SECONDS
from ratoon_evaluation.worker.answer_scores import AnswerScores
from ratoon_evaluation.worker.classical import ClassicalWriter
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.fitting import FittingProcess
from ratoon_evaluation.worker.generator import Completions, Generator, Prompt
from ratoon_evaluation.worker.measuring import Answerer
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain, Pass, settings_of_compute
from ratoon_evaluation.worker.resampling import resampling_of
from ratoon_evaluation.worker.spec import compute_of_spec
from ratoon_evaluation.worker.vllm_generator import VllmGenerator

_CPU = Compute()
_VERSION = 1
"""Raised when answers to the same prompts would change."""


class Renderer(Protocol):
    """Renders records as prompts."""

    def opened(self, record: Record, opening: str) -> list[int]:
        """Return the tokens of a prompt, and of the opening of its answer where it can be left open."""
        ...


class Writer(Protocol):
    """A model that writes answers."""

    def prompts(self, shots: Sequence[Record] = ()) -> Renderer:
        """Return what renders prompts for this model; `shots` stand before each prompt."""
        ...

    def answer(self, prompts: Sequence[Prompt], advance: Callable[[int], None]) -> Completions:
        """Answer every prompt; `advance` gets the number of finished prompts, and may raise to stop."""
        ...


def settings_of(
    decoding: Decoding,
    shots: Sequence[Record] = (),
    scores_references: bool = False,
    engine: str = "",
    compute: Compute = _CPU,
) -> str:
    """Return the digest of all that answers depend on beside the model and the test part."""
    used = asdict(decoding) | ({"seed": 0} if decoding.is_greedy else {})
    fields = {
        "version": _VERSION,
        "engine": f"{engine or Engine.TRANSFORMERS}, {settings_of_compute(compute) or 'float32'}",
        "decoding": used,
        "shots": [asdict(shot) for shot in shots],
        "references": scores_references,
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class AnswerEvaluator(ABC):
    """Answers of models by a `Decoding`, and of fitted baselines."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore, decoding: Decoding, primary: Metric) -> None:
        self._spec, self._store = spec, store
        self._decoding, self._primary = decoding, primary
        self._how = resampling_of(spec)
        self._compute = compute_of_spec(spec)

    def fitted(
        self, fitting: FittingProcess, domains: Sequence[Domain]
    ) -> Sequence[Mapping[str, Any] | None]:
        """Wait for the baselines of the domains with a training part."""
        fitted = iter(fitting.result())
        return [next(fitted) if domain.train else None for domain in domains]

    def stored(self, each: Pass, predictions: str) -> Completions | None:
        """Return stored answers."""
        return answer_tables.read_answers(self._store, predictions, each.domain.test, each.settings)

    def load(self, folder: ModelFolder) -> Writer:
        """Return a model that answers."""
        if folder.is_small:
            return ClassicalWriter(folder)
        if self._spec.generation.engine == Engine.VLLM:
            return VllmGenerator(folder, self._decoding, self._spec.threads, self._compute)
        return Generator(LoadedModel(folder, self._spec.threads, self._compute), self._decoding)

    def answer(self, model: Writer, each: Pass, advance: Callable[[int], None]) -> Completions:
        """Answer a test part."""
        prompts, part = model.prompts(each.shots), each.domain.test
        openings = part.openings or ("",) * len(part)
        rendered = [
            self._prompt(prompts, record, opening)
            for record, opening in zip(part.records, openings, strict=True)
        ]
        return model.answer(rendered, advance)

    def measure(
        self, domain: Domain, answers: Mapping[str, Completions], fitted: Mapping[str, Any] | None
    ) -> DomainScores:
        """Return the scores of a domain."""
        settings = {each.answerer: each.settings for each in self.passes([domain])}
        answerers = {name: self._answerer(domain, each, settings[name]) for name, each in answers.items()} | {
            name: Answerer(self._scores(domain, each, None))
            for name, each in (fitted or {}).items()
            if name != SECONDS
        }
        measured = measuring.measure(domain, answerers, self._primary, self._how)
        rows, scores = measuring.worst_first(answerers[CANDIDATE], self._primary)
        reference = answers[REFERENCE].texts if REFERENCE in answers else None
        wrong = answer_tables.write_wrong(
            self._store, domain.test, answers[CANDIDATE].texts, reference, rows, scores
        )
        return replace(measured, wrong=wrong, wrong_count=len(rows))

    @abstractmethod
    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return which models answer which test parts."""

    def _answerer(self, domain: Domain, answers: Completions, settings: str) -> Answerer:
        return Answerer(
            self._scores(domain, answers.texts, answers),
            int(answers.unfit.sum()),
            answer_tables.write_answers(self._store, domain.test, answers, settings),
            settings,
        )

    def _prompt(self, prompts: Renderer, record: Record, opening: str) -> Prompt:
        """Return the prompt of a record and the opening of its answer, with its reference if that is scored."""
        return Prompt(prompts.opened(record, opening))

    @abstractmethod
    def _scores(
        self, domain: Domain, answers: Sequence[Any], completions: Completions | None
    ) -> AnswerScores:
        """Return the scores of answers to a test part; baselines that are no model have no completions."""
