"""What one project's import does to the imports of others: nothing that lasts."""

import io
import json
import random
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.operations import warm
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

States = dataset_pb2.DatasetVersion.State
WORDS = [
    f"{a}{b}{c}" for a in "bdfgklm" for b in ("an", "el", "or", "un") for c in ("der", "sam", "tig", "wort")
]


def long_import() -> bytes:
    """Texts of 6 MB each: minutes of work in an archive of a few megabytes."""
    drawn = random.Random(1)
    page = (" ".join(drawn.choice(WORDS) for _ in range(20_000)) + ".\n").encode()
    text = page * (6_000_000 // len(page))
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz", compresslevel=1) as archive:
        for number in range(40):
            info = tarfile.TarInfo(f"a/{number}.txt")
            data = f"Number {number}.\n".encode() + text
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


@pytest.fixture
def state(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[State]:
    state = State(tmp_path)
    settings = Settings(state=state.folder, processes=1, **request.param)
    with running([settings]):
        yield state
    warm.stop(settings.warm_folder)


class Project:
    """One project of the service."""

    def __init__(self, state: State, name: str) -> None:
        self.parent = f"projects/{name}"
        self.rpc = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
        self.store = ArtifactStore(f"{state.folder}/artifacts")
        self.rpc.CreateDataset(pb.CreateDatasetRequest(parent=self.parent, dataset_id="d"))

    def start(self, data: bytes, format: int) -> str:
        """Import and curate; the version's name."""
        source = source_pb2.Source(format=format, digest=self.store.put_bytes(data), license="CC0-1.0")
        created = self.rpc.CreateSource(pb.CreateSourceRequest(parent=self.parent, source=source))
        version = dataset_pb2.DatasetVersion(
            sources=[created.name], curation=dataset_pb2.Curation(min_chars=0)
        )
        request = pb.CreateDatasetVersionRequest(parent=f"{self.parent}/datasets/d", dataset_version=version)
        return self.rpc.CreateDatasetVersion(request).name

    def version(self, name: str) -> dataset_pb2.DatasetVersion:
        return self.rpc.GetDatasetVersion(pb.GetDatasetVersionRequest(name=name))

    def ended(self, name: str) -> dataset_pb2.DatasetVersion:
        *_, last = self.rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=name), timeout=120)
        return last

    def cancel(self, name: str) -> None:
        self.rpc.CancelDatasetVersion(pb.CancelDatasetVersionRequest(name=name))
        self.ended(name)


def few_rows() -> bytes:
    return "\n".join(
        json.dumps({"text": f"Letter {n} of a few, about the garden."}) for n in range(5)
    ).encode()


@pytest.mark.parametrize("state", [{}], indirect=True)
def test_a_long_import_of_one_project_does_not_hold_anothers(state):
    greedy, other = Project(state, "greedy"), Project(state, "other")
    long = greedy.start(long_import(), source_pb2.Source.FORMAT_TEXT_ARCHIVE)
    while greedy.version(long).progress.done == 0:
        assert greedy.version(long).state in (States.STATE_QUEUED, States.STATE_RUNNING)
        time.sleep(0.1)
    more = greedy.start(few_rows(), source_pb2.Source.FORMAT_JSONL)
    short = other.start(few_rows(), source_pb2.Source.FORMAT_JSONL)
    assert other.ended(short).state == States.STATE_READY
    assert greedy.version(long).state == States.STATE_RUNNING
    assert greedy.version(more).state in (States.STATE_QUEUED, States.STATE_RUNNING)
    greedy.cancel(long)
    assert greedy.ended(more).state == States.STATE_READY


@pytest.mark.thorough
@pytest.mark.parametrize("state", [{"job_time_limit_s": 4, "lanes": 1}], indirect=True)
def test_an_import_beyond_its_time_fails_with_a_sentence_and_the_next_one_runs(state):
    project = Project(state, "greedy")
    long = project.start(long_import(), source_pb2.Source.FORMAT_TEXT_ARCHIVE)
    failed = project.ended(long)
    assert (failed.state, failed.failure.reason) == (States.STATE_FAILED, "JOB_TIME_LIMIT")
    assert "ran longer than 4 s" in failed.failure.message
    short = project.start(few_rows(), source_pb2.Source.FORMAT_JSONL)
    assert project.ended(short).state == States.STATE_READY
