"""Curations and splits as jobs: `python -m ratoon_ingestion.worker`."""

from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from ratoon.operations.job_procedure import observed
from ratoon.operations.jobs import Jobs, JobStatus
from ratoon.storage.names import project_of
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.application.ports import CurationJob, ErasureJob, Job, PreviewJob, SplitJob
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.work import Observation, Progress

WORKER = "ratoon_ingestion.worker"
JSON = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """Resources of jobs: the artifact store, the warm worker's directory, processes, and the limits of one job."""

    artifacts_url: str
    warm: Path
    processes: int
    lanes: int = 1
    """Jobs of different projects that run at once."""
    time_limit_s: float = 0.0
    memory_share: float = 0.0


class WorkerJobs:
    """Starts and observes the worker that curates and splits."""

    def __init__(self, jobs: Jobs, keys: RecordKeys, resources: Resources) -> None:
        self._jobs, self._keys, self._resources = jobs, keys, resources

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        return _observation(self._jobs.observe(job_id))

    def start(self, job_id: str, job: Job) -> None:
        """Begin, unless this job was begun before."""
        self._jobs.start(job_id, WORKER, self._spec(job))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self._jobs.forget(job_id)

    def _spec(self, job: Job) -> JSON:
        match job:
            case CurationJob():
                return self._common(job.version.name) | self._limits() | self._curation(job)
            case ErasureJob():
                return self._common(job.erasure.name) | self._erasure(job)  # what must go has all the time
            case PreviewJob():
                return self._common(job.source.name) | self._limits() | self._preview(job)
        return self._common(job.split.name) | self._limits() | _split(job)

    def _common(self, name: str) -> JSON:
        """Where a job runs, and whose it is: its project's, so that none waits for another's longest import."""
        return {
            "artifacts": self._resources.artifacts_url,
            "warm": str(self._resources.warm),
            "tenant": project_of(name),
            "lanes": self._resources.lanes,
        }

    def _limits(self) -> JSON:
        return {
            "time_limit_s": self._resources.time_limit_s,
            "memory_share": self._resources.memory_share,
        }

    def _curation(self, job: CurationJob) -> JSON:
        return {
            "task": "curate",
            "version": job.version.name,
            "sources": [_source(source) for source in job.sources],
            "curation": asdict(job.version.curation),
            "record_key": self._keys.key_of(project_of(job.version.name)).hex(),
            "processes": self._resources.processes,
            "code_version": installed_version("ratoon-ingestion"),
            "barred": list(job.excluded),
        }

    def _preview(self, job: PreviewJob) -> JSON:
        """In a warm process of its own, so that it does not wait for a long curation."""
        return {
            "task": "preview",
            "warm": str(self._resources.warm.with_name(f"{self._resources.warm.name}-preview")),
            "source": _source(job.source),
            "file_name": job.source.display_name,
            "detect": job.detect,
            "record_key": self._keys.key_of(project_of(job.source.name)).hex(),
            "record_count": job.record_count,
            "barred": list(job.excluded),
        }

    def _erasure(self, job: ErasureJob) -> JSON:
        return {
            "task": "erase",
            "record_ids": list(job.erasure.record_ids),
            "record_key": self._keys.key_of(project_of(job.erasure.name)).hex(),
            "sources": [_source(source) for source in job.sources],
            "versions": [
                {"name": each.name, "digest": each.readable_digest, "sources": list(each.sources)}
                for each in job.versions
            ],
            "parts": [
                {"split": split.name, "part": part.value, "digest": summary.readable_digest}
                for split in job.splits
                for part, summary in split.parts.items()
            ],
        }


def _source(source: Source) -> JSON:
    return {
        "name": source.name,
        "digest": source.digest,
        "format": source.format.value,
        "licence": source.licence,
        "labels_by_folder": dict(source.labels_by_folder),
        "columns": asdict(source.columns),
        "encoding": source.encoding,
    }


def _split(job: SplitJob) -> JSON:
    split = job.split
    return {
        "task": "split",
        "dataset_version": job.version_digest,
        "label_set": split.label_set_digest,
        "mode": split.mode.value,
        "ratios": asdict(split.ratios),
        "seed": split.seed,
        "earlier_tests": list(job.earlier_tests),
        "threshold": job.cluster_threshold,
        "replay": {"train": job.replay_train_digest, "count": split.replay.count},
    }


def _observation(status: JobStatus) -> Observation:
    reported = status.progress
    progress = Progress(
        reported.fraction,
        reported.message,
        reported.done,
        reported.total,
        reported.unit,
        reported.remaining_s or 0.0,
    )
    return observed(status, progress, status.result or None)
