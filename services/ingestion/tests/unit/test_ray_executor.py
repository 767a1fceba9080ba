"""Curation on Ray without Ray: what a worker fetches, keeps and refuses, and which executor a spec names."""

import os
import subprocess
from pathlib import Path

import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker import ray_executor
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.executor import ProcessPool, executor_of
from ratoon_ingestion.worker.ray_executor import RayCluster, WorkersDiffer, curate_remotely
from ratoon_ingestion.worker.readers import SourceSpec
from ratoon_ingestion.worker.stages import StageSettings

SETTINGS = StageSettings(bytes(32), CurationConfig())
NOTHING = items_batch(SourceSpec("projects/p/sources/s", "", "JSONL"), [])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(ray_executor, "_places", {})
    return ArtifactStore(str(tmp_path / "artifacts"))


def tree(store: ArtifactStore, folder: Path, text: str) -> str:
    (folder / text).mkdir()
    (folder / text / "file").write_text(text)
    return store.put_tree(folder / text)


def test_a_spec_without_an_executor_takes_the_pool(tmp_path):
    store = ArtifactStore(str(tmp_path))
    assert executor_of(CurationSpec(processes=3), store, tmp_path) == ProcessPool(3, tmp_path)
    assert executor_of(CurationSpec(processes=3, executor="ray"), store, tmp_path) == RayCluster(store, 3)


def test_a_worker_keeps_the_trees_of_its_job_alone(store, tmp_path):
    first, second = tree(store, tmp_path, "first"), tree(store, tmp_path, "second")
    both = ray_executor._fetched(store.url, frozenset({first, second}))
    places = {digest: Path(place) for digest, place in both.items()}
    assert (places[first] / "file").read_text() == "first"
    again = ray_executor._fetched(store.url, frozenset({second}))
    assert again == {second: str(places[second])}
    assert not places[first].exists()


def test_a_worker_removes_what_a_killed_one_left(store, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = tmp_path / "tmp" / f"ratoon-curation-{gone.pid}-x"
    running = tmp_path / "tmp" / f"ratoon-curation-{os.getpid()}-x"
    left.mkdir()
    running.mkdir()
    ray_executor._fetched(store.url, frozenset({tree(store, tmp_path, "text")}))
    assert (left.exists(), running.exists()) == (False, True)


def test_every_text_of_the_settings_is_a_directory_that_workers_get():
    """RayCluster sends the directories that settings name, and takes each text for one."""
    texts = {name for name, value in vars(SETTINGS).items() if isinstance(value, str)}
    assert texts <= {"contamination", "embedding_model", "models"}
    assert ray_executor._folders(SETTINGS) == {}


def test_a_worker_of_another_release_refuses_a_batch(store):
    with pytest.raises(WorkersDiffer, match=r"The job runs Ratoon 9\.9, a Ray worker runs"):
        curate_remotely(NOTHING, SETTINGS, {}, store.url, "9.9")
