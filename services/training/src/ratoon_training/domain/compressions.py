"""Compressions: a model with its weights in a smaller form, measured beside its source.

    QUEUED → RUNNING → SUCCEEDED
                     ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED

`ratoon.operations.job_machine` has the transitions. A compression does not decide whether its result may replace the
source: evaluation does.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from ratoon.operations.job_machine import Failure, Progress
from ratoon.tasks.compute import Dtype
from ratoon.tasks.kinds import TaskSpec
from ratoon_training.domain.errors import BadCompression

MAX_CALIBRATION_RECORDS, MAX_QUALITY_RECORDS = 4_096, 10_000
MIN_GROUP, MAX_GROUP = 16, 1_024
USUAL_GROUP = 128
USUAL_SPARSITY = 0.5
_MAX_SEED = 2**31 - 1


class State(StrEnum):
    """State of a compression."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Return True if the compression will not change any more."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def without_result(self) -> bool:
        """Return True if the compression ended without a result."""
        return self in (State.FAILED, State.CANCELLED)


class Method(StrEnum):
    """Number format of the weights."""

    BFLOAT16 = "BFLOAT16"
    FLOAT16 = "FLOAT16"
    INT8 = "INT8"
    INT4 = "INT4"
    PRUNED = "PRUNED"

    @property
    def serving_dtype(self) -> Dtype:
        """Number format in which engines compute by default: kernels for integers take 16-bit activations."""
        match self:
            case Method.FLOAT16:
                return Dtype.FLOAT16
            case Method.PRUNED:
                return Dtype.FLOAT32
            case _:
                return Dtype.BFLOAT16

    @property
    def is_integer(self) -> bool:
        """Return True if weights are integers with scales."""
        return self in (Method.INT8, Method.INT4)


class Rounding(StrEnum):
    """Choice of the rounded weights."""

    NEAREST = "NEAREST"
    GPTQ = "GPTQ"


@dataclass(frozen=True)
class CompressionSpec:
    """What is compressed, how, and on which records it is measured."""

    source_digest: str
    method: Method
    source_version: str = ""
    rounding: Rounding = Rounding.NEAREST
    group_size: int = 0
    """Weights that share a scale; 0: as many as fit, at most USUAL_GROUP."""
    sparsity: float = 0.0
    train_digest: str = ""
    validation_digest: str = ""
    task: TaskSpec | None = None
    calibration_records: int = 64
    quality_records: int = 200
    seed: int = 0
    dtype: Dtype = Dtype.BFLOAT16
    """Number format in which an engine of the result computes."""

    def checked(self) -> Self:
        """Return the specification with its defaults; BadCompression if it cannot be done."""
        self._check_digests()
        self._check_numbers()
        return replace(
            self, sparsity=self.sparsity or (USUAL_SPARSITY if self.method is Method.PRUNED else 0.0)
        )

    def _check_digests(self) -> None:
        if not self.source_digest:
            raise BadCompression("source_digest is missing: name the artifact of a model.", "source_digest")
        if self.rounding is Rounding.GPTQ and not self.method.is_integer:
            raise BadCompression(
                f"ROUNDING_GPTQ rounds to integers, and METHOD_{self.method} has none: leave rounding out.",
                "rounding",
            )
        if self.rounding is Rounding.GPTQ and not self.train_digest:
            raise BadCompression(
                "ROUNDING_GPTQ reads calibration texts: name the training part of a split as train_digest.",
                "train_digest",
            )

    def _check_numbers(self) -> None:
        if self.group_size and (
            self.method is not Method.INT4 or not MIN_GROUP <= self.group_size <= MAX_GROUP
        ):
            raise BadCompression(
                f"group_size goes with METHOD_INT4 and is {MIN_GROUP} to {MAX_GROUP}.", "group_size"
            )
        if self.sparsity and (self.method is not Method.PRUNED or not 0 < self.sparsity < 1):
            raise BadCompression("sparsity goes with METHOD_PRUNED and is above 0 and below 1.", "sparsity")
        limits = {"calibration_records": MAX_CALIBRATION_RECORDS, "quality_records": MAX_QUALITY_RECORDS}
        for name, limit in limits.items():
            if not 1 <= getattr(self, name) <= limit:
                raise BadCompression(f"{name} must be 1 to {limit:,}.", name)
        if not 0 <= self.seed <= _MAX_SEED:
            raise BadCompression(f"seed must be 0 to {_MAX_SEED}.", "seed")


@dataclass(frozen=True)
class Measurement:
    """Measurements of one model: sizes in bytes, speed in greedy tokens a second (0: not measured), metrics by name."""

    size_bytes: int = 0
    weight_memory_bytes: int = 0
    tokens_per_second: float = 0.0
    batch_tokens_per_second: float = 0.0
    dtype: Dtype = Dtype.FLOAT32
    runtime: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    records: int = 0
    note: str = ""


@dataclass(frozen=True)
class Difference:
    """Difference of a metric, compressed less source, with its 95 % interval and the share of equal answers."""

    metric: str
    value: float
    low: float
    high: float
    same_answers: float


@dataclass(frozen=True)
class Compressed:
    """Result of a compression's job."""

    artifact_digest: str
    source: Measurement
    compressed: Measurement
    difference: Difference | None = None


@dataclass(frozen=True)
class CompressionCompleted:
    """The compressed model is stored."""

    artifact_digest: str


@dataclass(frozen=True)
class Compression:
    """A compression with its result once it has succeeded."""

    name: str
    create_time: datetime
    update_time: datetime
    spec: CompressionSpec
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure: Failure = Failure()
    result: Compressed | None = None
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0

    def with_failure(self, failure: Failure) -> Self:
        """Return the compression with this failure."""
        return replace(self, failure=failure)


def completed(compression: Compression, result: Compressed) -> tuple[Compression, CompressionCompleted]:
    """Return the compression with its result."""
    done = replace(
        compression, state=State.SUCCEEDED, progress=Progress(1.0, "Compressed and measured."), result=result
    )
    return done, CompressionCompleted(result.artifact_digest)
