"""Which project an artifact belongs to: who put its bytes there, and whose resources refer to it."""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import MetaData

from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.runtime.server import Threads
from ratoon.security.identity import Principal, Role
from ratoon.service import app
from ratoon.service.app import ServiceRuntime
from ratoon.storage import artifacts as artifacts_module
from ratoon.storage import gc_items, outbox, ownership
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon.storage.database import Database
from ratoon.storage.ownership import Owners, StoredOwners, check_request
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table
from ratoon.training.v1 import training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OURS = Principal("projects/p/apiKeys/k", Role.ENGINEER, "p")
OPERATOR = Principal("projects/-/apiKeys/k", Role.OPERATOR)
NOWHERE = "0" * 64


@dataclass(frozen=True)
class Result:
    artifact_digest: str = ""
    report: str = field(default="", metadata={"artifact": True})
    note: str = ""


@dataclass(frozen=True)
class Run:
    name: str
    create_time: datetime
    update_time: datetime
    train_digest: str = ""
    content_digest: str = ""
    results: tuple[Result, ...] = ()
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def store_of(artifacts: ArtifactStore | None = None) -> Store:
    metadata = MetaData()
    tables = {Run: resource_table(metadata, "runs")}
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)
    grant = {} if artifacts is None else {"grant": Owners(artifacts).grant}
    return Store(database, tables, lambda *_: None, outbox.append, PageTokens(b"secret"), **grant)


def request(digest: str, parent: str = "projects/p") -> pb.CreateTrainingRunRequest:
    run = training_run_pb2.TrainingRun(train_digest=digest)
    return pb.CreateTrainingRunRequest(parent=parent, training_run=run)


def test_a_digest_alone_opens_nothing(artifacts):
    digest = artifacts.put_bytes(b"theirs")
    artifacts.grant("q", digest)
    for unknown in (digest, NOWHERE):
        with pytest.raises(NotFound) as raised:
            check_request(artifacts, OURS, request(unknown))
        assert (raised.value.reason, raised.value.field) == (
            "ARTIFACT_NOT_FOUND",
            "training_run.train_digest",
        )
    artifacts.grant("p", digest)
    check_request(artifacts, OURS, request(digest))


def test_what_the_operator_refers_to_belongs_to_the_project(artifacts):
    digest = artifacts.put_bytes(b"uploaded by the operator of the installation")
    check_request(artifacts, OPERATOR, request(digest))
    assert artifacts.owned("p", digest)
    assert not artifacts.owned("q", digest)


def test_what_is_not_there_yet_belongs_to_nobody_in_advance(artifacts):
    later = b"to come"
    digest = ArtifactStore(str(artifacts.folder) + "-elsewhere").put_bytes(later)
    check_request(artifacts, OPERATOR, request(digest))
    artifacts.put_bytes(later)
    assert not artifacts.owned("p", digest)


def test_a_stored_resource_owns_what_its_fields_refer_to_and_no_words_of_a_caller(artifacts):
    ours, text, words = (artifacts.put_bytes(each) for each in (b"ours", b"a text", b"of others"))
    result_digest = artifacts.put_bytes(b"made by a job")
    store = store_of(artifacts)
    with store.write() as tx:
        run = Run("projects/p/runs/r", NOW, NOW, ours, text, labels_by_folder={"digest": words, words: words})
        run, _ = tx.create(run)
        tx.save(replace(run, results=(Result(result_digest),)))
    assert [artifacts.owned("p", each) for each in (ours, result_digest, text, words)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_field_that_is_marked_refers_to_an_artifact_whatever_its_name(artifacts):
    report, note = artifacts.put_bytes(b"a report"), artifacts.put_bytes(b"of others")
    store = store_of()
    with store.write() as tx:
        tx.create(Run("projects/p/runs/r", NOW, NOW, results=(Result(report=report, note=note),)))
    StoredOwners("evaluation", store, artifacts).grant_all()
    assert [artifacts.owned("p", each) for each in (report, note)] == [True, False]


def test_who_owns_a_tree_owns_its_files(artifacts, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "empty").touch()
    tree = artifacts.put_tree(tmp_path / "model")
    artifacts.grant("p", tree)
    assert all(artifacts.owned("p", each) for each in (tree, *(f.sha256 for f in artifacts.tree(tree))))


@pytest.mark.parametrize("form", ['{"files":[%s]}', ' { "files" : [ %s ] }', '{"files":[],"files":[%s]}'])
def test_a_tree_of_files_that_the_project_has_not_is_found_out(artifacts, form):
    theirs, ours = artifacts.put_bytes(b"theirs"), artifacts.put_bytes(b"ours")
    artifacts.grant("p", ours)
    rows = [
        json.dumps({"path": name, "sha256": digest, "size": 4})
        for name, digest in (("a", ours), ("b", theirs))
    ]
    tree = artifacts.put_bytes((form % ",".join(rows)).encode())
    with pytest.raises(InvalidArgument) as raised:
        artifacts.check_owned_tree("p", tree)
    assert raised.value.reason == "TREE_FILE_MISSING"
    artifacts.check_owned_tree("p", artifacts.put_bytes((form % rows[0]).encode()))


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf{"files":[]}',
        '{"files":[]}'.encode("utf-16"),
        b'{"x":1,"files":[]}',
        b" " * 9 + b'{"files":[]}',
    ],
)
def test_only_what_begins_as_a_manifest_is_a_tree(artifacts, data):
    with pytest.raises(FailedPrecondition, match="no tree"):
        artifacts.tree(artifacts.put_bytes(data))


@pytest.mark.parametrize("project", ["-", "..", "a/b", "", "P"])
def test_only_a_project_can_own(artifacts, project):
    digest = artifacts.put_bytes(b"x")
    artifacts.grant(project, digest)
    assert not artifacts.owned(project, digest)
    assert not (artifacts.folder / "owners").exists()


def test_owners_go_with_the_blob_and_not_those_that_came_just_now(artifacts):
    old, new = artifacts.put_bytes(b"old"), artifacts.put_bytes(b"new")
    for digest in (old, new):
        artifacts.grant("p", digest)
    age = time.time() - 7 * 24 * 3600
    os.utime(artifacts.folder / "owners" / old[:2] / old / "p", (age, age))
    for item in list(gc_items.artifacts(artifacts.folder)):
        assert gc_items.remove(gc_items.Removal(item, "nothing refers to it"))
    fresh = ArtifactStore(str(artifacts.folder))
    assert (fresh.owned("p", old), fresh.owned("p", new)) == (False, True)


def test_what_an_older_version_stored_is_given_to_its_projects_once(artifacts):
    digest = artifacts.put_bytes(b"of the last release")
    store = store_of()
    with store.write() as tx:
        for number in range(1203):
            tx.create(
                Run(f"projects/p{number % 2}/runs/r{number}", NOW, NOW, digest if number > 1200 else "")
            )
    work = StoredOwners("training", store, artifacts)
    work.start()
    work._thread.join()
    assert [artifacts.owned(project, digest) for project in ("p0", "p1", "p2")] == [True, True, False]
    assert artifacts.noted("restricted-training") is not None
    again = StoredOwners("training", store, artifacts)
    os.utime(artifacts.folder / "owners" / ".restricted-training", (0, 0))
    again.grant_all = pytest.fail
    again.start()
    again.stop()


def test_owners_are_noted_once_the_object_store_is_there(artifacts, monkeypatch):
    digest = artifacts.put_bytes(b"of the last release")
    store = store_of()
    with store.write() as tx:
        tx.create(Run("projects/p/runs/r", NOW, NOW, digest))
    grant, faults = artifacts.grant, [OSError("away"), OSError("away")]

    def away_at_first(project, digest):
        if faults:
            raise faults.pop()
        grant(project, digest)

    monkeypatch.setattr(artifacts, "grant", away_at_first)
    monkeypatch.setattr(ownership, "_AGAIN_S", 0.0)
    work = StoredOwners("training", store, artifacts)
    work.start()
    work._thread.join()
    assert artifacts.owned("p", digest)
    assert artifacts.noted("restricted-training") is not None


@pytest.mark.parametrize("count", [1, 40_000])
def test_a_large_request_is_looked_through_beside_the_event_loop(artifacts, monkeypatch, count):
    where = []
    monkeypatch.setattr(app, "digests_in", lambda _request: where.append("loop"))
    monkeypatch.setattr(app, "check_request", lambda *_: where.append("beside"))

    async def check():
        runtime = SimpleNamespace(threads=Threads("test", 1), artifacts=artifacts)
        create = request(NOWHERE)
        create.training_run.recipe.sweep = "x" * count
        await ServiceRuntime._check_artifacts(runtime, OURS, create)
        runtime.threads.close()

    asyncio.run(check())
    assert where == (["loop"] if count == 1 else ["beside"])


def test_a_manifest_lists_what_the_store_has(artifacts):
    file = TreeFile("a", artifacts.put_bytes(b"1234"), 4)
    assert artifacts.tree(artifacts.put_manifest([file])) == [file]


def test_nothing_is_read_whole_to_see_that_it_is_no_tree(artifacts, monkeypatch):
    archive = artifacts.put_bytes(b"PK" + b"0" * 1000)
    large = artifacts.put_bytes(b'{"files":[' + b" " * 1000 + b"]}")
    monkeypatch.setattr(artifacts_module, "LARGEST_MANIFEST", 500)
    monkeypatch.setattr(artifacts, "read", lambda _digest: pytest.fail("it was read"))
    for digest in (archive, large):
        artifacts.check_owned_tree("p", digest)
        with pytest.raises(FailedPrecondition, match="no tree"):
            artifacts.tree(digest)


def test_garbage_collection_follows_every_form_of_a_manifest(artifacts):
    file = artifacts.put_bytes(b"1234")
    row = json.dumps({"path": "a", "sha256": file, "size": 4})
    for form in ('{"files":[%s]}', ' { "files" : [ %s ] }'):
        tree = artifacts.put_bytes((form % row).encode())
        assert gc_items.with_content(artifacts, [tree]) == {tree, file}


@dataclass(frozen=True)
class Raw:
    name: str
    artifact_digest: str = field(metadata={"restricted": True})


def test_raw_data_is_restricted_to_engineers_of_its_project_and_not_the_files_of_its_tree(
    artifacts, tmp_path
):
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "one").write_text("a mail")
    tree, other = artifacts.put_tree(tmp_path / "mails"), artifacts.put_bytes(b"a report")
    Owners(artifacts).grant(Raw("projects/p/sources/s", tree))
    Owners(artifacts).grant(Frozen("projects/p/sets/s", other))
    (file,) = artifacts.tree(tree)
    assert [artifacts.is_restricted("p", each) for each in (tree, file.sha256, other)] == [True, False, False]
    assert artifacts.is_restricted("-", tree) and not artifacts.is_restricted("q", tree)
    assert not artifacts.is_sealed("p", tree)


@dataclass(frozen=True)
class Frozen:
    name: str
    artifact_digest: str = ""
    answers: str = field(default="", metadata={"artifact": True, "sealed": True})
    parts: Mapping[str, Result] = field(default_factory=dict)

    @property
    def sealed_blobs(self) -> tuple[str, ...]:
        return (self.artifact_digest, "")


def test_what_a_resource_seals_is_withheld_from_callers_of_its_project_until_the_blob_is_gone(
    artifacts, monkeypatch
):
    tree, answers, part = (artifacts.put_bytes(each) for each in (b"tree", b"answers", b"part"))
    frozen = Frozen("projects/p/sets/s", tree, answers, {"train": Result(part)})
    Owners(artifacts).grant(frozen)
    assert [artifacts.is_sealed("p", each) for each in (tree, answers, part)] == [True, True, False]
    assert [artifacts.is_sealed("q", each) for each in (tree, answers)] == [False, False]
    assert artifacts.is_sealed("-", tree)
    assert artifacts.owned("p", tree)
    monkeypatch.setattr(artifacts_module, "_YOUNG_S", -1.0)
    artifacts.delete(tree)
    artifacts.disown(tree)
    assert not artifacts.is_sealed("p", tree)
    assert not artifacts.owned("q", tree)
