"""Runs as jobs: `python -m ratoon_training.worker`, which hands them to the driver."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon.operations.job_machine import JobObservation
from ratoon.operations.job_procedure import observed
from ratoon.operations.jobs import JobProgress, Jobs, JobStatus
from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.places import Place, scratch_name
from ratoon_training.domain.runs import Progress, Trained, TrainingRun

WORKER = "ratoon_training.worker"


@dataclass(frozen=True)
class DriverOptions:
    """Options of all runs: directories, idle time of a driver, checkpoint interval and memory limit."""

    work: Path
    warm: Path
    artifacts_url: str
    idle_s: float = 180.0
    checkpoint_every_s: float = 5.0
    memory_limit_bytes: int = 0


class JobDrivers:
    """Starts and observes the jobs of runs; the checkpoints of a run are in its work directory, for all attempts."""

    def __init__(self, jobs: Jobs, options: DriverOptions) -> None:
        self._jobs, self._options = jobs, options

    def observe(self, job_id: str) -> JobObservation[Trained]:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        """Start the job, unless it was started before."""
        self._jobs.start(job_id, WORKER, self._spec(run, place, fence))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        self._jobs.clear(self._work(run))
        ScratchStore(self._options.artifacts_url, scratch_name(self._work(run).name)).clear()

    def _work(self, run: TrainingRun) -> Path:
        return work_folder(self._options.work, run.name)

    def _spec(self, run: TrainingRun, place: Place, fence: int) -> dict[str, Any]:
        """Return the job's spec. A run in dedicated pods has its own driver, which does not stay warm."""
        options, resources = self._options, run.resources
        return {
            "warm": "" if place.pods else str(options.warm),
            "warm_idle_s": options.idle_s,
            "artifacts": options.artifacts_url,
            "work": str(self._work(run)),
            "fence": fence,
            "train": run.train_digest,
            "validation": run.validation_digest,
            "base": run.base_artifact_digest,
            "recipe": run.recipe.as_json(),
            "resources": {
                "accelerator": resources.accelerator.value,
                "workers": resources.workers,
                "threads": resources.threads or place.cpus,
            },
            "pods": place.pods,
            "checkpoint_every_s": options.checkpoint_every_s,
            "memory_limit_bytes": options.memory_limit_bytes,
        }


def work_folder(work: Path, run: str) -> Path:
    """Return the directory of a run's tokens and checkpoints."""
    return work / hashlib.sha256(run.encode()).hexdigest()[:32]


def _observation(status: JobStatus) -> JobObservation[Trained]:
    trained = _trained(status.result) if status.result else None
    return observed(status, _progress(status.progress), trained)


def _progress(progress: JobProgress) -> Progress:
    return Progress(**asdict(progress))


def _trained(result: dict[str, Any]) -> Trained:
    return Trained(
        artifact_digest=result["artifact_digest"],
        curves_digest=result["curves_digest"],
        parameter_count=result["parameter_count"],
        diagnosis=Diagnosis(**result["diagnosis"]),
        metrics=result["metrics"],
        prompt_limit=PromptLimit(**result.get("prompt_limit", {})),
    )
