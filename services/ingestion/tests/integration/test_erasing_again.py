"""An erasure that is interrupted anywhere is carried out again, to the last blob; two of a project go one by one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.operations import Operations
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.testkit.clock import FakeClock
from ratoon_ingestion import mapping
from ratoon_ingestion.adapters import tables
from ratoon_ingestion.application.commands import CreateErasure, CreateSource, CreateVersion
from ratoon_ingestion.application.erasing import ErasureProcedure
from ratoon_ingestion.application.handlers import create_erasure, create_source, create_version
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure, Plan, Redaction, Rewritten, Trace
from ratoon_ingestion.domain.errors import ErasureUnderWay
from ratoon_ingestion.domain.sources import Format, Source
from ratoon_ingestion.domain.work import State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
P, DATASET = "projects/p", "projects/p/datasets/d"
VERSION, SOURCE = f"{DATASET}/versions/v1", f"{P}/sources/s"
OLD_TREE, NEW_TREE, OLD_BLOB, NEW_BLOB = "1" * 64, "2" * 64, "3" * 64, "4" * 64
RECORD = "a" * 64
RESULT = Redaction(
    Plan(
        versions={VERSION: Rewritten(NEW_TREE, 1)},
        sources={SOURCE: NEW_BLOB},
        blobs=(OLD_TREE, OLD_BLOB),
        text_digests=("f" * 64,),
    ),
    (Trace(RECORD, (VERSION,)),),
)


class Worker:
    """Jobs that have ended well as soon as they are begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def observe(self, job_id: str) -> JobObservation[Redaction]:
        return (
            JobObservation(Phase.SUCCEEDED, result=RESULT)
            if job_id in self.begun
            else JobObservation(Phase.ABSENT)
        )

    def start(self, job_id: str, job: object) -> None:
        self.begun.append(job_id)

    def forget(self, job_id: str) -> None:
        raise AssertionError("nothing is lost here")

    def stop(self, job_id: str) -> None:
        raise AssertionError("an erasure cannot be cancelled")


class Blobs:
    """A store whose first erasures fail."""

    def __init__(self, existing: Sequence[str], failures: int) -> None:
        self.existing, self.failures, self.erased = set(existing), failures, list[str]()

    def exists(self, digest: str) -> bool:
        return digest in self.existing

    def check_if_tree(self, digest: str) -> None:
        """There are no trees here."""

    def erase(self, digest: str, why: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is away")
        self.existing.discard(digest)
        self.erased.append(digest)


class ErasureHarness:
    """A version of one source, and a way to go on with what is under way."""

    def __init__(self, database: Database, failures: int, sources: Sequence[str] = (P,)) -> None:
        self.clock = FakeClock()
        with database.write() as connection:
            tables.METADATA.create_all(connection)
        self.store = Store(
            database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), self.clock
        )
        self.blobs = Blobs([OLD_TREE, OLD_BLOB, NEW_TREE, NEW_BLOB], failures)
        procedure = ErasureProcedure(self.store, Worker(), self.blobs)
        table = tables.METADATA.tables["operations"]
        self.operations = Operations(self.store, table, [procedure], self.clock)
        version = DatasetVersion(
            VERSION, NOW, NOW, (SOURCE,), CurationConfig(), State.READY, artifact_digest=OLD_TREE
        )
        with self.store.write() as tx:
            for project in sources:
                tx.create(Source(f"{project}/sources/s", NOW, NOW, Format.JSONL, OLD_BLOB))
            tx.create(Dataset(DATASET, NOW, NOW))
            tx.create(version)

    def erase(self, record: str = RECORD) -> str:
        request = CreateErasure(P, "", (record,), "asked for")
        return create_erasure(request, self.store, self.operations, self.clock).name

    def tick(self, count: int) -> None:
        for _ in range(count):
            self.operations.run_due()
            self.clock.advance(20)

    def get(self, kind: type, name: str):
        with self.store.read() as tx:
            return tx.get(kind, name)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """SQLite, whose leases go by the clock that is moved by hand here; PostgreSQL's go by its own."""
    return Database(f"sqlite:///{tmp_path / 'ingestion.db'}")


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_what_is_interrupted_is_carried_out_again(database, failures):
    harness = ErasureHarness(database, failures)
    name = harness.erase()
    harness.tick(12)
    assert harness.get(Erasure, name).state is State.READY
    assert harness.blobs.existing == {NEW_TREE, NEW_BLOB}
    version = harness.get(DatasetVersion, VERSION)
    assert (version.state, version.readable_digest, version.erased_count) == (State.REDACTED, NEW_TREE, 1)
    assert harness.get(Source, SOURCE).digest == NEW_BLOB


def test_a_blob_that_another_project_imported_too_stays(database):
    harness = ErasureHarness(database, 0, [P, "projects/q"])
    name = harness.erase()
    harness.tick(8)
    assert harness.get(Erasure, name).state is State.READY
    assert harness.blobs.existing == {OLD_BLOB, NEW_TREE, NEW_BLOB}


def test_erasures_go_one_by_one_and_nothing_new_is_created_meanwhile(database):
    harness = ErasureHarness(database, 0)
    first = harness.erase()
    harness.clock.advance(1)
    second = harness.erase("b" * 64)
    request = CreateVersion(DATASET, "", (SOURCE,), CurationConfig())
    with pytest.raises(ErasureUnderWay, match=first):
        create_version(request, harness.store, harness.operations, harness.clock)
    named = CreateSource(P, "", Format.JSONL, OLD_BLOB)
    with pytest.raises(ErasureUnderWay, match=first):
        create_source(named, harness.store, harness.blobs, harness.clock)
    harness.tick(2)
    assert harness.get(Erasure, second).state is State.QUEUED
    harness.tick(12)
    assert {harness.get(Erasure, name).state for name in (first, second)} == {State.READY}
    harness.clock.advance(1)
    assert create_version(request, harness.store, harness.operations, harness.clock).state is State.QUEUED
