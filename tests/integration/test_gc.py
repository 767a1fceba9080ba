"""Garbage collection of an installation: what a service, job, manifest or engine refers to stays, the rest goes."""

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

from ratoon.local.installation import Installation
from ratoon.process.identity import ProcessIdentity
from ratoon.runtime.services import service_names
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.gc import GarbageCollector, GcSettings, collect, survey
from ratoon.storage.gc_items import Limits
from ratoon.testkit.migrated import migrate_all
from ratoon.testkit.waiting import until

LONG_AGO = 1_700_000_000
NOTHING_RETAINED = Limits(grace_s=3600, keep_s=3600)


class Environment:
    """An installation whose files are old, unless a test changes them."""

    def __init__(self, state: Path) -> None:
        self.installation = Installation(state)
        self.settings = [self.installation.settings(service) for service in service_names()]
        migrate_all(self.settings)
        self.state, self.store = state, ArtifactStore(self.settings[0].artifacts_url)

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
        target = self.state / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        return target

    def age(self) -> None:
        for path in self.state.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))

    def collected(self) -> set[str]:
        plan = collect(survey(self.settings, NOTHING_RETAINED))
        return {each.item.path.name for each in plan}


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "state")


def test_what_a_resource_a_tree_or_a_report_refers_to_stays(environment, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    tree, weights = environment.store.put_tree(tmp_path / "model"), environment.store.put_bytes(b"weights")
    answers = environment.store.put_bytes(b"answers")
    report = environment.store.put_bytes(json.dumps({"accuracy": 1.0, "answers": answers}).encode())
    environment.resource("registry", "model_versions", "v", {"artifact_digest": tree})
    environment.resource("evaluation", "evaluation_runs", "e", {"report_digest": report})
    orphan = environment.store.put_bytes(b"nobody wants this")
    environment.age()
    assert environment.collected() == {orphan}
    assert all(environment.store.exists(digest) for digest in (tree, weights, report, answers))


def test_what_is_put_again_is_young_again(environment):
    orphan = environment.store.put_bytes(b"soon to be referred to")
    environment.age()
    environment.store.put_bytes(b"soon to be referred to")
    assert environment.collected() == set()
    assert environment.store.exists(orphan)


def test_an_old_survey_removes_nothing_that_was_requested_since(environment):
    orphan = environment.store.put_bytes(b"soon to be referred to")
    environment.age()
    plan = survey(environment.settings, NOTHING_RETAINED)
    assert environment.store.intact(orphan)
    assert collect(plan) == []


def test_an_object_store_is_collected_alike(environment, tmp_path):
    url = f"memory://{uuid.uuid4().hex}"
    environment.settings = [each.model_copy(update={"artifacts_url": url}) for each in environment.settings]
    environment.store = ArtifactStore(url)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    tree = environment.store.put_tree(tmp_path / "model")
    orphan, again, young = (environment.store.put_bytes(text) for text in (b"orphan", b"put again", b"young"))
    environment.resource("registry", "model_versions", "v", {"artifact_digest": tree})
    for path, entry in MemoryFileSystem.store.items():
        if not path.endswith(young):
            entry.created = datetime.fromtimestamp(LONG_AGO, UTC)
    plan = survey(environment.settings, NOTHING_RETAINED)
    environment.store.put_bytes(b"put again")
    assert {each.item.path.name for each in collect(plan)} == {orphan}
    assert not environment.store.exists(orphan)
    assert all(environment.store.exists(digest) for digest in (tree, again, young))
    assert environment.store.tree(tree)[0].path == "weights"


def test_jobs_stay_while_they_run_or_their_work_is_open(environment):
    digest = environment.store.put_bytes(b"what a running job reads")
    environment.file("training/jobs/runs/spec.json", json.dumps({"train": digest}))
    mark = ProcessIdentity.current()
    environment.file("training/jobs/runs/process.json", json.dumps(asdict(mark)))
    environment.file("training/jobs/ended/result.json")
    environment.file("evaluation/jobs/wanted/result.json")
    environment.resource("evaluation", "evaluation_runs", "open", {}, time="2023-01-01T00:00:00+00:00")
    columns = "name, kind, epoch, due, lease_until, owner, fence, failures"
    operation = f"INSERT INTO operations ({columns}) VALUES ('open', 'EvaluationRun', '', 0, 0, '', 0, 0)"
    environment.write("evaluation", operation)
    environment.age()
    assert environment.collected() == {"ended"}
    assert environment.store.exists(digest)


def test_engines_models_and_checkpoints_stay_while_they_are_in_use(environment):
    held, left = "a" * 64, "b" * 64
    environment.file("serving/engines/wanted/engine.json", json.dumps({"model": f"models/{held}"}))
    environment.file("serving/engines/dead/log.txt")
    for digest in (held, left):
        environment.file(f"serving/models/{digest}/config.json")
        environment.file(f"serving/models/{digest}.sig")
    environment.file("training/work/0123/checkpoint")
    environment.age()
    assert environment.collected() == {"dead", left, f"{left}.sig", "0123"}


def test_nothing_is_decided_when_a_database_cannot_be_read(environment):
    orphan = environment.store.put_bytes(b"perhaps the lost database referred to this")
    environment.age()
    (environment.state / "registry" / "registry.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Exception, match="not a database"):
        environment.collected()
    assert environment.store.exists(orphan)


def test_the_control_process_collects_in_a_process_of_its_own(environment, monkeypatch, tmp_path):
    orphan = environment.store.put_bytes(b"nobody wants this")
    environment.age()
    for service in service_names():
        monkeypatch.setenv(f"RATOON_{service.upper()}_STATE", str(environment.state))
    impatient = (
        tmp_path / "bin" / "nice"
    )  # on a busy machine the real one lets the collection wait for minutes
    impatient.parent.mkdir()
    impatient.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    impatient.chmod(0o755)
    monkeypatch.setenv("PATH", f"{impatient.parent}:{os.environ['PATH']}")
    collector = GarbageCollector(GcSettings(every_hours=0.0001))
    collector.start()
    try:
        until(lambda: not environment.store.exists(orphan), 60, "the orphan is collected")
    finally:
        collector.stop()
