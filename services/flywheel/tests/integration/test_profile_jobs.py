"""The job of a profile, as this release and the one before write and read it."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.operations.jobs import JobFolder, JobState, JobStatus
from ratoon.storage.artifacts import ArtifactStore
from ratoon_flywheel.adapters.baselines import JobBaselines
from ratoon_flywheel.application.ports import Profile
from ratoon_flywheel.worker import profile as worker

PROFILE = Profile("projects/p/models/m/versions/v1.0", 200)


class FakeJobs:
    """Jobs that the worker does at once, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.spec, self.result = JobFolder(folder), {}, {}

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.spec = json.loads(json.dumps(spec))
        self.result = worker.run(self.spec, self.folder)

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, result=self.result)


class FakeLineage:
    """Versions that were all trained on one part."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def training_part(self, version: str) -> str:
        return self.digest


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def digest(store: ArtifactStore) -> str:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [f"Letter number {n}, with words." for n in range(40)]}), sink)
    return store.put_bytes(sink.getvalue())


def test_a_profile_is_computed_and_read(store, digest, tmp_path):
    jobs = FakeJobs(tmp_path)
    baselines = JobBaselines(jobs, store, FakeLineage(digest))
    baselines.start(PROFILE)
    assert baselines.load(PROFILE).training.size == 40
    assert jobs.spec == {"artifacts": store.url, "train_digest": digest, "max_chars": 200}
    assert jobs.result.keys() == {"baseline_digest", "documents"}


def test_a_spec_and_a_result_of_the_release_before_are_read(store, digest, tmp_path):
    jobs = FakeJobs(tmp_path)
    spec_of_0_1 = {"artifacts": store.url, "train_digest": digest, "max_chars": 200}
    result = worker.run(spec_of_0_1, jobs.folder)
    assert result["documents"] == 40
    jobs.result = {"baseline_digest": result["baseline_digest"], "documents": 40}
    assert JobBaselines(jobs, store, FakeLineage(digest)).load(PROFILE).training.size == 40
