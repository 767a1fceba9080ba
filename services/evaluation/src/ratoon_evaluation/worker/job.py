"""One evaluation job: fetch, score, compare, apply the gate, report. It knows neither its caller nor what
follows.

Reads a `ScoringSpec` and writes a `ScoringResult`. A domain without a training part has no baselines.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringOutcome, ScoringResult, ScoringSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import fetch_model
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, judge
from ratoon_evaluation.domain.scores import DomainScores, Measurements, Scores
from ratoon_evaluation.worker import cards, report, scoring, tables
from ratoon_evaluation.worker.baselines import Baselines, FittedBaselines, Task
from ratoon_evaluation.worker.parts import Part, read_part
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.scorer import Answers, Scorer
from ratoon_evaluation.worker.spec import read_spec

JSON = dict[str, Any]

CANDIDATE, REFERENCE = "candidate", "reference"

_RESAMPLES, _CONFIDENCE = 4000, 0.95
"""Bootstrap resamples of a spec that does not state their number, and the confidence of intervals."""


class Stopped(Exception):
    """A caller requested the job to stop."""

    reason = "CANCELLED"


@dataclass(frozen=True)
class Domain:
    """A population by its test part, and the training part that baselines are fitted on."""

    name: str
    test: Part
    train: Part | None


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job; raises Stopped, UnusablePart, BaselinesFailed or an artifact store's error."""
    spec = read_spec(raw_spec)
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    labels = tuple(spec.labels)
    how = Resampling(spec.resamples or _RESAMPLES, _CONFIDENCE, spec.seed)
    domains = [_domain(store, one, labels) for one in spec.domains]
    baselines = Baselines(job.path / "baselines", [_task(domain) for domain in domains if domain.train])
    try:
        models = _models(spec, job, store, domains)
        fitted = iter(baselines.answers(labels))
        known = [next(fitted) if domain.train else None for domain in domains]
    finally:
        baselines.stop()
        shutil.rmtree(job.path / "models", ignore_errors=True)
    job.progress(0.95, "Computing scores and intervals")
    measured = Measurements(
        tuple(
            _measure(store, domain, labels, [model.answers[index] for model in models], known[index], how)
            for index, domain in enumerate(domains)
        )
    )
    return to_json(_concluded(spec, store, models, measured))


@dataclass(frozen=True)
class ScoredModel:
    """A model's answers, domain by domain, and the description in its folder."""

    role: str
    card: cards.Card
    answers: list[Answers]


def _domain(store: ArtifactStore, spec: ScoringSpec.Domain, labels: Sequence[str]) -> Domain:
    return Domain(
        spec.name,
        read_part(store, spec.test, labels),
        read_part(store, spec.train, labels) if spec.train else None,
    )


def _task(domain: Domain) -> Task:
    train = domain.train or domain.test
    return Task(train.texts, train.labels, domain.test.texts)


def _models(
    spec: ScoringSpec, job: JobFolder, store: ArtifactStore, domains: Sequence[Domain]
) -> list[ScoredModel]:
    digests = {CANDIDATE: spec.candidate, REFERENCE: spec.reference}
    roles = {role: digest for role, digest in digests.items() if digest}
    known = _stored_answers(spec, store, domains)
    sizes = {domain.test.digest: len(domain.test) for domain in domains}
    unknown = {(digest, test) for digest in roles.values() for test in sizes} - known.keys()
    reporter = _ProgressReporter(job, sum(sizes[test] for _, test in unknown))
    models = []
    for role, digest in roles.items():
        reporter.report(f"Loading the {role}")
        folder = fetch_model(store, digest, job.path / "models")
        scorer = Scorer(folder, tuple(spec.labels), spec.threads)
        card = cards.read_card(folder.path, digest, scorer.parameters)
        for domain in domains:
            if (digest, domain.test.digest) not in known:
                advance = reporter.advancing(f"Scoring the {role} on the domain {domain.name}")
                known[digest, domain.test.digest] = scorer.score(domain.test.texts, advance)
        answers = [known[digest, domain.test.digest] for domain in domains]
        models.append(ScoredModel(role, card, answers))
    return models


def _stored_answers(
    spec: ScoringSpec, store: ArtifactStore, domains: Sequence[Domain]
) -> dict[tuple[str, str], Answers]:
    """Return the answers that an earlier evaluation stored, by model and test part."""
    parts = {domain.test.digest: domain.test for domain in domains}
    stored = {
        (each.model, each.test): tables.read_predictions(
            store, each.predictions, parts[each.test], spec.labels
        )
        for each in spec.stored_answers
        if each.test in parts
    }
    return {key: answers for key, answers in stored.items() if answers is not None}


def _measure(
    store: ArtifactStore,
    domain: Domain,
    labels: Sequence[str],
    answers: Sequence[Answers],
    baselines: FittedBaselines | None,
    how: Resampling,
) -> DomainScores:
    part = domain.test
    scores = [_scores(store, part, labels, each, how) for each in answers]
    wrong, wrong_count = tables.write_wrong(store, part, labels, answers[0])
    known = baselines.answers if baselines else {}
    best = baselines.best if baselines else ""
    return DomainScores(
        domain=domain.name,
        test=part.digest,
        candidate=scores[0],
        reference=scores[1] if len(scores) > 1 else None,
        baselines={
            name: scoring.answer_scores(
                part.labels, labels, fitted.predicted, np.array(fitted.probabilities), how
            )
            for name, fitted in known.items()
        },
        difference=scoring.gain(part, labels, answers[0].predicted, answers[1].predicted, how)
        if len(answers) > 1
        else None,
        best_baseline=best,
        baseline_difference=scoring.gain(part, labels, answers[0].predicted, known[best].predicted, how)
        if best
        else None,
        wrong=wrong,
        wrong_count=wrong_count,
    )


def _scores(
    store: ArtifactStore, part: Part, labels: Sequence[str], answers: Answers, how: Resampling
) -> Scores:
    predictions = tables.write_predictions(store, part, labels, answers)
    return scoring.model_scores(part, labels, answers, how, predictions)


def _concluded(
    spec: ScoringSpec, store: ArtifactStore, models: Sequence[ScoredModel], measured: Measurements
) -> ScoringResult:
    rules = [Rule(RuleKind(rule.kind), rule.domain, rule.threshold, rule.metric) for rule in spec.rules]
    outcome = Outcome(measured, judge(rules, measured))
    described = {model.role: model.card for model in models}
    title = spec.title or "Evaluation"
    return ScoringResult(
        report_json=store.put_bytes(report.as_json(title, described, outcome)),
        report_html=store.put_bytes(report.as_html(title, described, outcome).encode()),
        evaluation=from_json(ScoringOutcome, asdict(outcome)),
    )


class _ProgressReporter:
    """Report progress over all models and domains with the remaining time, and raise Stopped on a stop request."""

    def __init__(self, job: JobFolder, total: int) -> None:
        self._job, self._total = job, total
        self._done, self._before = 0, 0
        self._started = time.monotonic()

    def report(self, message: str) -> None:
        self._report(self._done, message)

    def advancing(self, message: str) -> Callable[[int], None]:
        """Return a callback for one pass; it gets the number of texts of the pass that are done."""
        before = self._done

        def advance(done: int) -> None:
            self._done = before + done
            self._report(self._done, message)

        return advance

    def _report(self, done: int, message: str) -> None:
        if self._job.stop_requested():
            raise Stopped("The evaluation was cancelled.")
        elapsed = time.monotonic() - self._started
        self._job.progress(
            0.95 * done / self._total if self._total else 0.95,
            message,
            done=done,
            total=self._total,
            unit="answers",
            remaining_s=elapsed * (self._total - done) / done if done else None,
        )
