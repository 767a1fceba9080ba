"""An evaluation run's way from a question to a verdict.

QUEUED → RUNNING → SUCCEEDED
                 ↘ FAILED
QUEUED, RUNNING → CANCELLING → CANCELLED
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Outcome, Rule

_DIGEST = re.compile(r"[0-9a-f]{64}")


MAX_ATTEMPTS = 5
"""Starts of a job after which the loss of its worker is final."""


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


@dataclass(frozen=True)
class Domain:
    """A population that the model must serve, stood for by a split (a resource name): its sealed test part."""

    name: str
    split: str


@dataclass(frozen=True)
class Question:
    """What is asked: which artifact, against which, on which domains, over which labels, by which gate."""

    candidate: str
    """Digest of the model artifact that is judged."""
    reference: str
    """Digest of the one in production; empty: there is none."""
    domains: tuple[Domain, ...]
    labels: tuple[str, ...]
    rules: tuple[Rule, ...]
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the scoring is: fraction 0..1, a sentence, done of total units, seconds left (0: unknown)."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
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


class Phase(StrEnum):
    """What can be seen of the scoring job."""

    ABSENT = "ABSENT"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"


@dataclass(frozen=True)
class Observation:
    """The scoring job as it is now."""

    phase: Phase
    progress: Progress = Progress()
    scored: Scored | None = None
    reason: str = ""
    message: str = ""


class Action(StrEnum):
    """What a step asks for."""

    START = "START"
    """Open the test parts, which is logged, and start the scoring."""
    RESTART = "RESTART"
    STOP = "STOP"


@dataclass(frozen=True)
class Started:
    """Scoring has begun."""


@dataclass(frozen=True)
class Completed:
    """There is a verdict."""

    passed: bool


@dataclass(frozen=True)
class Failed:
    """There is none, because of a fault."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody called it off."""


Event = Started | Completed | Failed | Cancelled


@dataclass(frozen=True)
class Transition:
    """What follows from an observation."""

    run: EvaluationRun
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


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
    if (
        len(question.labels) < 2
        or len(set(question.labels)) < len(question.labels)
        or not all(question.labels)
    ):
        raise BadEvaluation("Name at least two labels, none empty and none twice.", "labels")
    if strange := {rule.domain for rule in question.rules} - set(names):
        raise BadEvaluation(f"The gate names unknown domains: {', '.join(sorted(strange))}.", "gate")
    return question


def step(run: EvaluationRun, seen: Observation) -> Transition:
    """The next state of a run, what to do and what to tell."""
    if run.state.ended:
        return Transition(run)
    if run.cancel_requested:
        return _cancelling(run, seen)
    if seen.phase is Phase.SUCCEEDED and seen.scored is not None:
        return _succeeded(run, seen.scored)
    if seen.phase is Phase.FAILED:
        return fail(run, seen.reason, seen.message)
    running = replace(run, state=State.RUNNING, progress=seen.progress)
    started = (Started(),) if run.state is State.QUEUED else ()
    if seen.phase is Phase.RUNNING:
        return Transition(running, events=started)
    if seen.phase is Phase.LOST:
        if run.attempts >= MAX_ATTEMPTS:
            message = f"The worker was lost {run.attempts} times. {seen.message}".strip()
            return fail(run, seen.reason or "WORKER_LOST", message)
        return Transition(replace(running, attempts=run.attempts + 1), (Action.RESTART,), started)
    return Transition(replace(running, attempts=max(1, run.attempts)), (Action.START,), started)


def fail(run: EvaluationRun, reason: str, message: str) -> Transition:
    """The run as one that a fault ended."""
    failed = replace(run, state=State.FAILED, failure_reason=reason, failure_message=message)
    return Transition(failed, events=(Failed(reason),))


def _succeeded(run: EvaluationRun, scored: Scored) -> Transition:
    verdict = scored.outcome.verdict
    progress = Progress(1.0, verdict.sentence)
    done = replace(run, state=State.SUCCEEDED, progress=progress, scored=scored)
    return Transition(done, events=(Completed(verdict.passed),))


def _cancelling(run: EvaluationRun, seen: Observation) -> Transition:
    if seen.phase is Phase.RUNNING:
        return Transition(replace(run, state=State.CANCELLING), (Action.STOP,))
    return Transition(replace(run, state=State.CANCELLED), events=(Cancelled(),))
