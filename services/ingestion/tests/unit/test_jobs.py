"""The spec of a job: its tenant and its limits."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon_ingestion.adapters.local_jobs import Resources, WorkerJobs
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.application.ports import CurationJob, ErasureJob
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.worker.spec import CurateSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Started:
    """Jobs that remembers what was started."""

    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.specs[job_id] = spec


def test_jobs_are_their_projects_and_have_limits_that_an_erasure_has_not(tmp_path: Path):
    started = Started()
    keys = RecordKeys(tmp_path / "record.key", "ab" * 32)
    jobs = WorkerJobs(started, keys, Resources("store", tmp_path, 2, 3, 60.0, 0.5))  # type: ignore[arg-type]
    version = DatasetVersion(
        "projects/p/datasets/d/versions/v1", NOW, NOW, sources=(), curation=CurationConfig()
    )
    erasure = Erasure("projects/q/erasures/e", NOW, NOW, record_ids=("0" * 64,), purpose="asked for")
    jobs.start("curate", CurationJob(version, (), ()))
    jobs.start("erase", ErasureJob(erasure, (), (), ()))
    resources = {
        job: {name: spec.get(name) for name in ("tenant", "lanes", "time_limit_s", "memory_share")}
        for job, spec in started.specs.items()
    }
    assert resources == {
        "curate": {"tenant": "p", "lanes": 3, "time_limit_s": 60.0, "memory_share": 0.5},
        "erase": {"tenant": "q", "lanes": 3, "time_limit_s": None, "memory_share": None},
    }


def test_a_worker_of_any_release_reads_the_excluded_records(tmp_path: Path):
    started = Started()
    keys = RecordKeys(tmp_path / "record.key", "ab" * 32)
    jobs = WorkerJobs(started, keys, Resources("store", tmp_path, 2))  # type: ignore[arg-type]
    version = DatasetVersion(
        "projects/p/datasets/d/versions/v1", NOW, NOW, sources=(), curation=CurationConfig()
    )
    jobs.start("curate", CurationJob(version, (), ("0" * 64,)))
    assert started.specs["curate"]["barred"] == ["0" * 64]
    assert CurateSpec.of(started.specs["curate"]).excluded == {"0" * 64}
