"""An evaluation run's way from a question to a verdict.

QUEUED → RUNNING → SUCCEEDED
                 ↘ FAILED
QUEUED, RUNNING → CANCELLING → CANCELLED
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from ratoon.operations.job_machine import Failure, JobObservation, Transition
from ratoon.operations.job_machine import Progress as JobProgress
from ratoon.operations.job_machine import step as job_step
from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import SCORING_ACCELERATORS, Compute, check_compute
from ratoon.tasks.judges import Requirements
from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import BOUNDS, Outcome, Rule, RuleKind
from ratoon_evaluation.domain.generation import FEW_SHOT, MAX_FEW_SHOT, Generation
from ratoon_evaluation.domain.human import HumanRatings
from ratoon_evaluation.domain.judges import AppliedJudge
from ratoon_evaluation.domain.kinds.table import kind_of
from ratoon_evaluation.domain.suites import AppliedSuite, is_suite_metric, suite_metric

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_NAME_CHARS = 64
_MAX_NOTE_CHARS = 2_000


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def without_result(self) -> bool:
        """Return True if the run ended without a result."""
        return self in (State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Domain:
    """A population that the model must serve, stood for by a split (a resource name): its sealed test part."""

    name: str
    split: str


@dataclass(frozen=True)
class Question:
    """What a run evaluates: which artifact, against which, on which domains, for which task, by which gate."""

    candidate: str
    """Digest of the model artifact to evaluate."""
    reference: str
    """Digest of the one in production; empty: there is none."""
    domains: tuple[Domain, ...]
    labels: tuple[str, ...]
    """Labels of a task `classify`."""
    rules: tuple[Rule, ...]
    seed: int = 0
    task: TaskSpec | None = None
    """None in a run of an older release, which classifies with `labels`; `spec` is the task of any run."""
    metric: str = ""
    """Primary metric, which rules without a metric compare; empty: that of the kind of task."""
    base: str = ""
    """Digest of the base model, for baselines; empty: they are not scored."""
    few_shot: int = FEW_SHOT
    """Examples of the baseline `few_shot`; 0: it is not scored."""
    generation: Generation | None = None
    """How answers are generated; None: the task does not generate."""
    suites: tuple[AppliedSuite, ...] = ()
    """Suites to apply in addition to the domains, as they were when the run was created."""
    compute: Compute = Compute()
    """Device and number format of the models."""
    judges: tuple[AppliedJudge, ...] = ()
    """Judges of the answers, as they were when the run was created."""
    judge_requirements: Requirements = Requirements()
    human: HumanRatings | None = None
    """Human ratings to take in; None: none."""
    candidate_note: str = ""
    """Sentence that says why this candidate is evaluated."""

    @property
    def spec(self) -> TaskSpec:
        """Return the task."""
        return self.task or Classify(self.labels)


@dataclass(frozen=True)
class Progress(JobProgress):
    """Progress of the scoring, with its remaining time in seconds (0: unknown)."""

    remaining_s: float = 0.0


@dataclass(frozen=True)
class Scored:
    """What scoring found, and the digests of its report."""

    outcome: Outcome
    report_json: str = field(metadata={"artifact": True})
    report_html: str = field(metadata={"artifact": True})


@dataclass(frozen=True)
class EvaluationRun:
    """One evaluation of a candidate."""

    name: str
    create_time: datetime
    update_time: datetime
    question: Question
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure_reason: str = ""
    failure_message: str = ""
    scored: Scored | None = None
    attempts: int = 0
    """Times that the job was started."""
    cancel_requested: bool = False
    revision: int = 0

    def with_failure(self, failure: Failure) -> Self:
        """Return the run with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class Started:
    """Scoring has begun."""


@dataclass(frozen=True)
class Completed:
    """There is a verdict."""

    passed: bool


def checked(question: Question) -> Question:
    """The question, if it makes sense; raises BadEvaluation with the field that does not."""
    names = [domain.name for domain in question.domains]
    if not _DIGEST.fullmatch(question.candidate):
        raise BadEvaluation("candidate_digest must be the digest of a model artifact.", "candidate_digest")
    if question.reference and not _DIGEST.fullmatch(question.reference):
        raise BadEvaluation(
            "reference_digest must be empty or the digest of a model artifact.", "reference_digest"
        )
    if not names or len(set(names)) < len(names) or not all(names):
        raise BadEvaluation("Name at least one domain, each with its own name.", "domains")
    kind_of(question.spec).labels(question.spec)
    _check_suite_rules(question)
    of_domains = [rule for rule in question.rules if not is_suite_metric(rule.metric)]
    if strange := {rule.domain for rule in of_domains} - set(names):
        raise BadEvaluation(f"The gate names unknown domains: {', '.join(sorted(strange))}.", "gate")
    if len(question.candidate_note) > _MAX_NOTE_CHARS:
        raise BadEvaluation(
            f"candidate_note has {len(question.candidate_note):,} characters; at most {_MAX_NOTE_CHARS:,}.",
            "candidate_note",
        )
    check_compute(question.compute, "compute", SCORING_ACCELERATORS)
    _check_primary(question)
    _check_base(question)
    return question


def check_metrics(rules: Sequence[Rule], known: Sequence[str], compared: Sequence[str] = ()) -> None:
    """Raise BadEvaluation unless bounds name one of the known metrics, and comparisons none or a compared one.

    Rules on suites are not looked at: `checked` does that.
    """
    for rule in rules:
        if is_suite_metric(rule.metric):
            continue
        if rule.kind in BOUNDS and rule.metric not in known:
            raise BadEvaluation(f"A rule {rule.kind} needs one of the metrics {', '.join(known)}.", "gate")
        if rule.kind not in BOUNDS and rule.metric and rule.metric not in compared:
            raise BadEvaluation(
                f"A rule {rule.kind} cannot compare {rule.metric[:_MAX_NAME_CHARS]!r}: leave its metric empty"
                + (f", or name one of {', '.join(compared)}." if compared else "."),
                "gate",
            )


def check_baselines(rules: Sequence[Rule], known: Collection[str]) -> None:
    """Raise BadEvaluation if a rule names a baseline that is not known, or does not compare with one by name."""
    for rule in rules:
        if rule.baseline and rule.kind is not RuleKind.BEATS_MAJORITY:
            raise BadEvaluation(f"A rule {rule.kind} takes no baseline: leave it empty.", "gate")
        if rule.baseline and rule.baseline not in known:
            raise BadEvaluation(
                f"{rule.baseline[:_MAX_NAME_CHARS]!r} is not one of the baselines {', '.join(known)}.", "gate"
            )


def _check_suite_rules(question: Question) -> None:
    """Raise BadEvaluation if a rule names a suite or a test that the run does not have, or does more than bound it."""
    suites = {suite.id: suite for suite in question.suites}
    for rule in question.rules:
        if not is_suite_metric(rule.metric):
            continue
        named = suite_metric(rule.metric, suites)
        if named is None:
            raise BadEvaluation(
                f"{rule.metric[:_MAX_NAME_CHARS]!r} is no metric of the suites of the run: write suite:NAME.metric or "
                f"suite:NAME/TEST.metric, where NAME is one of {', '.join(suites) or 'suites (there are none)'}.",
                "gate",
            )
        tests = [test.name for test in suites[named.suite].tests]
        if named.test and named.test not in tests:
            raise BadEvaluation(
                f"The suite {named.suite} has the tests {', '.join(tests)[:500]}, not {named.test[:63]!r}.",
                "gate",
            )
        if rule.kind not in BOUNDS:
            raise BadEvaluation(
                f"A rule {rule.kind} does not compare suites: use {' or '.join(BOUNDS)}.", "gate"
            )
        if rule.domain:
            raise BadEvaluation(
                f"The rule on {rule.metric[:_MAX_NAME_CHARS]} takes no domain: leave it empty.", "gate"
            )


def _check_primary(question: Question) -> None:
    known = kind_of(question.spec).compared_metrics(question.spec)
    if question.metric and question.metric not in known:
        raise BadEvaluation(
            f"metric must be empty or one of {', '.join(known)}, not {question.metric[:_MAX_NAME_CHARS]!r}.",
            "metric",
        )


def _check_base(question: Question) -> None:
    if question.base and not kind_of(question.spec).BASE_BASELINES:
        raise BadEvaluation("base_digest is for tasks of the kind `generate`: leave it out.", "base_digest")
    if question.base and not _DIGEST.fullmatch(question.base):
        raise BadEvaluation("base_digest must be empty or the digest of a model artifact.", "base_digest")
    if not 0 <= question.few_shot <= MAX_FEW_SHOT:
        raise BadEvaluation(f"few_shot must be 0 to {MAX_FEW_SHOT}, not {question.few_shot}.", "few_shot")


def step(run: EvaluationRun, observation: JobObservation[Scored], now: datetime) -> Transition[EvaluationRun]:
    """Return what follows from an observation of the scoring job."""
    transition = job_step(run, observation, now, _succeeded)
    if run.state is State.QUEUED and transition.resource.state is State.RUNNING:
        return replace(transition, events=(Started(), *transition.events))
    return transition


def _succeeded(run: EvaluationRun, scored: Scored) -> tuple[EvaluationRun, Completed]:
    verdict = scored.outcome.verdict
    progress = Progress(1.0, verdict.sentence)
    done = replace(run, state=State.SUCCEEDED, progress=progress, scored=scored)
    return done, Completed(verdict.passed)
