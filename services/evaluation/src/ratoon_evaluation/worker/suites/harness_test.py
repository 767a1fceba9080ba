"""Tests by tasks of lm-evaluation-harness: choices by their log-likelihood, and generated texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.domain.harness import HarnessTask, Output
from ratoon_evaluation.domain.scores import TestScores
from ratoon_evaluation.domain.suites import HarnessTest
from ratoon_evaluation.harness_yaml import read_yaml
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.suites.harness_documents import TaskDocuments
from ratoon_evaluation.worker.suites.harness_scores import (
    DocumentScore,
    likeliest,
    of_choices,
    of_text,
    references_of,
    right_answers,
)
from ratoon_evaluation.worker.suites.likelihood import LikelihoodScorer
from ratoon_evaluation.worker.suites.raw_generator import RawGenerator
from ratoon_evaluation.worker.suites.tests import (
    Advance,
    Model,
    of_documents,
    read_answers,
    settings_of,
    write_answers,
)
from ratoon_evaluation.worker.suites.wrong_answers import WrongRow, write_wrong

_TEXTS = pa.map_(pa.string(), pa.string())
_NUMBERS = pa.map_(pa.string(), pa.float64())


class TaskOfHarness:
    """A test by a task of lm-evaluation-harness."""

    def __init__(
        self, test: HarnessTest, metric: str, store: ArtifactStore, how: Resampling, compute: str
    ) -> None:
        """`metric` sums the test up: a document whose value is below 1 is answered wrongly."""
        self._task, self._store, self._how = read_yaml(test.yaml), store, how
        self._metric = metric or next(iter(self._task.metric_names))
        seed = how.seed if self._task.sampling.temperature else 0
        self.settings = settings_of("harness", asdict(test), seed, compute)
        documents = TaskDocuments(test, self._task, store)
        self._contexts, self._targets = documents.contexts(), documents.targets()
        self._choices = documents.choices()
        self._several = isinstance(self._targets[0], list | tuple)
        self._answers: dict[str, Sequence[str]] = {}
        self._scores: dict[str, list[DocumentScore]] = {}

    @property
    def count(self) -> int:
        """Number of prompts for each model; each choice is one."""
        by_choice = self._task.output is Output.MULTIPLE_CHOICE
        return sum(map(len, self._choices)) if by_choice else len(self._contexts)

    def restore(self, role: str, answers: str) -> bool:
        """Take over answers that an earlier job stored."""
        table = read_answers(self._store, answers, self.settings)
        if table is None or table.num_rows != len(self._contexts):
            return False
        rows = table.to_pylist()
        self._answers[role] = [row["answer"] for row in rows]
        self._scores[role] = [_score(row) for row in rows]
        return True

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer."""
        if self._task.output is Output.MULTIPLE_CHOICE:
            self._choose(role, model, advance)
        else:
            self._write(role, model, advance)

    def scores(self) -> TestScores:
        """Return what was measured."""
        values = {role: by_metric(self._task, scores) for role, scores in self._scores.items()}
        unanswered = sum(not score.is_answered for score in self._scores[CANDIDATE])
        measured = of_documents(
            values, self._how, {role: self._stored(role) for role in self._scores}, unanswered
        )
        rows = self._wrong()
        return replace(measured, wrong=write_wrong(self._store, rows), wrong_count=len(rows))

    def _wrong(self) -> list[WrongRow]:
        """Return the documents that the candidate answers wrongly."""
        return [
            self._wrong_row(place)
            for place, score in enumerate(self._scores[CANDIDATE])
            if score.metrics[self._metric] < 1
        ]

    def _wrong_row(self, place: int) -> WrongRow:
        right = right_answers(self._targets[place], self._choices[place], self._several)
        return WrongRow(
            str(place),
            self._contexts[place],
            self._answered(CANDIDATE, place),
            next(iter(right), ""),
            tuple(right) if len(right) > 1 else (),
            self._answered(REFERENCE, place) if REFERENCE in self._scores else None,
            self._scores[CANDIDATE][place].metrics[self._metric],
        )

    def _answered(self, role: str, place: int) -> str:
        """Return the text that a model wrote, or its choice by the metric of the test."""
        if self._task.output is not Output.MULTIPLE_CHOICE:
            return self._answers[role][place]
        choices = self._choices[place]
        return choices[likeliest(self._metric, self._scores[role][place].likelihoods, choices)]

    def _choose(self, role: str, model: Model, advance: Advance) -> None:
        delimiter = self._task.format.target_delimiter
        pairs = [
            (context, f"{delimiter}{choice}")
            for context, choices in zip(self._contexts, self._choices, strict=True)
            for choice in choices
        ]
        values = iter([each.value for each in LikelihoodScorer(model.plain()).score(pairs, advance)])
        scores = [
            of_choices(self._task, [next(values) for _ in choices], choices, target)
            for choices, target in zip(self._choices, self._targets, strict=True)
        ]
        self._scores[role], self._answers[role] = scores, [score.extracted[""] for score in scores]

    def _write(self, role: str, model: Model, advance: Advance) -> None:
        sampling = self._task.sampling
        decoding = Decoding(
            sampling.max_tokens,
            sampling.temperature,
            sampling.top_p,
            sampling.top_k,
            sampling.min_p,
            sampling.repetition_penalty,
            sampling.until,
            self._how.seed,
        )
        answers = RawGenerator(model.plain(), decoding).continued(self._contexts, advance).texts
        self._answers[role] = answers
        self._scores[role] = [
            of_text(self._task, answer, references_of(target, choices, self._several))
            for answer, choices, target in zip(answers, self._choices, self._targets, strict=True)
        ]

    def _stored(self, role: str) -> str:
        """Store the answers of a model: as they are, what was extracted, log-likelihoods of choices, metrics."""
        scores = self._scores[role]
        columns = {
            "document": pa.array(range(len(scores)), pa.int32()),
            "answer": pa.array(self._answers[role], pa.string()),
            "extracted": pa.array([list(score.extracted.items()) for score in scores], _TEXTS),
            "log_likelihoods": pa.array(
                [list(score.likelihoods) for score in scores], pa.list_(pa.float64())
            ),
            "metrics": pa.array([list(score.metrics.items()) for score in scores], _NUMBERS),
        }
        columns["is_answered"] = pa.array([score.is_answered for score in scores], pa.bool_())
        return write_answers(self._store, columns, self.settings)


def _score(row: Mapping[str, Any]) -> DocumentScore:
    """Return the score of a document as it was stored."""
    return DocumentScore(
        dict(row["metrics"]),
        dict(row["extracted"]),
        tuple(row["log_likelihoods"]),
        is_answered=row["is_answered"],
    )


def by_metric(task: HarnessTask, scores: Sequence[DocumentScore]) -> Mapping[str, Sequence[float]]:
    """Return the values of each metric, one a document."""
    return {name: [score.metrics[name] for score in scores] for name in task.metric_names}
