"""Runs as jobs of this machine: `python -m ratoon_training.worker`, which hands them to the driver."""

import hashlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon.chassis.jobs import JobProgress, JobStatus, LocalJobs
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.runs import Observation, Phase, Progress, Trained, TrainingRun

WORKER = "ratoon_training.worker"


@dataclass(frozen=True)
class DriverOptions:
    """What every run's worker is told: places, how long a driver idles, how often it saves, what it may hold."""

    work: Path
    warm: Path
    artifacts_url: str
    idle_s: float = 180.0
    checkpoint_every_s: float = 5.0
    memory_limit_bytes: int = 0


class JobDrivers:
    """Starts and observes the jobs of runs; checkpoints lie in a work folder a run, kept over attempts."""

    def __init__(self, jobs: LocalJobs, options: DriverOptions) -> None:
        self._jobs, self._options = jobs, options

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, run: TrainingRun, fence: int) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(run, fence))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        shutil.rmtree(self._work(run), ignore_errors=True)

    def _work(self, run: TrainingRun) -> Path:
        return self._options.work / hashlib.sha256(run.name.encode()).hexdigest()[:32]

    def _spec(self, run: TrainingRun, fence: int) -> dict[str, Any]:
        options = self._options
        return {
            "warm": str(options.warm),
            "warm_idle_s": options.idle_s,
            "artifacts": options.artifacts_url,
            "work": str(self._work(run)),
            "fence": fence,
            "train": run.train_digest,
            "validation": run.validation_digest,
            "base": run.base_artifact_digest,
            "recipe": run.recipe.as_json(),
            "resources": {**asdict(run.resources), "accelerator": run.resources.accelerator.value},
            "checkpoint_every_s": options.checkpoint_every_s,
            "memory_limit_bytes": options.memory_limit_bytes,
        }


def _observation(status: JobStatus) -> Observation:
    return Observation(
        Phase(status.state.value),
        _progress(status.progress),
        _trained(status.result) if status.result else None,
        status.reason,
        status.message,
    )


def _progress(told: JobProgress) -> Progress:
    return Progress(**asdict(told))


def _trained(result: dict[str, Any]) -> Trained:
    return Trained(
        artifact_digest=result["artifact_digest"],
        curves_digest=result["curves_digest"],
        parameter_count=result["parameter_count"],
        diagnosis=Diagnosis(**result["diagnosis"]),
        metrics=result["metrics"],
    )
