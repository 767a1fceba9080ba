"""Exports: records of a version or of parts of a split as files for other tools."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon.operations.job_machine import Failure
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.errors import BadExport, BadReading, NotReady
from ratoon_ingestion.domain.work import DONE, Progress, State, Work

ATTACHMENTS = "attachments/"
"""Path of the files of records in an export."""


class ExportFormat(StrEnum):
    """Format of the files."""

    PARQUET = "PARQUET"
    JSONL = "JSONL"
    CSV = "CSV"
    MEGATRON = "MEGATRON"
    TOKENS = "TOKENS"
    HUGGING_FACE = "HUGGING_FACE"
    LABEL_STUDIO = "LABEL_STUDIO"

    @property
    def has_tokens(self) -> bool:
        """Return whether the files hold token IDs."""
        return self in (ExportFormat.MEGATRON, ExportFormat.TOKENS)


@dataclass(frozen=True)
class ExportedFile:
    """File of the tree of an export."""

    path: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Export(Work):
    """What is exported and how, and once it is READY the files.

    The digests of its files are kept when it is REDACTED, so that the deletion of the files can be repeated.
    """

    name: str
    create_time: datetime
    update_time: datetime
    format: ExportFormat
    dataset_version: str = ""
    split: str = ""
    parts: tuple[Part, ...] = ()
    tokenizer_digest: str = ""
    end_token: str = ""
    escape_formulas: bool = False
    reader: str = ""
    purpose: str = ""
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    artifact_digest: str = ""
    files: tuple[ExportedFile, ...] = ()
    record_count: int = 0
    token_count: int = 0
    erasure: str = ""
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0

    @property
    def is_sealed(self) -> bool:
        """Return whether the files hold the test part of a split."""
        return Part.TEST in self.parts

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the digests of everything that is stored for it; attachments belong to the version."""
        own = (file.digest for file in self.files if not file.path.startswith(ATTACHMENTS))
        return tuple(filter(None, (self.artifact_digest, *own)))


@dataclass(frozen=True)
class Exported:
    """Result of an export: the fields of the READY export."""

    artifact_digest: str
    files: tuple[ExportedFile, ...]
    record_count: int
    token_count: int


@dataclass(frozen=True)
class ExportCompleted:
    """The files are complete."""

    record_count: int


@dataclass(frozen=True)
class ExportRedacted:
    """The files were deleted, because they held erased records."""

    erasure: str


def check_export(export: Export) -> None:
    """Raise BadExport or BadReading unless the settings fit together."""
    if bool(export.dataset_version) == bool(export.split):
        raise BadExport("Name either dataset_version or split.")
    if export.parts and not export.split:
        raise BadExport("parts are those of a split; name the split.")
    if len(set(export.parts)) < len(export.parts):
        raise BadExport("parts names a part twice.")
    if export.format.has_tokens != bool(export.tokenizer_digest):
        raise BadExport("MEGATRON and TOKENS need tokenizer_digest; other formats take none.")
    if export.end_token and not export.format.has_tokens:
        raise BadExport("end_token goes with MEGATRON and TOKENS.")
    if export.escape_formulas and export.format is not ExportFormat.CSV:
        raise BadExport("escape_formulas goes with CSV.")
    check_reading(export, export.reader, export.purpose)


def check_reading(export: Export, reader: str, purpose: str) -> None:
    """Raise BadReading if the test part is read without a reader and a purpose."""
    if export.is_sealed and not (reader and purpose):
        raise BadReading(
            "The test part is sealed: set `reader` (an artifact digest or a resource name) and `purpose` (why the "
            "part is read). The reading is logged."
        )


def exported(export: Export, result: Exported) -> tuple[Export, ExportCompleted]:
    """Return the READY export with the result of its job."""
    done = replace(export, state=State.READY, progress=DONE, **vars(result))
    return done, ExportCompleted(done.record_count)


def check_ready(export: Export) -> None:
    """Raise NotReady unless there are files to read."""
    if export.state is State.REDACTED:
        raise NotReady(
            f"{export.name} was deleted by {export.erasure}, which erased some of its records. Create a new export."
        )
    if export.state is not State.READY:
        raise NotReady(f"{export.name} is {export.state}; its files can be read once it is READY.")


def redacted(export: Export, erasure: str) -> tuple[Export, ExportRedacted]:
    """Return the export without its files."""
    return replace(export, state=State.REDACTED, erasure=erasure), ExportRedacted(erasure)
