"""Training, as far as a run exports what it rolled out."""

import grpc

from ratoon.training.v1 import model_export_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_flywheel.adapters.children import child, ensure_cancelled
from ratoon_flywheel.domain.pipelines.exports import Export
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child

_MIB = 1024**2


class ExportStage:
    """The stage `export`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._training = TrainingServiceStub(channel)

    def create(self, spec: Export, request_id: str) -> str:
        """Export a version in one format."""
        kind, settings = model_export_pb2.ModelExport, spec.settings
        export = kind(
            source_digest=spec.artifact_digest,
            source_version=spec.version,
            format=kind.Format.Value(f"FORMAT_{settings.format}"),
            gguf_type=kind.GgufType.Value(f"GGUF_TYPE_{settings.gguf_type or 'UNSPECIFIED'}"),
        )
        request = pb.CreateModelExportRequest(parent=spec.project, model_export=export, request_id=request_id)
        return str(self._training.CreateModelExport(request).name)

    def observe(self, resource: str) -> Child:
        """How far the export is, and the size and parity of its files."""
        export = self._training.GetModelExport(pb.GetModelExportRequest(name=resource))
        state = model_export_pb2.ModelExport.State.Name(export.state)
        return child(state, Products(), export.progress, export.failure, _message(export))

    def cancel(self, resource: str) -> None:
        """Cancel the export."""
        ensure_cancelled(lambda: self._training.CancelModelExport(pb.CancelModelExportRequest(name=resource)))


def _message(export: model_export_pb2.ModelExport) -> str:
    """Return the size of the files and the difference from the version, as a part of a sentence."""
    if export.state != export.STATE_SUCCEEDED:
        return ""
    size = f"{export.size_bytes / _MIB:.1f} MiB"
    compared = export.parity.comparison
    if not compared.places:
        return f"{size}, not compared"
    return f"{size}, {compared.equal_places} of {compared.places} choices equal"
