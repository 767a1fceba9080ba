"""Several labels a record: a model lists them, and each is right or wrong by itself.

An answer that is no list of labels of the task has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import classify
from ratoon.tasks.classify import Classify
from ratoon_evaluation.domain.kinds.classify import ClassScore
from ratoon_evaluation.domain.scores import DomainScores, Scores, SliceScore
from ratoon_evaluation.worker import passes
from ratoon_evaluation.worker.answer_baselines import LABEL_SETS
from ratoon_evaluation.worker.answer_scores import Column, ScoresOfColumns, mean_column, ratio_of
from ratoon_evaluation.worker.answering import AnswerEvaluator, settings_of
from ratoon_evaluation.worker.bootstrap import Floats
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.fitting import FittingProcess
from ratoon_evaluation.worker.generator import Completions
from ratoon_evaluation.worker.parts import Part, UnusablePart
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain, Pass


class LabelSetScores(ScoresOfColumns):
    """Scores of answers that list labels, after scikit-learn's scores of multilabel indicators.

    Macro averages are over the labels that records bear, as for one label a record.
    """

    unmeasured: Mapping[str, str]

    def __init__(self, task: Classify, truth: Sequence[str], answers: Sequence[str]) -> None:
        parsed = [classify.parse(task, answer) for answer in answers]
        self.unanswered = sum(answer is None for answer in parsed)
        self.wrong = [answer != right for answer, right in zip(parsed, truth, strict=True)]
        self.unmeasured = {}
        right, named = _indicators(task, truth), _indicators(task, parsed)
        hits = right * named
        by_label = np.hstack([hits, right, named])
        totals = np.stack([2 * hits.sum(axis=1), right.sum(axis=1) + named.sum(axis=1)], axis=1)
        self.columns = {
            "macro_f1": Column(_macro(_f1), by_label),
            "micro_f1": Column(ratio_of, totals),
            "accuracy": mean_column([not wrong for wrong in self.wrong]),
            "precision": Column(_macro(_precision), by_label),
            "recall": Column(_macro(_recall), by_label),
        }
        self._labels, self._sums = task.labels, by_label.sum(axis=0)

    def classes(self) -> tuple[ClassScore, ...]:
        """Return precision, recall and F1 of each label."""
        hits, right, named = np.split(self._sums, 3)
        scores = (_precision(hits, right, named), _recall(hits, right, named), _f1(hits, right, named))
        rows = zip(self._labels, *(each.tolist() for each in scores), right.tolist(), strict=True)
        return tuple(ClassScore(label, p, r, f1, int(support)) for label, p, r, f1, support in rows)


class LabelSetEvaluator(AnswerEvaluator):
    """Scores of several labels a record. Answers are greedy."""

    def __init__(self, spec: ScoringSpec, store: ArtifactStore, task: Classify) -> None:
        self._task = task
        primary = classify.METRICS[spec.metric or classify.PRIMARY]
        super().__init__(spec, store, Decoding(classify.max_answer_tokens(task)), primary)

    def check(self, part: Part) -> None:
        """Raise UnusablePart if a record has no label, or one that is not evaluated."""
        strange = [label for label in part.labels if classify.parse(self._task, label) is None]
        if strange:
            raise UnusablePart(
                f"Part {part.digest} has {len(strange):,} records whose labels are not "
                f"{classify.valid_answers(self._task)}, such as {strange[0][:50]!r}. Add them to the labels of the run."
            )

    def fit(self, folder: Path, domains: Sequence[Domain]) -> FittingProcess:
        """Start the process that fits the baselines."""
        tasks = [
            {
                "kind": LABEL_SETS,
                "texts": domain.train.texts,
                "answers": [classify.members(label) for label in self._labels(domain.train)],
                "test_texts": domain.test.texts,
                "labels": list(self._task.labels),
            }
            for domain in domains
            if domain.train
        ]
        return FittingProcess(folder, "ratoon_evaluation.worker.answer_baselines", tasks)

    def passes(self, domains: Sequence[Domain]) -> Sequence[Pass]:
        """Return the passes of the candidate and of the reference."""
        return passes.of_roles(self._spec, domains, settings_of(self._decoding, compute=self._compute))

    def measure(
        self, domain: Domain, answers: Mapping[str, Completions], fitted: Mapping[str, Any] | None
    ) -> DomainScores:
        """Return the scores of a domain, those of each label included."""
        measured = super().measure(domain, answers, fitted)
        texts = {name: each.texts for name, each in answers.items()} | dict(fitted or {})

        def with_labels(name: str, scores: Scores) -> Scores:
            return _with_labels(scores, self._scores(domain, texts[name], None).classes())

        return replace(
            measured,
            candidate=with_labels(CANDIDATE, measured.candidate),
            reference=with_labels(REFERENCE, measured.reference) if measured.reference else None,
            baselines={name: with_labels(name, scores) for name, scores in measured.baselines.items()},
        )

    def _scores(
        self, domain: Domain, answers: Sequence[Any], completions: Completions | None
    ) -> LabelSetScores:
        return LabelSetScores(self._task, self._labels(domain.test), answers)

    def _labels(self, part: Part) -> list[str]:
        """Return the labels of each record in their canonical form."""
        return [classify.parse(self._task, label) or "" for label in part.labels]


def _indicators(task: Classify, answers: Sequence[str | None]) -> Floats:
    """Return 1 for each label that an answer names, (records, labels)."""
    place = {label: number for number, label in enumerate(task.labels)}
    named = np.zeros((len(answers), len(place)))
    for row, answer in enumerate(answers):
        named[row, [place[label] for label in classify.members(answer)]] = 1.0
    return named


def _with_labels(scores: Scores, classes: tuple[ClassScore, ...]) -> Scores:
    """Return the scores with the fields that those of labels have."""
    known = scores.metrics
    return replace(
        scores,
        accuracy=known.get("accuracy"),
        macro_f1=known.get("macro_f1"),
        precision=known["precision"].value if "precision" in known else 0.0,
        recall=known["recall"].value if "recall" in known else 0.0,
        classes=classes,
        slices=tuple(map(_slice_with_labels, scores.slices)),
    )


def _slice_with_labels(each: SliceScore) -> SliceScore:
    return replace(each, accuracy=each.metrics.get("accuracy"), macro_f1=each.metrics.get("macro_f1"))


OfLabels = Callable[[Floats, Floats, Floats], Floats]
"""A score of each label from its hits, its records, and the answers that name it."""


def _f1(hits: Floats, right: Floats, named: Floats) -> Floats:
    return np.asarray(2 * hits / np.maximum(right + named, 1))


def _precision(hits: Floats, right: Floats, named: Floats) -> Floats:
    return np.asarray(hits / np.maximum(named, 1))


def _recall(hits: Floats, right: Floats, named: Floats) -> Floats:
    return np.asarray(hits / np.maximum(right, 1))


def _macro(score: OfLabels) -> Callable[[Floats], Floats]:
    """Return the mean of a score over the labels that records bear, from sums (…, 3 × labels)."""

    def of(sums: Floats) -> Floats:
        hits, right, named = np.split(sums, 3, axis=-1)
        borne = right > 0
        values = np.where(borne, score(hits, right, named), 0.0)
        return np.asarray(values.sum(axis=-1) / np.maximum(borne.sum(axis=-1), 1))

    return of
