"""Task `generate`: answers in free text, beside those of the base model and of the most similar training record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import generate, text_metrics
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record
from ratoon_evaluation.domain.generation import merged
from ratoon_evaluation.domain.kinds import generate as settings
from ratoon_evaluation.domain.scores import DomainScores
from ratoon_evaluation.worker import passes
from ratoon_evaluation.worker.answer_baselines import NEAREST
from ratoon_evaluation.worker.answer_scores import Answered, TextScores
from ratoon_evaluation.worker.answering import AnswerEvaluator, Renderer, settings_of
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.fitting import FittingProcess
from ratoon_evaluation.worker.generator import Completions, Prompt
from ratoon_evaluation.worker.parts import Part, UnusablePart
from ratoon_evaluation.worker.passes import Domain, Pass
from ratoon_evaluation.worker.prompts import Prompts
from ratoon_evaluation.worker.spec import task_of_spec

ZERO_SHOT, FEW_SHOT = settings.BASE_BASELINES


def evaluator(spec: ScoringSpec, store: ArtifactStore) -> TextEvaluator:
    """Return the evaluator of texts."""
    return TextEvaluator(spec, store)


class TextEvaluator(AnswerEvaluator):
    """Scores of answers in free text."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore) -> None:
        task = task_of_spec(spec)
        assert isinstance(task, Generate)
        self._task = task
        primary = generate.METRICS[spec.metric or generate.PRIMARY]
        super().__init__(spec, store, _decoding(spec, task), primary)

    def check(self, part: Part) -> None:
        """Raise UnusablePart if a record has no prompt, or if references are needed and no record has one."""
        if any(not record.turns for record in part.records):
            raise UnusablePart(
                f"Part {part.digest} contains plain texts, which are no prompts. "
                "Evaluate on a split of records with a prompt."
            )
        if not self._task.reference_free and not any(map(_references, part.records)):
            raise UnusablePart(
                f"Part {part.digest} contains no reference answer. Label its records, or set "
                "`reference_free` in the task."
            )

    def fit(self, folder: Path, domains: Sequence[Domain]) -> FittingProcess:
        """Start the process that looks for the most similar training records."""
        tasks = []
        for domain in domains:
            if domain.train:
                known = [
                    (text, references[0])
                    for text, record in zip(domain.train.texts, domain.train.records, strict=True)
                    if (references := _references(record))
                ]
                texts, answers = zip(*known, strict=True) if known else ((), ())
                tasks.append(
                    {"kind": NEAREST, "texts": texts, "answers": answers, "test_texts": domain.test.texts}
                )
        return FittingProcess(folder, "ratoon_evaluation.worker.answer_baselines", tasks)

    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return the passes of the candidate, of the reference, and of the base model."""
        plain = self._settings()
        return [*passes.of_roles(self._spec, domains, plain), *self._of_base(domains, plain)]

    def _of_base(self, domains: Sequence[Domain], plain: str) -> list[Pass]:
        if not self._spec.base:
            return []
        each = [Pass(ZERO_SHOT, self._spec.base, domain, plain) for domain in domains]
        for domain in domains:
            shots = examples(domain.train, self._spec.few_shot) if domain.train else ()
            if shots:
                known = self._settings(shots)
                each.append(Pass(FEW_SHOT, self._spec.base, domain, known, shots))
        return each

    def _settings(self, shots: Sequence[Record] = ()) -> str:
        return settings_of(self._decoding, shots, True, self._spec.generation.engine, self._compute)

    def _prompt(self, prompts: Renderer, record: Record, opening: str) -> Prompt:
        assert isinstance(prompts, Prompts)
        tokens = prompts.opened(record, opening)
        references = _references(record)
        return Prompt(tokens, prompts.answer(record, references[0], tokens) if references else [])

    def measure(
        self, domain: Domain, answers: Mapping[str, Completions], fitted: Mapping[str, Any] | None
    ) -> DomainScores:
        """Return the scores of a domain, with the tokenizer of BLEU."""
        measured = super().measure(domain, answers, fitted)
        has_bleu = "bleu" in measured.candidate.metrics
        references = map(_references, domain.test.records)
        return replace(measured, bleu_tokenizer=_tokenizer(references) if has_bleu else "")

    def _scores(self, domain: Domain, answers: Sequence[str], completions: Completions | None) -> TextScores:
        references = [_references(record) for record in domain.test.records]
        tokenizer = _tokenizer(references)
        if completions is None:
            return TextScores(Answered(self._task, references, answers, tokenizer))
        tokens = completions.nll_tokens.astype(np.float64)
        return TextScores(Answered(self._task, references, answers, tokenizer, completions.nll, tokens))


def _tokenizer(references: Iterable[Sequence[str]]) -> str:
    """Return the tokenizer of BLEU for the references of all records."""
    return text_metrics.bleu_tokenizer(text for each in references for text in each)


def examples(train: Part, count: int) -> tuple[Record, ...]:
    """Return examples of a training part: of its shorter half those with the smallest digests of their ids."""
    known = [
        (len(text), hashlib.sha256(record_id.encode()).digest(), record)
        for record_id, text, record in zip(train.record_ids, train.texts, train.records, strict=True)
        if _references(record) and record.turns
    ]
    if not known:
        return ()
    limit = median(length for length, _, _ in known)
    short = sorted((digest, place) for place, (length, digest, _) in enumerate(known) if length <= limit)
    return tuple(known[place][2] for _, place in short[:count])


def _references(record: Record) -> tuple[str, ...]:
    """Return the right answers; one that was judged bad is none, and neither is an empty one."""
    return () if record.is_good is False else tuple(answer for answer in record.answers if answer.strip())


def _decoding(spec: ScoringSpec, task: Generate) -> Decoding:
    sampling = settings.generation(task, None).sampling
    if spec.HasField("generation"):
        known = {field.name: value for field, value in spec.generation.sampling.ListFields()}
        sampling = merged(Sampling(**known), sampling)
    values = {name: value for name, value in vars(sampling).items() if value is not None}
    return Decoding(**values, stop=task.stop, seed=spec.generation.seed)
