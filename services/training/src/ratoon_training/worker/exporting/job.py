"""One export: fetch the model, write its files, compare them with it, and store them.

Reads a `ModelExportSpec` and writes a `ModelExportResult`.
"""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import ModelExportResult, ModelExportSpec
from ratoon.neural.parity.inputs import inputs_of
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service.parity import link_message, measured_at
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import fetch_model
from ratoon.tasks.parity import Link, Step, Verdict, compare, link, tolerance_of
from ratoon.training.v1.model_export_pb2 import ModelExport, ModelExportFile
from ratoon_training.domain.errors import ExportDiffers, ExportFailed, Stopped
from ratoon_training.domain.model_exports import ExportFormat, GgufType
from ratoon_training.worker.exporting.exporter import Exporter, Written
from ratoon_training.worker.exporting.source import Source

JSON = dict[str, Any]


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job; TrainingError, or an error of the artifact store."""
    spec = from_json(ModelExportSpec, raw_spec)
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    work = job.path / "export"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        return to_json(_exported(spec, store, work, job))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _exported(spec: ModelExportSpec, store: ArtifactStore, work: Path, job: JobFolder) -> ModelExportResult:
    requested = spec.model_export
    _report(job, 0.05, "Fetching the model")
    source = Source(fetch_model(store, requested.source_digest, work / "models"), work)
    if source.folder.is_small:
        raise ExportFailed(
            "It is a small model, which Ratoon alone reads: only language models are exported.",
            "BAD_BASE_MODEL",
        )
    folder = work / "files"
    folder.mkdir()
    _report(job, 0.2, "Writing and comparing the files")
    written = exporter_of(requested, spec.llama_cpp).export(source, folder)
    _report(job, 0.9, "Storing the files")
    digest = store.put_tree(folder)
    compared = parity_link(source, written, digest, requested.source_digest, requested.name)
    if compared is not None and compared.verdict is Verdict.BEYOND:
        raise ExportDiffers(
            f"The exported files are not the same model ({compared.reason}): {compared.message}"
        )
    return ModelExportResult(
        artifact_digest=digest,
        files=[
            ModelExportFile(path=file.path, digest=file.sha256, size_bytes=file.size)
            for file in store.tree(digest)
        ],
        tensor_counts=written.tensor_counts,
        parity=link_message(compared) if compared is not None else None,
        notes=written.notes,
    )


def exporter_of(requested: ModelExport, llama_cpp: str = "") -> Exporter:
    """Return the exporter of a format."""
    kind = ExportFormat(ModelExport.Format.Name(requested.format).removeprefix("FORMAT_"))
    if kind is ExportFormat.GGUF:
        from ratoon_training.worker.exporting.gguf_file import GgufExporter

        named = ModelExport.GgufType.Name(requested.gguf_type).removeprefix("GGUF_TYPE_")
        return GgufExporter(GgufType(named), Path(llama_cpp or "llama-cpp"))
    if kind is ExportFormat.ONNX:
        from ratoon_training.worker.exporting.onnx_graph import OnnxExporter

        return OnnxExporter()
    if kind in (ExportFormat.HUGGING_FACE, ExportFormat.ADAPTER):
        from ratoon_training.worker.exporting import hugging_face

        return (
            hugging_face.AdapterExporter()
            if kind is ExportFormat.ADAPTER
            else hugging_face.HuggingFaceExporter()
        )
    from ratoon_training.worker.exporting import optional

    exporters: dict[ExportFormat, Exporter] = {
        ExportFormat.TENSORRT: optional.TensorRtExporter(),
        ExportFormat.CORE_ML: optional.CoreMlExporter(),
        ExportFormat.TFLITE: optional.TfliteExporter(),
    }
    return exporters[kind]


def parity_link(source: Source, written: Written, digest: str, reference: str, name: str) -> Link | None:
    """Return the comparison of the files with the model; None: no program here reads them."""
    if not written.runtime and written.finding is None:
        return None
    tolerance = tolerance_of(written.number_format, same_program=written.same_program)
    compared = compare(source.reference, written.scores, tolerance) if written.scores else None
    compared_link = link(
        Step.EXPORT,
        written.number_format,
        written.runtime,
        digest,
        reference,
        finding=written.finding,
        comparison=compared,
        tolerance=tolerance,
        recorded=sum(len(each.tokens) for each in source.reference),
        inputs=inputs_of(source.form),
        source=name,
    )
    return replace(compared_link, measure_time=measured_at(datetime.now(UTC)))


def _report(job: JobFolder, fraction: float, message: str) -> None:
    if job.stop_requested():
        raise Stopped("The export was cancelled.")
    job.progress(fraction, message)
