"""A backup of services on PostgreSQL, as docs/operations/backup.md has it: dumps, a copy of the artifacts, the keys."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as ingestion
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.operations import warm
from ratoon.registry.v1 import model_pb2
from ratoon.registry.v1 import registry_service_pb2 as registry
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit import postgresql
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings as IngestionSettings
from ratoon_registry.settings import Settings as RegistrySettings

PROJECT, DATASET = "projects/p", "projects/p/datasets/letters"
READY = dataset_pb2.DatasetVersion.STATE_READY
SERVICES = ("ingestion", "registry")


@dataclass(frozen=True)
class Place:
    """Databases of a server by their prefix."""

    server: postgresql.Server
    prefix: str

    def url(self, service: str) -> str:
        """Return the URL of the database of a service."""
        return self.server.url(f"{self.prefix}_{service}")

    def libpq(self, service: str) -> str:
        """Return the same for programs of PostgreSQL."""
        return self.url(service).replace("+psycopg", "")


@pytest.fixture
def places():
    """The databases that are backed up, and empty ones."""
    if reason := postgresql.missing():
        pytest.skip(reason)
    with postgresql.running_server() as server:
        yield Place(server, "old"), Place(server, "new")


def settings_on(place: Place, state):
    """Return the settings of the two services on these databases."""
    ingestion_settings = IngestionSettings(
        state=state.folder, processes=1, database_url=place.url("ingestion")
    )
    return [ingestion_settings, RegistrySettings(state=state.folder, database_url=place.url("registry"))]


def back_up(place: Place, state, target: Path):
    """Databases first, then the artifacts, then the keys."""
    target.mkdir()
    for name in SERVICES:
        dump = ["pg_dump", "--format=custom", f"--file={target / name}.dump", place.libpq(name)]
        subprocess.run(dump, check=True)
    for part in ("artifacts", "keys"):
        shutil.copytree(state.folder / part, target / part)
    shutil.copytree(state.folder / "ingestion", target / "ingestion", ignore=shutil.ignore_patterns("jobs"))


def restore(backup: Path, place: Place, folder: Path):
    """Into empty databases and an empty folder."""
    for name in SERVICES:
        database = f"--dbname={place.libpq(name)}"
        whole = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", database]
        subprocess.run([*whole, str(backup / f"{name}.dump")], check=True)
    for part in ("artifacts", "keys", "ingestion"):
        shutil.copytree(backup / part, folder / part)


def curate(state, text: str) -> dataset_pb2.DatasetVersion:
    """A dataset version of one source of forty letters."""
    rpc = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    lines = [
        json.dumps({"text": f"{text} number {n}: {'word ' * n}{n * 7919}", "id": str(n)}) for n in range(40)
    ]
    digest = ArtifactStore(f"{state.folder}/artifacts").put_bytes("\n".join(lines).encode())
    source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest, license="CC0-1.0")
    named = rpc.CreateSource(ingestion.CreateSourceRequest(parent=PROJECT, source=source)).name
    curation = dataset_pb2.Curation(near_duplicate_threshold=0, min_chars=1)
    new_version = dataset_pb2.DatasetVersion(sources=[named], curation=curation)
    request = ingestion.CreateDatasetVersionRequest(parent=DATASET, dataset_version=new_version)
    created = rpc.CreateDatasetVersion(request)
    *_, last = rpc.WatchDatasetVersion(ingestion.WatchDatasetVersionRequest(name=created.name), timeout=90)
    assert last.state == READY, last.failure
    return last


def records(state, version) -> list[str]:
    rpc = IngestionServiceStub(state.as_role(Role.VIEWER, "ingestion"))
    page = rpc.ListRecords(ingestion.ListRecordsRequest(parent=version.name, page_size=100))
    return [record.text for record in page.records]


def test_a_restored_dump_is_complete_and_work_continues(places, tmp_path):
    old, new = places
    state = State(tmp_path / "state")
    with running(settings_on(old, state)):
        rpc = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
        rpc.CreateDataset(ingestion.CreateDatasetRequest(parent=PROJECT, dataset_id="letters"))
        version = curate(state, "A letter")
        models = RegistryServiceStub(state.as_role(Role.ENGINEER, "registry"))
        model = models.CreateModel(
            registry.CreateModelRequest(
                parent=PROJECT, model_id="mail", model=model_pb2.Model(display_name="Mail")
            )
        )
        texts = records(state, version)
        back_up(old, state, tmp_path / "backup")
        curate(state, "Something after the backup")
    warm.stop(settings_on(old, state)[0].warm_folder)

    restore(tmp_path / "backup", new, tmp_path / "restored")
    restored = State(tmp_path / "restored")
    with running(settings_on(new, restored)):
        again = IngestionServiceStub(restored.as_role(Role.VIEWER, "ingestion"))
        versions = list(
            again.ListDatasetVersions(ingestion.ListDatasetVersionsRequest(parent=DATASET)).dataset_versions
        )
        assert [(each.name, each.merkle_root) for each in versions] == [(version.name, version.merkle_root)]
        assert records(restored, version) == texts
        shown = RegistryServiceStub(restored.as_role(Role.VIEWER, "registry"))
        assert shown.GetModel(registry.GetModelRequest(name=model.name)) == model
        following = curate(restored, "The next letter")
        assert following.name != version.name
        assert len(records(restored, following)) == 40
    warm.stop(settings_on(new, restored)[0].warm_folder)
