"""A model version's way from an artifact to something that counts: verified, recorded, signed.

QUEUED → VERIFYING → READY
                   ↘ FAILED
QUEUED, VERIFYING → CANCELLING → CANCELLED
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon_registry.domain.generation import Generation, PromptLimits

MAX_ATTEMPTS = 5
"""Starts of a job after which the loss of its worker is final."""


class State(StrEnum):
    """Where a version stands."""

    QUEUED = "QUEUED"
    VERIFYING = "VERIFYING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self in (State.READY, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Lineage:
    """The names of what a version came from; empty where there is none."""

    dataset_version: str = ""
    split: str = ""
    label_set: str = ""
    training_run: str = ""
    evaluation_run: str = ""
    pipeline_run: str = ""
    parent_version: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the verification is: fraction 0..1 and a sentence."""

    fraction: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Verified:
    """What verification made: the artifact with its card, the signature, golden prompts (digests), and its size.

    For an adapter also the base model that it goes with, and the signature over that; empty for a whole model. Further
    what the artifact states about answers and prompts.
    """

    artifact_digest: str
    signature_digest: str
    golden_digest: str
    parameter_count: int
    size_bytes: int
    base_artifact_digest: str = ""
    base_signature_digest: str = ""
    generation: Generation = Generation()
    prompt: PromptLimits = PromptLimits()
    notice: str = ""
    """Which files of the artifact were left out."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model. Digests are sha256 in hex; sizes in bytes."""

    name: str
    create_time: datetime
    update_time: datetime
    artifact_digest: str
    golden_source_digest: str
    lineage: Lineage = Lineage()
    changelog: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure_reason: str = ""
    failure_message: str = ""
    signature_digest: str = ""
    golden_digest: str = ""
    parameter_count: int = 0
    size_bytes: int = 0
    base_artifact_digest: str = ""
    base_signature_digest: str = ""
    attempts: int = 0
    """Times that the job was started."""
    cancel_requested: bool = False
    revision: int = 0
    generation: Generation = Generation()
    prompt: PromptLimits = PromptLimits()


class Phase(StrEnum):
    """What can be seen of the verification job."""

    ABSENT = "ABSENT"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"


@dataclass(frozen=True)
class Observation:
    """The verification job as it is now."""

    phase: Phase
    progress: Progress = Progress()
    verified: Verified | None = None
    reason: str = ""
    message: str = ""


class Action(StrEnum):
    """What a step asks for."""

    START = "START"
    RESTART = "RESTART"
    STOP = "STOP"


@dataclass(frozen=True)
class Registered:
    """The version counts from now on."""

    artifact_digest: str


@dataclass(frozen=True)
class Failed:
    """The version did not pass verification."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody called it off."""


Event = Registered | Failed | Cancelled


@dataclass(frozen=True)
class Transition:
    """What follows from an observation."""

    version: ModelVersion
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def step(version: ModelVersion, seen: Observation) -> Transition:
    """The next state of a version, what to do and what to tell."""
    if version.state.ended:
        return Transition(version)
    if version.cancel_requested:
        return _cancelling(version, seen)
    if seen.phase is Phase.SUCCEEDED and seen.verified is not None:
        return _ready(version, seen.verified)
    if seen.phase is Phase.FAILED:
        return fail(version, seen.reason, seen.message)
    verifying = replace(version, state=State.VERIFYING, progress=seen.progress)
    if seen.phase is Phase.RUNNING:
        return Transition(verifying)
    if seen.phase is Phase.LOST:
        if version.attempts >= MAX_ATTEMPTS:
            message = f"The worker was lost {version.attempts} times. {seen.message}".strip()
            return fail(version, seen.reason or "WORKER_LOST", message)
        return Transition(replace(verifying, attempts=version.attempts + 1), (Action.RESTART,))
    return Transition(replace(verifying, attempts=max(1, version.attempts)), (Action.START,))


def fail(version: ModelVersion, reason: str, message: str) -> Transition:
    """The version as one that did not pass."""
    failed = replace(version, state=State.FAILED, failure_reason=reason, failure_message=message)
    return Transition(failed, events=(Failed(reason),))


def _ready(version: ModelVersion, made: Verified) -> Transition:
    ready = replace(
        version,
        state=State.READY,
        progress=Progress(1.0, f"Verified, recorded and signed. {made.notice}".strip()),
        artifact_digest=made.artifact_digest,
        signature_digest=made.signature_digest,
        golden_digest=made.golden_digest,
        parameter_count=made.parameter_count,
        size_bytes=made.size_bytes,
        base_artifact_digest=made.base_artifact_digest,
        base_signature_digest=made.base_signature_digest,
        generation=made.generation,
        prompt=made.prompt,
    )
    return Transition(ready, events=(Registered(made.artifact_digest),))


def _cancelling(version: ModelVersion, seen: Observation) -> Transition:
    if seen.phase is Phase.RUNNING:
        return Transition(replace(version, state=State.CANCELLING), (Action.STOP,))
    return Transition(replace(version, state=State.CANCELLED), events=(Cancelled(),))
