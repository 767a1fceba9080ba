"""Task `classify`: answers out of a list of labels, one a record or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder
from ratoon.tasks.classify import Classify
from ratoon_evaluation.domain.scores import MACRO_F1, DomainScores, Interval, Scores
from ratoon_evaluation.worker import passes, scoring, tables
from ratoon_evaluation.worker.baselines import Baselines, FittedBaselines, Task
from ratoon_evaluation.worker.classical import ClassicalScorer
from ratoon_evaluation.worker.label_sets import LabelSetEvaluator
from ratoon_evaluation.worker.parts import Part, UnusablePart
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain, Pass
from ratoon_evaluation.worker.resampling import resampling_of
from ratoon_evaluation.worker.scorer import Answers, Scorer
from ratoon_evaluation.worker.spec import compute_of_spec, task_of_spec


def evaluator(spec: ScoringSpec, store: ArtifactStore) -> LabelEvaluator | LabelSetEvaluator:
    """Return the evaluator of one label a record, or of several."""
    task = task_of_spec(spec)
    assert isinstance(task, Classify)
    return LabelSetEvaluator(spec, store, task) if task.multi_label else LabelEvaluator(spec, store)


class LabelEvaluator:
    """Scores of one label a record."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore) -> None:
        self._spec, self._store = spec, store
        self._labels = tuple(spec.labels) or tuple(spec.task_spec.classify.labels)
        self._how = resampling_of(spec)
        self._compute = compute_of_spec(spec)
        self._settings = passes.settings_of_compute(self._compute)

    def check(self, part: Part) -> None:
        """Raise UnusablePart if a record has an unknown label."""
        if strange := set(part.labels) - set(self._labels):
            raise UnusablePart(
                f"Part {part.digest} contains labels that are not evaluated: {sorted(strange)}. Add them to the "
                "labels of the run."
            )

    def fit(self, folder: Path, domains: Sequence[Domain]) -> Baselines:
        """Start the process that fits the baselines."""
        return Baselines(
            folder,
            [
                Task(domain.train.texts, domain.train.labels, domain.test.texts, self._labels)
                for domain in domains
                if domain.train
            ],
        )

    def fitted(self, fitting: Baselines, domains: Sequence[Domain]) -> Sequence[FittedBaselines | None]:
        """Wait for the baselines of the domains with a training part."""
        fitted = iter(fitting.answers(self._labels))
        return [next(fitted) if domain.train else None for domain in domains]

    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return the passes of the candidate and of the reference."""
        return passes.of_roles(self._spec, domains, self._settings)

    def stored(self, each: Pass, predictions: str) -> Answers | None:
        """Return stored answers."""
        return tables.read_predictions(self._store, predictions, each.domain.test, self._labels)

    def load(self, folder: ModelFolder) -> Scorer | ClassicalScorer:
        """Return a model that answers."""
        if folder.is_small:
            return ClassicalScorer(folder, self._labels)
        return Scorer(folder, self._labels, self._spec.threads, self._compute)

    def answer(self, model: Scorer | ClassicalScorer, each: Pass, advance: Callable[[int], None]) -> Answers:
        """Answer a test part."""
        return model.score(each.domain.test.texts, advance, each.domain.test.openings)

    def measure(
        self, domain: Domain, answers: Mapping[str, Answers], fitted: FittedBaselines | None
    ) -> DomainScores:
        """Return the scores of a domain."""
        part, how, labels = domain.test, self._how, self._labels
        scores = {role: self._scores(part, each) for role, each in answers.items()}
        wrong, wrong_count = tables.write_wrong(self._store, part, labels, answers[CANDIDATE])
        known = fitted.answers if fitted else {}
        best = fitted.best if fitted else ""
        reference = answers.get(REFERENCE)
        differences = self._gains(part, answers, reference.predicted) if reference else {}
        baseline_differences = self._gains(part, answers, known[best].predicted) if best else {}
        return DomainScores(
            domain=domain.name,
            test=part.digest,
            candidate=scores[CANDIDATE],
            reference=scores.get(REFERENCE),
            baselines={
                name: scoring.answer_scores(
                    part.labels, labels, each.predicted, np.array(each.probabilities), how
                )
                for name, each in known.items()
            },
            difference=differences.get(MACRO_F1),
            best_baseline=best,
            baseline_difference=baseline_differences.get(MACRO_F1),
            wrong=wrong,
            wrong_count=wrong_count,
            differences=differences,
            baseline_differences=baseline_differences,
        )

    def _gains(self, part: Part, answers: Mapping[str, Answers], other: Sequence[str]) -> dict[str, Interval]:
        return scoring.gains(part, self._labels, answers[CANDIDATE].predicted, other, self._how)

    def _scores(self, part: Part, answers: Answers) -> Scores:
        predictions = tables.write_predictions(self._store, part, self._labels, answers)
        scores = scoring.model_scores(part, self._labels, answers, self._how, predictions)
        return replace(scores, answer_settings=self._settings)
