"""Exports, mixtures of versions and comparisons as messages."""

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.ingestion.v1 import export_pb2, ingestion_events_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.difference_pb2 import RecordDifference
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.composing import Compare, ComposeVersion
from ratoon_ingestion.application.exporting import CreateExport, OpenExport
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.errors import BadComparison, BadExport
from ratoon_ingestion.domain.exports import (
    Export,
    ExportCompleted,
    ExportedFile,
    ExportFormat,
    ExportRedacted,
)
from ratoon_ingestion.domain.work import State
from ratoon_ingestion.mixture_messages import mixture_of


def export_message(value: Export) -> export_pb2.Export:
    """Return an export as callers see it: without the digests of what is deleted, and of the sealed test part."""
    message = export_pb2.Export(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=export_pb2.Export.State.Value(f"STATE_{value.state}"),
        dataset_version=value.dataset_version,
        split=value.split,
        parts=[split_pb2.Part.Value(f"PART_{part}") for part in value.parts],
        format=export_pb2.Export.Format.Value(f"FORMAT_{value.format}"),
        tokenizer_digest=value.tokenizer_digest,
        end_token=value.end_token,
        escape_formulas=value.escape_formulas,
        reader=value.reader,
        purpose=value.purpose,
        progress=progress_pb2.Progress(**vars(value.progress)),
        record_count=value.record_count,
        token_count=value.token_count,
        size_bytes=sum(file.size_bytes for file in value.files),
    )
    if value.state is State.READY and not value.is_sealed:
        message.artifact_digest = value.artifact_digest
        message.files.extend(map(_file, value.files))
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def opened_message(value: Export) -> pb.OpenExportResponse:
    """Return the files of an export."""
    return pb.OpenExportResponse(artifact_digest=value.artifact_digest, files=map(_file, value.files))


def _file(file: ExportedFile) -> export_pb2.ExportedFile:
    return export_pb2.ExportedFile(**vars(file))


def create_export(request: pb.CreateExportRequest) -> CreateExport:
    """Return the command of a CreateExport request."""
    message = request.export
    if not message.format:
        raise BadExport(f"format is not set; choose {', '.join(f'FORMAT_{each}' for each in ExportFormat)}.")
    now = message.create_time.ToDatetime()
    export = Export(
        name=request.parent,
        create_time=now,
        update_time=now,
        format=ExportFormat(export_pb2.Export.Format.Name(message.format).removeprefix("FORMAT_")),
        dataset_version=message.dataset_version,
        split=message.split,
        parts=tuple(map(_part, message.parts)),
        tokenizer_digest=message.tokenizer_digest,
        end_token=message.end_token,
        escape_formulas=message.escape_formulas,
        reader=message.reader,
        purpose=message.purpose,
    )
    return CreateExport(export, request.export_id, request.request_id)


def _part(value: "split_pb2.Part.ValueType") -> Part:
    if not value:
        raise BadExport(
            "parts holds a part that is not set; choose PART_TRAIN, PART_VALIDATION or PART_TEST."
        )
    return Part(split_pb2.Part.Name(value).removeprefix("PART_"))


def open_export(request: pb.OpenExportRequest, principal: str) -> OpenExport:
    """Return the command of an OpenExport request."""
    return OpenExport(request.name, request.reader, request.purpose, principal)


def compose_version(request: pb.CreateDatasetVersionRequest) -> ComposeVersion:
    """Return the command of a CreateDatasetVersion request with a mixture."""
    mixture = mixture_of(request.dataset_version.mixture)
    return ComposeVersion(request.parent, request.version_id, mixture, request.request_id)


def compare(request: pb.DiffDatasetVersionRequest) -> Compare:
    """Return the command of a DiffDatasetVersion request."""
    return Compare(request.name, request.base, request.split, request.base_split)


def compare_page(request: pb.ListRecordDifferencesRequest) -> Compare:
    """Return the command of a ListRecordDifferences request."""
    return Compare(
        request.parent, request.base, request.split, request.base_split, tuple(map(_kind, request.kinds))
    )


def _kind(value: "RecordDifference.Kind.ValueType") -> str:
    if not value:
        raise BadComparison("kinds holds a kind that is not set; choose ADDED, REMOVED, CHANGED or MOVED.")
    return RecordDifference.Kind.Name(value).removeprefix("KIND_")


def export_event(happened: object, name: str, revision: int) -> Message:
    """Return an event of an export."""
    events = ingestion_events_pb2
    match happened:
        case ExportCompleted(count):
            completed = events.ExportCompleted(record_count=count)
            return events.ExportEvent(name=name, revision=revision, completed=completed)
        case Failed(reason):
            return events.ExportEvent(name=name, revision=revision, failed=events.ExportFailed(reason=reason))
        case Cancelled():
            return events.ExportEvent(name=name, revision=revision, cancelled=events.ExportCancelled())
        case ExportRedacted(erasure):
            redacted = events.ExportRedacted(erasure=erasure)
            return events.ExportEvent(name=name, revision=revision, redacted=redacted)
    raise TypeError(f"{happened!r} is not an event of an export")
