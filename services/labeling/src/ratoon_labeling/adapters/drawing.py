"""Drawing of records into queues as a job: `python -m ratoon_labeling.worker`."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.labeling_jobs_pb2 import RefillResult
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon_labeling import queue_mapping
from ratoon_labeling.adapters.freezing import WORKER
from ratoon_labeling.application.ports import DrawingJob
from ratoon_labeling.domain.refills import Drawn

TASK = "draw"
"""Name of the task in the environment of the job."""


def drawing_jobs(
    jobs: Jobs, artifacts_url: str, endpoints: Mapping[str, str] = MappingProxyType({})
) -> WorkerJobs[DrawingJob, Drawn]:
    """Return the jobs that choose the records of refills; `endpoints` that were listed, with variables of keys."""
    return WorkerJobs(jobs, WORKER, partial(_spec, artifacts_url, endpoints), _result)


def _spec(artifacts_url: str, endpoints: Mapping[str, str], job: DrawingJob) -> JSON:
    environment = JobEnvironment(task=TASK, artifacts=artifacts_url)
    return spec_json(environment, queue_mapping.drawing_spec(job, endpoints))


def _result(result: JSON) -> Drawn:
    return queue_mapping.drawn(from_json(RefillResult, result))
