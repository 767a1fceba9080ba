"""A large label set is recorded by a process of its own; where that fails, by this one."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.tasks.classify import Classify
from ratoon.testkit.clock import FakeClock
from ratoon_labeling.adapters import recording
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.adapters.recording import ProcessLedger
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import Frozen, LabelSet
from ratoon_labeling.domain.tasks import Task

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LABEL_SET = LabelSet(
    "projects/p/labelSets/l", NOW, NOW, "projects/p/datasets/d/versions/v1", "d", "projects/p/guidelines/g",
    Classify(("ham", "spam")), ConflictPolicy.HUMAN_FIRST,
)  # fmt: skip


@pytest.fixture
def database(databases, tmp_path: Path):
    url = databases.url("labeling-recording", tmp_path) or f"sqlite:///{tmp_path}/labeling.db"
    migrate("labeling", url)
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def frozen(artifacts: ArtifactStore) -> Frozen:
    common = {"content_digest": "c", "annotator": "projects/p/sources/s"}
    imported = [common | {"record_id": f"r{number}", "label": "ham"} for number in range(2500)]
    tasks = [{"record_id": "r1", "content_digest": "c", "proposed_label": "ham", "reason": "review-sample"}]
    blobs = [
        artifacts.put_bytes("\n".join(map(json.dumps, lines)).encode() if lines else b"")
        for lines in (imported, tasks)
    ]
    return Frozen("digest", *blobs, {"ham": 2500}, 0, 0, 0)


def counted(database: Database) -> tuple[int, int]:
    with database.read() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(RESOURCES[kind])).scalar_one()
            for kind in (Annotation, Task)
        )


def test_a_large_label_set_is_recorded_by_another_process_once(database, artifacts, frozen, monkeypatch):
    ledger = ProcessLedger(database, artifacts, FakeClock())
    monkeypatch.setattr(recording, "_SMALL", 100)
    monkeypatch.setattr(BulkLedger, "record", lambda *_: pytest.fail("this process records"))
    for _ in range(2):
        ledger.record(LABEL_SET, frozen)
        assert ledger.is_recorded(LABEL_SET.name)
        assert counted(database) == (2500, 1)


def test_a_small_label_set_is_recorded_at_once(database, artifacts, frozen, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere")
    ProcessLedger(database, artifacts, FakeClock()).record(LABEL_SET, frozen)
    assert counted(database) == (2500, 1)


def test_a_process_that_fails_is_named_and_this_one_goes_on(database, artifacts, frozen, monkeypatch, caplog):
    ledger = ProcessLedger(database, artifacts, FakeClock())
    monkeypatch.setattr(recording, "_SMALL", 100)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ledger.record(LABEL_SET, frozen)
    assert ledger.is_recorded(LABEL_SET.name)
    assert counted(database) == (2500, 1)
    assert "projects/p/labelSets/l ended with 1" in caplog.text


def test_a_recording_lets_other_writers_in_between_its_batches(database, artifacts, frozen):
    pauses: list[float] = []
    BulkLedger(database, artifacts, FakeClock(), pauses.append).record(LABEL_SET, frozen)
    assert len(pauses) == 4
