"""A curation outlives its worker and the service: killed or restarted, it ends as if nothing had happened."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

DATASET = "projects/p/datasets/mail"
ROWS = 1_500


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with State(tmp_path_factory.mktemp("ingestion")) as state:
        yield state


def settings(state: State) -> Settings:
    return Settings(state=state.folder, processes=2)


def stub(state: State) -> IngestionServiceStub:
    return IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))


def begun(state: State, dataset: str) -> str:
    """A version of its own dataset whose curation is under way."""
    rpc = stub(state)
    lines = [
        {"text": f"{dataset} {n} " + " ".join(f"word{n * 31 + k}" for k in range(40))} for n in range(ROWS)
    ]
    digest = ArtifactStore(f"{state.folder}/artifacts").put_bytes("\n".join(map(json.dumps, lines)).encode())
    source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest)
    name = rpc.CreateSource(pb.CreateSourceRequest(parent="projects/p", source=source)).name
    rpc.CreateDataset(pb.CreateDatasetRequest(parent="projects/p", dataset_id=dataset))
    version = dataset_pb2.DatasetVersion(sources=[name])
    parent = f"projects/p/datasets/{dataset}"
    created = rpc.CreateDatasetVersion(pb.CreateDatasetVersionRequest(parent=parent, dataset_version=version))
    while not rpc.GetDatasetVersion(pb.GetDatasetVersionRequest(name=created.name)).progress.done:
        time.sleep(0.02)
    return created.name


def ended(state: State, name: str) -> dataset_pb2.DatasetVersion:
    *_, last = stub(state).WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=name), timeout=120)
    return last


def running_jobs(folder: Path) -> list[int]:
    jobs = [job for job in folder.glob("ingestion/jobs/*") if not (job / "result.json").exists()]
    return [json.loads((job / "process.json").read_text())["pid"] for job in jobs]


def test_a_killed_worker_is_started_again(state):
    with running([settings(state)]):
        name = begun(state, "killed")
        for pid in running_jobs(state.folder):
            os.killpg(pid, signal.SIGKILL)
        version = ended(state, name)
    assert version.state == dataset_pb2.DatasetVersion.STATE_READY, version.failure
    assert (version.item_count, version.record_count) == (ROWS, ROWS)


def test_a_restarted_service_takes_the_work_over(state):
    with running([settings(state)]):
        name = begun(state, "restarted")
    with running([settings(state)]):
        version = ended(state, name)
    assert version.state == dataset_pb2.DatasetVersion.STATE_READY, version.failure
    assert version.record_count == ROWS
