"""Task `regress`: numbers that a model writes, beside the mean and a ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import regress
from ratoon.tasks.regress import Regress
from ratoon_evaluation.worker import passes
from ratoon_evaluation.worker.answer_baselines import RIDGE
from ratoon_evaluation.worker.answer_scores import NumberScores
from ratoon_evaluation.worker.answering import AnswerEvaluator, settings_of
from ratoon_evaluation.worker.bootstrap import Floats
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.fitting import FittingProcess
from ratoon_evaluation.worker.generator import Completions
from ratoon_evaluation.worker.parts import Part, UnusablePart
from ratoon_evaluation.worker.passes import Domain, Pass
from ratoon_evaluation.worker.spec import task_of_spec

_NUMBER_TOKENS = 32
"""Tokens of a number at most, its unit included."""


def evaluator(spec: ScoringSpec, store: ArtifactStore) -> NumberEvaluator:
    """Return the evaluator of numbers."""
    return NumberEvaluator(spec, store)


class NumberEvaluator(AnswerEvaluator):
    """Scores of predicted numbers. Answers are greedy."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore) -> None:
        task = task_of_spec(spec)
        assert isinstance(task, Regress)
        self._task = task
        primary = regress.METRICS[spec.metric or regress.PRIMARY]
        super().__init__(spec, store, Decoding(_NUMBER_TOKENS), primary)

    def check(self, part: Part) -> None:
        """Raise UnusablePart if a record has no right number."""
        strange = [label for label in part.labels if regress.number(self._task, label) is None]
        if strange:
            raise UnusablePart(
                f"Part {part.digest} has {len(strange):,} records without {regress.valid_answers(self._task)}, "
                f"such as {strange[0][:50]!r}. Correct their labels, or change the range of the task."
            )

    def fit(self, folder: Path, domains: Sequence[Domain]) -> FittingProcess:
        """Start the process that fits the mean and the regression."""
        tasks = [
            {
                "kind": RIDGE,
                "texts": domain.train.texts,
                "answers": self._numbers(domain.train).tolist(),
                "test_texts": domain.test.texts,
                "low": self._task.min,
                "high": self._task.max,
            }
            for domain in domains
            if domain.train
        ]
        return FittingProcess(folder, "ratoon_evaluation.worker.answer_baselines", tasks)

    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return the passes of the candidate and of the reference."""
        return passes.of_roles(self._spec, domains, settings_of(self._decoding, compute=self._compute))

    def _scores(
        self, domain: Domain, answers: Sequence[str | float], completions: Completions | None
    ) -> NumberScores:
        texts = [each if isinstance(each, str) else regress.format_number(each) for each in answers]
        return NumberScores(self._task, self._numbers(domain.test), texts)

    def _numbers(self, part: Part) -> Floats:
        return np.array([regress.number(self._task, label) for label in part.labels], dtype=np.float64)
