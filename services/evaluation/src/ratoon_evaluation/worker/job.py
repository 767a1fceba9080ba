"""One evaluation job: fetch, score, compare, apply the gate, report. It knows neither its caller nor what
follows.

Reads a `ScoringSpec` and writes a `ScoringResult`. A domain without a training part has no baselines.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringOutcome, ScoringResult, ScoringSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import fetch_model
from ratoon_evaluation.domain.costs import AnswerCost
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, judge
from ratoon_evaluation.domain.kinds.generate import BASELINE_TITLES
from ratoon_evaluation.domain.scores import CLASSICAL, Measurements
from ratoon_evaluation.worker import cards, report
from ratoon_evaluation.worker.answer_baselines import SECONDS
from ratoon_evaluation.worker.baselines import FittedBaselines
from ratoon_evaluation.worker.costing import Costing, Stopwatch, stored_costs
from ratoon_evaluation.worker.judges.judging_job import JudgingJob
from ratoon_evaluation.worker.judges.people import People
from ratoon_evaluation.worker.kinds.table import KINDS, Evaluator
from ratoon_evaluation.worker.models import check_device
from ratoon_evaluation.worker.parts import read_part
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain, Pass, roles
from ratoon_evaluation.worker.spec import compute_of_spec, read_spec, task_of_spec
from ratoon_evaluation.worker.suites.suite_job import SuiteJob

JSON = dict[str, Any]
Key = tuple[str, str, str]
"""What answers depend on: model, test part, settings."""


class Stopped(Exception):
    """A caller requested the job to stop."""

    reason = "CANCELLED"


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job.

    Raises Stopped, AcceleratorMissing, UnusablePart, BadChatTemplate, BaselinesFailed or an artifact store's error.
    """
    spec = read_spec(raw_spec)
    check_device(compute_of_spec(spec))
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    evaluator = KINDS[task_of_spec(spec).kind].evaluator(spec, store)
    domains = [_domain(store, each, evaluator) for each in spec.domains]
    suites = SuiteJob(spec, evaluator, store)
    fitting = evaluator.fit(job.path / "baselines", domains)
    try:
        models = _models(spec, job, store, evaluator, domains, suites)
        fitted = evaluator.fitted(fitting, domains)
    finally:
        fitting.stop()
        shutil.rmtree(job.path / "models", ignore_errors=True)
    judging, people = JudgingJob(spec, store, job.path), People(spec)
    texts = {domain.name: (domain, models.texts(domain)) for domain in domains} if spec.judges else {}
    judging.ask(texts, _ProgressReporter(job, judging.count(texts), _JUDGING, 0.95, "prompts"))
    job.progress(0.95, "Computing scores and intervals")
    scores = [
        people.added_to(evaluator.measure(domain, models.answers_to(domain), known), domain)
        for domain, known in zip(domains, fitted, strict=True)
    ]
    costing = Costing(spec)
    scores = [
        costing.added_to(each, models.costs_of(domain), _seconds(known))
        for each, domain, known in zip(scores, domains, fitted, strict=True)
    ]
    candidate, task = models.cards[CANDIDATE], task_of_spec(spec)
    scores = [replace(each, notes=report.notes_of(each, candidate, task, spec.metric)) for each in scores]
    if texts:
        scores = [judging.added_to(each, *texts[each.domain]) for each in scores]
    measured = Measurements(tuple(scores), suites.scores())
    return to_json(_concluded(spec, store, {**models.cards, **_baseline_cards(fitted)}, measured))


@dataclass(frozen=True)
class _Models:
    """Answers of all passes, and the description of each model that is compared, by role."""

    passes: Sequence[Pass]
    answers: Mapping[Key, Any]
    cards: Mapping[str, cards.Card]
    costs: Mapping[Key, AnswerCost]
    """Time of the answers, without a price."""

    def costs_of(self, domain: Domain) -> dict[str, AnswerCost]:
        """Return the time of the answers to a test part by answerer."""
        own = [each for each in self.passes if each.domain is domain and each.key in self.costs]
        return {each.answerer: self.costs[each.key] for each in own}

    def answers_to(self, domain: Domain) -> dict[str, Any]:
        """Return the answers to a test part by answerer."""
        return {each.answerer: self.answers[each.key] for each in self.passes if each.domain is domain}

    def texts(self, domain: Domain) -> dict[str, Sequence[str]]:
        """Return the answers of the models that are compared, by role."""
        answers = self.answers_to(domain)
        return {role: answers[role].texts for role in (CANDIDATE, REFERENCE) if role in answers}


def _baseline_cards(fitted: Sequence[Any]) -> dict[str, cards.Card]:
    """Return the description of the best classical model of the first domain that has one."""
    known = [each.card for each in fitted if isinstance(each, FittedBaselines) and each.card]
    return {CLASSICAL: cards.of_baseline(known[0])} if known else {}


def _seconds(fitted: FittedBaselines | Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the processor time of the answers of fitted baselines, by name."""
    if isinstance(fitted, FittedBaselines):
        return fitted.seconds
    known: Mapping[str, float] = (fitted or {}).get(SECONDS, {})
    return known


def _domain(store: ArtifactStore, spec: ScoringSpec.Domain, evaluator: Evaluator) -> Domain:
    digests = [digest for digest in (spec.test, spec.train) if digest]
    parts = [read_part(store, digest, spec.group_attribute) for digest in digests]
    for part in parts:
        evaluator.check(part)
    return Domain(spec.name, parts[0], parts[1] if spec.train else None)


def _models(
    spec: ScoringSpec,
    job: JobFolder,
    store: ArtifactStore,
    evaluator: Evaluator,
    domains: Sequence[Domain],
    suites: SuiteJob,
) -> _Models:
    passes = evaluator.passes(domains)
    answers = _stored_answers(spec, evaluator, passes)
    costs = stored_costs(spec)
    unknown = {each.key: each for each in passes if each.key not in answers}
    total = sum(len(each.domain.test) for each in unknown.values()) + suites.count
    reporter = _ProgressReporter(job, total, 0.0, _JUDGING if spec.judges else 0.95, "answers")
    described = {}
    for role, digest in _in_turn(spec, passes).items():
        reporter.report(f"Loading the {role}")
        folder = fetch_model(store, digest, job.path / "models")
        if role in roles(spec):
            described[role] = cards.read_card(folder, digest)
        missing = [each for each in unknown.values() if each.model == digest and each.key not in answers]
        model = evaluator.load(folder) if missing else None
        for each in missing:
            answerer = BASELINE_TITLES.get(each.answerer, f"the {each.answerer}")
            advance = reporter.advancing(f"Scoring {answerer} on the domain {each.domain.name}")
            measuring = Stopwatch(compute_of_spec(spec), spec.generation.engine)
            answers[each.key] = evaluator.answer(model, each, advance)
            if (cost := measuring.cost(len(each.domain.test))) is not None:
                costs[each.key] = cost
        model = None
        if role in roles(spec):
            suites.answer(role, folder, reporter)
    return _Models(passes, answers, described, costs)


def _in_turn(spec: ScoringSpec, passes: Sequence[Pass]) -> dict[str, str]:
    """Return the digests of the models to load, by role: those that are compared, then the base model."""
    compared = roles(spec)
    needed = {each.model for each in passes}
    return compared | ({"base model": spec.base} if spec.base in needed - set(compared.values()) else {})


def _stored_answers(spec: ScoringSpec, evaluator: Evaluator, passes: Sequence[Pass]) -> dict[Key, Any]:
    """Return the answers that an earlier evaluation stored."""
    stored = {}
    for each in passes:
        for known in spec.stored_answers:
            if (known.model, known.test, known.answer_settings) == each.key:
                stored[each.key] = evaluator.stored(each, known.predictions)
    return {key: answers for key, answers in stored.items() if answers is not None}


def _concluded(
    spec: ScoringSpec, store: ArtifactStore, described: Mapping[str, cards.Card], measured: Measurements
) -> ScoringResult:
    rules = [
        Rule(RuleKind(rule.kind), rule.domain, rule.threshold, rule.metric, rule.baseline)
        for rule in spec.rules
    ]
    task = task_of_spec(spec)
    outcome = Outcome(measured, judge(rules, measured, task, spec.metric))
    content = report.Content(
        spec.title or "Evaluation",
        described,
        outcome,
        task,
        spec.metric,
        _generation(spec),
        spec.candidate_note,
    )
    return ScoringResult(
        report_json=store.put_bytes(report.as_json(content)),
        report_html=store.put_bytes(report.as_html(content).encode()),
        evaluation=from_json(ScoringOutcome, asdict(outcome)),
    )


def _generation(spec: ScoringSpec) -> dict[str, object]:
    """Return the settings of generated answers by name; none if the task does not generate."""
    if not spec.HasField("generation"):
        return {}
    sampling = {field.name: value for field, value in spec.generation.sampling.ListFields()}
    shots = {"few_shot": spec.few_shot} if spec.base else {}
    return {**sampling, "seed": spec.generation.seed, "engine": spec.generation.engine.lower(), **shots}


_JUDGING = 0.6
"""Fraction of a job with judges at which they are asked."""


class _ProgressReporter:
    """Report progress over all models and domains with the remaining time, and raise Stopped on a stop request."""

    def __init__(self, job: JobFolder, total: int, start: float, end: float, unit: str) -> None:
        """The fraction of the job grows from `start` to `end`; `unit` is what is counted."""
        self._job, self._total = job, total
        self._start, self._share, self._unit = start, end - start, unit
        self._done, self._before = 0, 0
        self._started = time.monotonic()

    def report(self, message: str) -> None:
        self._report(self._done, message)

    def advancing(self, message: str) -> Callable[[int], None]:
        """Report the beginning of a pass; return a callback that gets the number of texts of the pass that are done."""
        before = self._done
        self._report(before, message)

        def advance(done: int) -> None:
            self._done = before + done
            self._report(self._done, message)

        return advance

    def _report(self, done: int, message: str) -> None:
        if self._job.stop_requested():
            raise Stopped("The evaluation was cancelled.")
        elapsed = time.monotonic() - self._started
        self._job.progress(
            self._start + self._share * (done / self._total if self._total else 1.0),
            message,
            done=done,
            total=self._total,
            unit=self._unit,
            remaining_s=elapsed * (self._total - done) / done if done else None,
        )
