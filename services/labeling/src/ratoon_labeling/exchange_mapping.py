"""Messages of the exchange with other annotation tools <-> commands and results."""

from ratoon.labeling.v1 import annotation_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.process.errors import InvalidArgument
from ratoon_labeling.application.exchange import ExportedQueue, ExportQueue, ImportAnnotations, Imported
from ratoon_labeling.domain.annotations import Source
from ratoon_labeling.domain.exchange import Format

_PREFIX = "EXCHANGE_FORMAT_"


def export_queue(request: pb.ExportQueueRequest) -> ExportQueue:
    """Return the command of a request."""
    return ExportQueue(request.name, _format(request.format))


def exported_queue(result: ExportedQueue) -> pb.ExportQueueResponse:
    """Return the response of a result."""
    return pb.ExportQueueResponse(
        digest=result.digest,
        size_bytes=result.size,
        label_config=result.label_config,
        task_count=result.task_count,
        answer_count=result.answer_count,
        without_text_count=result.without_text,
    )


def import_annotations(request: pb.ImportAnnotationsRequest) -> ImportAnnotations:
    """Return the command of a request; InvalidArgument for annotations of the source FEEDBACK."""
    source = annotation_pb2.Annotation.Source.Name(request.source).removeprefix("SOURCE_")
    if source not in ("UNSPECIFIED", Source.IMPORT, Source.HUMAN):
        raise InvalidArgument("source is IMPORT or HUMAN.", reason="SOURCE_NOT_YOURS", field="source")
    return ImportAnnotations(
        request.parent,
        request.dataset_version,
        request.guideline,
        request.digest,
        _format(request.format),
        request.control,
        Source.HUMAN if source == Source.HUMAN else Source.IMPORT,
    )


def imported(result: Imported) -> pb.ImportAnnotationsResponse:
    """Return the response of a result."""
    return pb.ImportAnnotationsResponse(
        created_count=result.created,
        existing_count=result.existing,
        left_out_counts=dict(result.left_out),
        problems=result.problems,
    )


def _format(value: "pb.ExchangeFormat.ValueType") -> Format:
    name = pb.ExchangeFormat.Name(value).removeprefix(_PREFIX)
    if name == "UNSPECIFIED":
        raise InvalidArgument(
            f"format is missing: choose one of {', '.join(_PREFIX + each for each in Format)}.",
            reason="FORMAT_MISSING",
            field="format",
        )
    return Format(name)
