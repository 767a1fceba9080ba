"""Freezing as a job: `python -m ratoon_labeling.worker`."""

from functools import partial

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.labeling_jobs_pb2 import FreezingResult
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon_labeling import mapping
from ratoon_labeling.application.ports import FreezingJob
from ratoon_labeling.domain.label_sets import Frozen

WORKER = "ratoon_labeling.worker"


def freezing_jobs(jobs: Jobs, artifacts_url: str) -> WorkerJobs[FreezingJob, Frozen]:
    """Return the jobs that resolve and write the labels of label sets."""
    return WorkerJobs(jobs, WORKER, partial(_spec, artifacts_url), _result)


def _spec(artifacts_url: str, job: FreezingJob) -> JSON:
    return spec_json(JobEnvironment(artifacts=artifacts_url), mapping.freezing_spec(job))


def _result(result: JSON) -> Frozen:
    return mapping.frozen(from_json(FreezingResult, result))
