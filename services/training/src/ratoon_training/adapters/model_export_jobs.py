"""Exports of models as jobs: `python -m ratoon_training.worker`, each in a process of its own."""

from functools import partial
from pathlib import Path

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import ModelExportResult, ModelExportSpec
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon_training import model_export_messages
from ratoon_training.adapters.drivers import WORKER
from ratoon_training.domain.model_exports import Exported, ModelExport


def model_export_jobs(
    jobs: Jobs, artifacts_url: str, llama_cpp: Path | None
) -> WorkerJobs[ModelExport, Exported]:
    """Return the jobs that write and compare files."""
    return WorkerJobs(jobs, WORKER, partial(_spec, artifacts_url, str(llama_cpp or "")), _result)


def _spec(artifacts_url: str, llama_cpp: str, export: ModelExport) -> JSON:
    spec = ModelExportSpec(
        model_export=model_export_messages.request_message(export), export=True, llama_cpp=llama_cpp
    )
    tenant = "/".join(export.name.split("/")[:2])
    return spec_json(JobEnvironment(artifacts=artifacts_url, tenant=tenant), spec)


def _result(written: JSON) -> Exported:
    return model_export_messages.exported_of(from_json(ModelExportResult, written))
