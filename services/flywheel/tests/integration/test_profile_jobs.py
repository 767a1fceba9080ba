"""The job of a profile, as this release and the one before write and read it."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.operations.jobs import JobFolder, JobState, JobStatus
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon_flywheel.adapters.baselines import JobBaselines
from ratoon_flywheel.application.ports import Profile
from ratoon_flywheel.domain.signals.drift import PROMPT_FEATURES, Feature, Reference
from ratoon_flywheel.domain.signals.features import ExchangeFeatures
from ratoon_flywheel.domain.signals.features import features as features_of
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
    assert (jobs.spec.pop("features_digest"), jobs.spec.pop("slices")) == ("", [])
    assert jobs.spec == {"artifacts": store.url, "train_digest": digest, "max_chars": 200}
    assert jobs.result.keys() == {"baseline_digest", "documents"}


def test_a_spec_and_a_result_of_the_release_before_are_read(store, digest, tmp_path):
    jobs = FakeJobs(tmp_path)
    spec_of_0_1 = {"artifacts": store.url, "train_digest": digest, "max_chars": 200}
    result = worker.run(spec_of_0_1, jobs.folder)
    assert result["documents"] == 40
    jobs.result = {"baseline_digest": result["baseline_digest"], "documents": 40}
    assert JobBaselines(jobs, store, FakeLineage(digest)).load(PROFILE).training.size == 40


@pytest.mark.parametrize(
    ("task", "labels", "features"),
    [
        (Classify(("ham", "spam")), ["ham", "spam"], {Feature.LABELS}),
        (Regress(), ["1", "2.5"], {Feature.NUMBERS, Feature.ANSWER_STATUS}),
        (
            Generate(),
            ["A reply.", "Another reply."],
            {
                Feature.ANSWER_WORDS,
                Feature.ANSWER_LENGTH,
                Feature.ANSWER_LANGUAGE,
                Feature.ANSWER_STATUS,
            },
        ),
        (Generate(), [None, None], set()),
    ],
)
def test_the_answers_of_the_training_data_are_profiled_as_the_task_has_them(
    store, tmp_path, task, labels, features
):
    sink = io.BytesIO()
    rows = {"text": [f"Letter number {n}, with words." for n in range(40)], "label": labels * 20}
    pq.write_table(pa.table(rows, schema=pa.schema({"text": pa.string(), "label": pa.string()})), sink)
    profile = replace(PROFILE, task=task)
    baselines = JobBaselines(FakeJobs(tmp_path), store, FakeLineage(store.put_bytes(sink.getvalue())))
    baselines.start(profile)
    loaded = baselines.load(profile)
    assert set(loaded.training.counts) == {*PROMPT_FEATURES, *features}
    assert (
        set(loaded.js_bands)
        == set(loaded.psi_bands)
        == set(loaded.noise_bands)
        == set(loaded.training.counts)
    )
    assert bool(loaded.edges) == (Feature.NUMBERS in features)


def test_traffic_is_profiled_by_its_features(store, tmp_path):
    profile = replace(PROFILE, task=Classify(("ham", "spam")), reference=Reference.PROMOTION)
    words = [features_of(f"Letter number {n}, with words.", 0) for n in range(60)]
    documents = [ExchangeFeatures(*vars(each).values(), "ham") for each in words]
    baselines = JobBaselines(FakeJobs(tmp_path), store, FakeLineage("none"))
    baselines.start_traffic(profile, documents)
    loaded = baselines.load(profile)
    assert (loaded.training.size, dict(loaded.training.counts[Feature.LABELS])) == (60, {"ham": 60})


def test_the_values_of_attributes_are_profiled_for_themselves(store, tmp_path):
    sink = io.BytesIO()
    rows = {
        "text": [f"Letter number {n}, with words." for n in range(400)],
        "attributes": [[("tenant", "a" if n % 2 else "b"), ("region", "eu")] for n in range(400)],
    }
    schema = pa.schema({"text": pa.string(), "attributes": pa.map_(pa.string(), pa.string())})
    pq.write_table(pa.table(rows, schema=schema), sink)
    profile = replace(PROFILE, slices=("tenant", "region", "missing"))
    jobs = FakeJobs(tmp_path)
    baselines = JobBaselines(jobs, store, FakeLineage(store.put_bytes(sink.getvalue())))
    baselines.start(profile)
    loaded = baselines.load(profile)
    assert {name: part.training.size for name, part in loaded.slices.items()} == {
        "tenant=a": 200,
        "tenant=b": 200,
    }
    assert loaded.slices["tenant=a"].tails.keys() == loaded.training.counts.keys()
