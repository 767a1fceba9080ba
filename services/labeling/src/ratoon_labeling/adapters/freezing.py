"""Freezing as a job: `python -m ratoon_labeling.worker`."""

from typing import Any

from ratoon.chassis.jobs import Jobs, JobStatus
from ratoon_labeling.domain.label_sets import Frozen, LabelSet, Observation, Phase, Progress

WORKER = "ratoon_labeling.worker"


class JobFreezing:
    """Starts and observes the worker that resolves and writes the labels."""

    def __init__(self, jobs: Jobs, artifacts_url: str) -> None:
        self._jobs, self._artifacts_url = jobs, artifacts_url

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, label_set: LabelSet, annotations_digest: str) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(label_set, annotations_digest))

    def restart(self, job_id: str, label_set: LabelSet, annotations_digest: str) -> None:
        """Begin again what was lost."""
        self._jobs.forget(job_id)
        self.start(job_id, label_set, annotations_digest)

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def _spec(self, label_set: LabelSet, annotations_digest: str) -> dict[str, Any]:
        return {
            "artifacts": self._artifacts_url,
            "name": label_set.name,
            "dataset_digest": label_set.dataset_digest,
            "annotations_digest": annotations_digest,
            "labels": list(label_set.labels),
            "conflict_policy": label_set.conflict_policy.value,
            "import_as": label_set.import_as.value,
            "review_sample_size": label_set.review_sample_size,
        }


def _observation(status: JobStatus) -> Observation:
    told = status.progress
    return Observation(
        Phase(status.state.value),
        Progress(told.fraction, told.message, told.done, told.total),
        Frozen(**status.result) if status.result else None,
        reason=status.reason,
        message=status.message,
    )
