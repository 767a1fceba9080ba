"""Exports of models as messages."""

import json

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.jobs.v1.training_jobs_pb2 import ModelExportResult
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon.service.parity import link_message, link_of_message
from ratoon.tasks.parity import canonical, document, link_of
from ratoon.training.v1 import model_export_pb2 as pb
from ratoon.training.v1 import training_events_pb2 as events_pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon_training.application.model_exports import CreateModelExport
from ratoon_training.domain.errors import BadModelExport
from ratoon_training.domain.model_exports import (
    Exported,
    ExportedFile,
    ExportFormat,
    GgufType,
    ModelExport,
    ModelExported,
)


def message_of(value: ModelExport) -> pb.ModelExport:
    """Return an export as callers see it."""
    message = request_message(value)
    message.name, message.revision = value.name, value.revision
    message.create_time.CopyFrom(timestamp(value.create_time))
    message.update_time.CopyFrom(timestamp(value.update_time))
    message.state = pb.ModelExport.State.Value(f"STATE_{value.state}")
    message.progress.CopyFrom(progress_pb2.Progress(**vars(value.progress)))
    message.artifact_digest = value.artifact_digest
    message.files.extend(pb.ModelExportFile(**vars(file)) for file in value.files)
    message.size_bytes = sum(file.size_bytes for file in value.files)
    message.tensor_counts.update(value.tensor_counts)
    message.notes.extend(value.notes)
    if value.parity:
        message.parity.CopyFrom(link_message(link_of(json.loads(value.parity))))
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def request_message(value: ModelExport) -> pb.ModelExport:
    """Return what an export is requested with."""
    message = pb.ModelExport(
        name=value.name,
        source_digest=value.source_digest,
        source_version=value.source_version,
        format=pb.ModelExport.Format.Value(f"FORMAT_{value.format}"),
    )
    if value.gguf_type is not None:
        message.gguf_type = pb.ModelExport.GgufType.Value(f"GGUF_TYPE_{value.gguf_type}")
    return message


def create_model_export(request: service_pb.CreateModelExportRequest) -> CreateModelExport:
    """Return the command of a request."""
    message = request.model_export
    if not message.format:
        raise BadModelExport(
            f"format is not set; choose {', '.join(f'FORMAT_{each}' for each in ExportFormat)}.",
            "model_export.format",
        )
    kind = pb.ModelExport.GgufType.Name(message.gguf_type).removeprefix("GGUF_TYPE_")
    now = message.create_time.ToDatetime()
    export = ModelExport(
        name=request.parent,
        create_time=now,
        update_time=now,
        source_digest=message.source_digest,
        source_version=message.source_version,
        format=ExportFormat(pb.ModelExport.Format.Name(message.format).removeprefix("FORMAT_")),
        gguf_type=GgufType(kind) if message.gguf_type else None,
    )
    return CreateModelExport(export, request.model_export_id, request.request_id)


def exported_of(result: ModelExportResult) -> Exported:
    """Return the result of a job."""
    parity = ""
    if result.HasField("parity"):
        parity = canonical(document(link_of_message(result.parity))).decode()
    return Exported(
        artifact_digest=result.artifact_digest,
        files=tuple(ExportedFile(file.path, file.digest, file.size_bytes) for file in result.files),
        tensor_counts=dict(sorted(result.tensor_counts.items())),
        parity=parity,
        notes=tuple(result.notes),
    )


def envelope(happened: object, name: str, revision: int) -> Message:
    """Return an event of an export in its envelope."""
    match happened:
        case ModelExported(digest):
            completed = events_pb.ModelExportCompleted(artifact_digest=digest)
            return events_pb.ModelExportEvent(name=name, revision=revision, completed=completed)
        case Failed(reason):
            failed = events_pb.ModelExportFailed(reason=reason)
            return events_pb.ModelExportEvent(name=name, revision=revision, failed=failed)
        case Cancelled():
            cancelled = events_pb.ModelExportCancelled()
            return events_pb.ModelExportEvent(name=name, revision=revision, cancelled=cancelled)
    raise TypeError(f"{happened!r} is not an event of exports")
