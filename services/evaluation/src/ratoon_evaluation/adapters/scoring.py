"""Scoring as a job: `python -m ratoon_evaluation.worker`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ratoon.operations.job_machine import JobObservation
from ratoon.operations.job_procedure import observed
from ratoon.operations.jobs import JobProgress, Jobs, JobStatus
from ratoon_evaluation.application.ports import ScoringJob
from ratoon_evaluation.domain.gate import Outcome
from ratoon_evaluation.domain.runs import Progress, Scored

WORKER = "ratoon_evaluation.worker"

_OUTCOME = TypeAdapter(Outcome)


@dataclass(frozen=True)
class Resources:
    """What a scoring job is given: the artifact store, cores (0: by size), bootstrap resamples, a warm folder.

    It is ended after `time_limit_s` (0: never) or beyond `memory_share` of the memory of machine or container.
    """

    artifacts_url: str
    threads: int
    resamples: int
    warm: Path
    time_limit_s: float = 0.0
    memory_share: float = 0.0


class JobScoring:
    """Starts and observes the worker that scores, compares and applies the gate."""

    def __init__(self, jobs: Jobs, resources: Resources) -> None:
        self._jobs, self._resources = jobs, resources

    def observe(self, job_id: str) -> JobObservation[Scored]:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, job: ScoringJob) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(job))

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self._jobs.forget(job_id)

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def _spec(self, job: ScoringJob) -> dict[str, Any]:
        run, question, resources = job.run, job.run.question, self._resources
        return {
            "artifacts": resources.artifacts_url,
            "candidate": question.candidate,
            "reference": question.reference,
            "labels": list(question.labels),
            "domains": [
                {"name": name, "test": each.test, "train": each.train} for name, each in job.parts.items()
            ],
            "kept": [
                {"model": model, "test": part, "predictions": digest}
                for (model, part), digest in job.stored.items()
            ],
            "rules": [{"kind": r.kind, "domain": r.domain, "threshold": r.threshold} for r in question.rules],
            "seed": question.seed,
            "resamples": resources.resamples,
            "threads": resources.threads,
            "title": run.name,
            "warm": str(resources.warm),
            "tenant": "/".join(run.name.split("/")[:2]),
            "time_limit_s": resources.time_limit_s,
            "memory_share": resources.memory_share,
        }


def _observation(status: JobStatus) -> JobObservation[Scored]:
    scored = _scored(status.result) if status.result else None
    return observed(status, _progress(status.progress), scored)


def _scored(result: dict[str, Any]) -> Scored:
    outcome = _OUTCOME.validate_python(result["evaluation"])
    return Scored(outcome, result["report_json"], result["report_html"])


def _progress(progress: JobProgress) -> Progress:
    return Progress(
        progress.fraction,
        progress.message,
        progress.done,
        progress.total,
        progress.unit,
        progress.remaining_s or 0.0,
    )
