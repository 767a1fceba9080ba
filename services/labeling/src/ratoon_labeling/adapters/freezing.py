"""Freezing as a job: `python -m ratoon_labeling.worker`."""

from typing import Any

from ratoon.operations.job_machine import JobObservation, Progress
from ratoon.operations.job_procedure import observed
from ratoon.operations.jobs import Jobs, JobStatus
from ratoon_labeling.application.ports import FreezingJob
from ratoon_labeling.domain.label_sets import Frozen

WORKER = "ratoon_labeling.worker"


class JobFreezing:
    """Starts and observes the worker that resolves and writes the labels."""

    def __init__(self, jobs: Jobs, artifacts_url: str) -> None:
        self._jobs, self._artifacts_url = jobs, artifacts_url

    def observe(self, job_id: str) -> JobObservation[Frozen]:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, job: FreezingJob) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(job))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self._jobs.forget(job_id)

    def _spec(self, job: FreezingJob) -> dict[str, Any]:
        label_set = job.label_set
        return {
            "artifacts": self._artifacts_url,
            "name": label_set.name,
            "dataset_digest": label_set.dataset_digest,
            "annotations_digest": job.annotations_digest,
            "labels": list(label_set.labels),
            "conflict_policy": label_set.conflict_policy.value,
            "import_as": label_set.import_as.value,
            "review_sample_size": label_set.review_sample_size,
        }


def _observation(status: JobStatus) -> JobObservation[Frozen]:
    reported = status.progress
    progress = Progress(reported.fraction, reported.message, reported.done, reported.total)
    return observed(status, progress, Frozen(**status.result) if status.result else None)
