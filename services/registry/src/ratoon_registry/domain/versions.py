"""A model version's way from an artifact to something that counts: verified, recorded, signed.

QUEUED → VERIFYING → READY
                   ↘ FAILED
QUEUED, VERIFYING → CANCELLING → CANCELLED
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from ratoon.operations.job_machine import Failure, JobObservation, Progress, Transition
from ratoon.operations.job_machine import step as job_step
from ratoon.tasks.compute import Compute, Dtype
from ratoon_registry.domain.generation import Generation, PromptLimits


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

    @property
    def without_result(self) -> bool:
        """Return True if the verification ended without a result."""
        return self in (State.FAILED, State.CANCELLED)


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
    derived_from: str = ""
    """The version of which this one is another form."""


@dataclass(frozen=True)
class Verified:
    """Result of a verification: the artifact with its card, the signature, golden prompts (digests), and its size.

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
    parity_digest: str = ""
    """Signed parity certificate."""


@dataclass(frozen=True)
class TrainingUsage:
    """Energy of a training in watt-hours, where the number comes from, hours of one worker, and the cost."""

    energy_wh: float = 0.0
    energy_basis: str = ""
    device_hours: float = 0.0
    cost: float = 0.0
    currency: str = ""


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
    compute: Compute = Compute()
    """Device of the verification, and a number format that it records beside float32."""
    serving_dtypes: tuple[Dtype, ...] = ()
    """Further number formats that it records."""
    reference_digest: str = ""
    """Artifact of the version of which this one is another form."""
    parity_digest: str = ""
    """Signed parity certificate."""
    training_usage: TrainingUsage = TrainingUsage()

    def with_failure(self, failure: Failure) -> Self:
        """Return the version with this failure."""
        return replace(self, failure_reason=failure.reason, failure_message=failure.message)


@dataclass(frozen=True)
class Registered:
    """The version counts from now on."""

    artifact_digest: str


def step(
    version: ModelVersion, observation: JobObservation[Verified], now: datetime
) -> Transition[ModelVersion]:
    """Return what follows from an observation of the verification job."""
    return job_step(version, observation, now, _ready, State.VERIFYING)


def _ready(version: ModelVersion, result: Verified) -> tuple[ModelVersion, Registered]:
    ready = replace(
        version,
        state=State.READY,
        progress=Progress(1.0, f"Verified, recorded and signed. {result.notice}".strip()),
        artifact_digest=result.artifact_digest,
        signature_digest=result.signature_digest,
        golden_digest=result.golden_digest,
        parameter_count=result.parameter_count,
        size_bytes=result.size_bytes,
        base_artifact_digest=result.base_artifact_digest,
        base_signature_digest=result.base_signature_digest,
        generation=result.generation,
        prompt=result.prompt,
        parity_digest=result.parity_digest,
    )
    return ready, Registered(result.artifact_digest)
