"""Exports of models: files for other programs, made by one job and compared with the model."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon.operations.job_machine import Failure, Progress
from ratoon_training.domain.errors import BadModelExport


class State(StrEnum):
    """State of an export."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Return whether nothing changes any more."""
        return self is State.SUCCEEDED or self.without_result

    @property
    def without_result(self) -> bool:
        """Return whether it ended without files."""
        return self in (State.FAILED, State.CANCELLED)


class ExportFormat(StrEnum):
    """Format of the files."""

    HUGGING_FACE = "HUGGING_FACE"
    ADAPTER = "ADAPTER"
    GGUF = "GGUF"
    ONNX = "ONNX"
    TENSORRT = "TENSORRT"
    CORE_ML = "CORE_ML"
    TFLITE = "TFLITE"


class GgufType(StrEnum):
    """Number format of the weights in a GGUF file."""

    F16 = "F16"
    Q8_0 = "Q8_0"
    Q4_K_M = "Q4_K_M"


@dataclass(frozen=True)
class ExportedFile:
    """File of the tree of an export."""

    path: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class ModelExport:
    """What is exported and how, and once it has SUCCEEDED the files."""

    name: str
    create_time: datetime
    update_time: datetime
    source_digest: str
    format: ExportFormat
    source_version: str = ""
    gguf_type: GgufType | None = None
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    artifact_digest: str = ""
    files: tuple[ExportedFile, ...] = ()
    tensor_counts: dict[str, int] = field(default_factory=dict)
    parity: str = ""
    """Comparison with the source as a JSON document of `ratoon.tasks.parity`; empty: nothing was compared."""
    notes: tuple[str, ...] = ()
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0

    def with_failure(self, failure: Failure) -> "ModelExport":
        """Return the export with a failure."""
        return replace(self, failure=failure)


@dataclass(frozen=True)
class Exported:
    """Result of an export: the fields of the one that has SUCCEEDED."""

    artifact_digest: str
    files: tuple[ExportedFile, ...]
    tensor_counts: dict[str, int]
    parity: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ModelExported:
    """Event: the files are complete."""

    artifact_digest: str


def checked(export: ModelExport, *, is_adapter: bool) -> ModelExport:
    """Return the export with its defaults; BadModelExport if the settings do not fit together."""
    if export.gguf_type is not None and export.format is not ExportFormat.GGUF:
        raise BadModelExport("gguf_type goes with FORMAT_GGUF.", "model_export.gguf_type")
    if export.format is ExportFormat.ADAPTER and not is_adapter:
        raise BadModelExport(
            f"The artifact {export.source_digest[:12]} is a whole model, which has no adapter: choose another format.",
            "model_export.format",
        )
    if export.format is ExportFormat.GGUF and export.gguf_type is None:
        return replace(export, gguf_type=GgufType.F16)
    return export


def exported(export: ModelExport, result: Exported) -> tuple[ModelExport, ModelExported]:
    """Return the export with the result of its job."""
    done = replace(export, state=State.SUCCEEDED, progress=Progress(fraction=1.0), **vars(result))
    return done, ModelExported(done.artifact_digest)
