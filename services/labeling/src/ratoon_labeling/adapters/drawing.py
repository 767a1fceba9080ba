"""Drawing of records into queues as a job: `python -m ratoon_labeling.worker`."""

from functools import partial

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


def drawing_jobs(jobs: Jobs, artifacts_url: str) -> WorkerJobs[DrawingJob, Drawn]:
    """Return the jobs that choose the records of refills."""
    return WorkerJobs(jobs, WORKER, partial(_spec, artifacts_url), _result)


def _spec(artifacts_url: str, job: DrawingJob) -> JSON:
    return spec_json(JobEnvironment(task=TASK, artifacts=artifacts_url), queue_mapping.drawing_spec(job))


def _result(result: JSON) -> Drawn:
    return queue_mapping.drawn(from_json(RefillResult, result))
