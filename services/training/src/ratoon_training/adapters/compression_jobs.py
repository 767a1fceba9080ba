"""Compressions as jobs: `python -m ratoon_training.worker`, each in a process of its own."""

from functools import partial

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import CompressionResult, CompressionSpec
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon_training import compression_messages
from ratoon_training.adapters.drivers import WORKER
from ratoon_training.domain.compressions import Compressed, Compression


def compression_jobs(jobs: Jobs, artifacts_url: str) -> WorkerJobs[Compression, Compressed]:
    """Return the jobs that compress and measure models."""
    return WorkerJobs(jobs, WORKER, partial(_spec, artifacts_url), _result)


def _spec(artifacts_url: str, compression: Compression) -> JSON:
    tenant = "/".join(compression.name.split("/")[:2])
    spec = CompressionSpec(compression=compression_messages.spec_message(compression.spec), compress=True)
    return spec_json(JobEnvironment(artifacts=artifacts_url, tenant=tenant), spec)


def _result(written: JSON) -> Compressed:
    return compression_messages.compressed_of(from_json(CompressionResult, written))
