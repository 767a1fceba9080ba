"""Verification as a job: `python -m ratoon_registry.worker`. The registry signs its result here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.operations.job_machine import JobObservation, Progress
from ratoon.operations.job_procedure import observed
from ratoon.operations.jobs import Jobs, JobStatus
from ratoon.storage.artifacts import ArtifactStore
from ratoon_registry.adapters.seals import Sealer
from ratoon_registry.domain.generation import Generation, PromptLimits
from ratoon_registry.domain.versions import ModelVersion, Verified

WORKER = "ratoon_registry.worker"


@dataclass(frozen=True)
class Limits:
    """Configuration of verification jobs."""

    warm: Path
    """Folder of the warm processes that load models."""
    golden_count: int
    lanes: int = 1
    """Jobs of different projects that run at once."""
    time_limit_s: float = 0.0
    memory_share: float = 0.0
    """… of the machine's memory; 0: no bound."""


class JobVerification:
    """Start and observe the worker that reloads and records; sign its result."""

    def __init__(self, jobs: Jobs, artifacts: ArtifactStore, sealer: Sealer, limits: Limits) -> None:
        self._jobs, self._artifacts, self._sealer, self._limits = jobs, artifacts, sealer, limits

    def check_named(self, artifact_digest: str) -> None:
        """InvalidArgument with the entry's name unless every file of the tree is in the store as the tree states."""
        self._artifacts.check_tree(artifact_digest)

    def observe(self, job_id: str) -> JobObservation[Verified]:
        """The job as it is now; signed with the registry's key when it succeeded."""
        status = self._jobs.observe(job_id)
        return _observation(status, self._signed(status.result) if status.result else {})

    def start(self, job_id: str, version: ModelVersion) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(version))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self._jobs.forget(job_id)

    def _spec(self, version: ModelVersion) -> dict[str, Any]:
        return {
            "artifacts": self._artifacts.url,
            "artifact_digest": version.artifact_digest,
            "golden_source_digest": version.golden_source_digest,
            "golden_count": self._limits.golden_count,
            "warm": str(self._limits.warm),
            "tenant": "/".join(version.name.split("/")[:2]),
            "lanes": self._limits.lanes,
            "time_limit_s": self._limits.time_limit_s,
            "memory_share": self._limits.memory_share,
            "card": {"name": version.name, "changelog": version.changelog, "scores": version.scores},
        }

    def _signed(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result with the registry's own signatures in place of the job's."""
        unsigned = {key: result.get(key, "") for key in ("signature_digest", "base_signature_digest")}
        return {**result, **{key: self._seal(digest) for key, digest in unsigned.items() if digest}}

    def _seal(self, digest: str) -> str:
        return self._artifacts.put_bytes(self._sealer.sealed(self._artifacts.read(digest)))


def _observation(status: JobStatus, result: dict[str, Any]) -> JobObservation[Verified]:
    progress = Progress(status.progress.fraction, status.progress.message)
    return observed(status, progress, _verified(result) if result else None)


def _verified(result: dict[str, Any]) -> Verified:
    known = {key: result[key] for key in Verified.__dataclass_fields__ if key in result}
    stated = {
        "generation": Generation(**result.get("generation", {})),
        "prompt": PromptLimits(**result.get("prompt", {})),
    }
    return Verified(**{**known, **stated})
