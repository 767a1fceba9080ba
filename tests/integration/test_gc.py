"""Garbage of a whole installation: what any room, job, manifest or engine refers to stays, the rest goes."""

import json
import os
import uuid
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy import text

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.database import Database
from ratoon.chassis.gc import GarbageCollector, GcSettings, collect, survey
from ratoon.chassis.gc_items import Limits
from ratoon.chassis.services import service_names
from ratoon.process.identity import ProcessIdentity
from ratoon.sdk.local.installation import Installation
from ratoon.testkit.waiting import until

LONG_AGO = 1_700_000_000
NOTHING_KEPT = Limits(grace_s=3600, keep_s=3600)


class House:
    """An installation of which all is old, unless a test makes it young."""

    def __init__(self, state: Path) -> None:
        self.installation = Installation(state)
        self.installation.migrate(lambda _line: None)
        self.rooms = [self.installation.settings(service) for service in service_names()]
        self.state, self.store = state, ArtifactStore(self.rooms[0].artifacts_url)

    def write(self, service: str, statement: str, **values: object) -> None:
        with closing(Database(self.installation.settings(service).database_url)) as database:
            with database.write() as connection:
                connection.execute(text(statement), values)

    def resource(
        self, service: str, table: str, name: str, body: object, time: str = "2024-01-01T00:00:00+00:00"
    ):
        columns = "name, parent, create_time, revision, body"
        self.write(
            service,
            f"INSERT INTO {table} ({columns}) VALUES (:name, '', :time, 1, :body)",
            name=name,
            time=time,
            body=json.dumps(body),
        )

    def file(self, path: str, content: str = "{}") -> Path:
        made = self.state / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(content)
        return made

    def age(self) -> None:
        for path in self.state.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))

    def collected(self) -> set[str]:
        found = collect(survey(self.rooms, NOTHING_KEPT))
        return {each.item.path.name for each in found}


@pytest.fixture
def house(tmp_path):
    return House(tmp_path / "state")


def test_what_a_resource_a_tree_or_a_report_refers_to_stays(house, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    tree, weights = house.store.put_tree(tmp_path / "model"), house.store.put_bytes(b"weights")
    answers = house.store.put_bytes(b"answers")
    report = house.store.put_bytes(json.dumps({"accuracy": 1.0, "answers": answers}).encode())
    house.resource("registry", "model_versions", "v", {"artifact_digest": tree})
    house.resource("evaluation", "evaluation_runs", "e", {"report_digest": report})
    orphan = house.store.put_bytes(b"nobody wants this")
    house.age()
    assert house.collected() == {orphan}
    assert all(house.store.exists(digest) for digest in (tree, weights, report, answers))


def test_what_is_put_again_is_young_again(house):
    orphan = house.store.put_bytes(b"soon to be referred to")
    house.age()
    house.store.put_bytes(b"soon to be referred to")
    assert house.collected() == set()
    assert house.store.exists(orphan)


def test_a_survey_that_is_old_removes_nothing_that_was_asked_for_since(house):
    orphan = house.store.put_bytes(b"soon to be referred to")
    house.age()
    found = survey(house.rooms, NOTHING_KEPT)
    assert house.store.intact(orphan)
    assert collect(found) == []


def test_an_object_store_is_collected_alike(house, tmp_path):
    url = f"memory://{uuid.uuid4().hex}"
    house.rooms = [room.model_copy(update={"artifacts_url": url}) for room in house.rooms]
    house.store = ArtifactStore(url)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    tree = house.store.put_tree(tmp_path / "model")
    orphan, again, young = (house.store.put_bytes(text) for text in (b"orphan", b"put again", b"young"))
    house.resource("registry", "model_versions", "v", {"artifact_digest": tree})
    for path, told in MemoryFileSystem.store.items():
        if not path.endswith(young):
            told.created = datetime.fromtimestamp(LONG_AGO, UTC)
    found = survey(house.rooms, NOTHING_KEPT)
    house.store.put_bytes(b"put again")
    assert {each.item.path.name for each in collect(found)} == {orphan}
    assert not house.store.exists(orphan)
    assert all(house.store.exists(digest) for digest in (tree, again, young))
    assert house.store.tree(tree)[0].path == "weights"


def test_jobs_stay_while_they_run_or_their_work_is_open(house):
    digest = house.store.put_bytes(b"what a running job reads")
    house.file("training/jobs/runs/spec.json", json.dumps({"train": digest}))
    mark = ProcessIdentity.current()
    house.file("training/jobs/runs/process.json", json.dumps(asdict(mark)))
    house.file("training/jobs/ended/result.json")
    house.file("evaluation/jobs/wanted/result.json")
    house.resource("evaluation", "evaluation_runs", "open", {}, time="2023-01-01T00:00:00+00:00")
    columns = "name, kind, epoch, due, lease_until, owner, fence, failures"
    operation = f"INSERT INTO operations ({columns}) VALUES ('open', 'EvaluationRun', '', 0, 0, '', 0, 0)"
    house.write("evaluation", operation)
    house.age()
    assert house.collected() == {"ended"}
    assert house.store.exists(digest)


def test_engines_models_and_checkpoints_stay_while_they_are_wanted(house):
    held, left = "a" * 64, "b" * 64
    house.file("serving/engines/wanted/engine.json", json.dumps({"model": f"models/{held}"}))
    house.file("serving/engines/dead/log.txt")
    for digest in (held, left):
        house.file(f"serving/models/{digest}/config.json")
        house.file(f"serving/models/{digest}.sig")
    house.file("training/work/0123/checkpoint")
    house.age()
    assert house.collected() == {"dead", left, f"{left}.sig", "0123"}


def test_nothing_is_decided_when_a_database_cannot_be_read(house):
    orphan = house.store.put_bytes(b"perhaps the lost database referred to this")
    house.age()
    (house.state / "registry" / "registry.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Exception, match="not a database"):
        house.collected()
    assert house.store.exists(orphan)


def test_the_control_process_collects_in_a_process_of_its_own(house, monkeypatch):
    orphan = house.store.put_bytes(b"nobody wants this")
    house.age()
    for service in service_names():
        monkeypatch.setenv(f"RATOON_{service.upper()}_STATE", str(house.state))
    collector = GarbageCollector(GcSettings(every_hours=0.0001))
    collector.start()
    try:
        until(lambda: not house.store.exists(orphan), 60, "the orphan is collected")
    finally:
        collector.stop()
