"""Verification as a job of this machine: `python -m ratoon_registry.worker`."""

from pathlib import Path
from typing import Any

from ratoon.chassis.jobs import JobStatus, LocalJobs
from ratoon_registry.domain.versions import ModelVersion, Observation, Phase, Progress, Verified

WORKER = "ratoon_registry.worker"


class JobVerification:
    """Starts and observes the worker that reloads, records and signs."""

    def __init__(
        self, jobs: LocalJobs, artifacts_url: str, signing_key: Path, warm: Path, golden_count: int
    ) -> None:
        self._jobs, self._artifacts_url, self._signing_key = jobs, artifacts_url, signing_key
        self._warm, self._golden_count = warm, golden_count

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, version: ModelVersion) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(version))

    def restart(self, job_id: str, version: ModelVersion) -> None:
        """Begin again what was lost."""
        self._jobs.forget(job_id)
        self.start(job_id, version)

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def _spec(self, version: ModelVersion) -> dict[str, Any]:
        return {
            "artifacts": self._artifacts_url,
            "artifact_digest": version.artifact_digest,
            "golden_source_digest": version.golden_source_digest,
            "golden_count": self._golden_count,
            "signing_key": str(self._signing_key),
            "warm": str(self._warm),
            "card": {"name": version.name, "changelog": version.changelog, "scores": version.scores},
        }


def _observation(status: JobStatus) -> Observation:
    verified = (
        Verified(**{key: status.result[key] for key in Verified.__dataclass_fields__})
        if status.result
        else None
    )
    progress = Progress(status.progress.fraction, status.progress.message)
    return Observation(Phase(status.state.value), progress, verified, status.reason, status.message)
