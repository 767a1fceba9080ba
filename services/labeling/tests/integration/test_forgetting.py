"""An erasure of ingestion deletes the annotations and tasks of its records, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.events.cloudevents import Event
from ratoon.ingestion.v1.ingestion_events_pb2 import ErasureEvent, ErasureFailed, RecordsErased
from ratoon.process.errors import FailedPrecondition
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kinds import TaskSpec
from ratoon.testkit.clock import FakeClock
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.domain.annotations import AnnotatedLabel, Annotation, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import Frozen, LabelSet, State
from ratoon_labeling.domain.tasks import Reason, Task
from ratoon_labeling.entrypoints.events import TOPICS, on_erasure
from ratoon_labeling.worker import records

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GONE, RETAINED = "a" * 64, "b" * 64
VERSION = "projects/p/datasets/d/versions/v1"


class Environment:
    """Annotations and tasks of two records in two projects, and a consumer of ingestion's events."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self._database, clock = database, FakeClock()
        with database.write() as connection:
            tables.METADATA.create_all(connection)
        self._store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), clock)
        self.clock, self.artifacts = clock, artifacts
        self.ledger = BulkLedger(database, artifacts, clock)
        self._forget = on_erasure(self._store, self.ledger, SqlTaskQueue(database))
        with self._store.write() as tx:
            for project in ("projects/p", "projects/q"):
                for record in (GONE, RETAINED):
                    tx.create(self.annotation(project, record))
                    tx.create(self.task(project, record))

    def annotation(self, project: str, record: str) -> Annotation:
        name = f"{project}/annotations/{record[:4]}"
        return Annotation(name, NOW, NOW, record, "c" * 64, "ham", "ada", Source.HUMAN)

    def task(self, project: str, record: str) -> Task:
        name = f"{project}/tasks/{record[:4]}"
        return Task(
            name, NOW, NOW, record, "c" * 64, VERSION, Classify(("ham", "spam")), "ham", Reason.CONFLICT
        )

    def put_answer(self, answer_id: str, text_digests: tuple[str, ...]) -> None:
        task = replace(
            self.task("projects/p", answer_id),
            name=f"projects/p/tasks/{answer_id}",
            dataset_version="",
            answer_id=answer_id,
            text_digests=text_digests,
        )
        annotation = replace(
            self.annotation("projects/p", answer_id), name=f"projects/p/annotations/{answer_id}"
        )
        with self._store.write() as tx:
            tx.create(task)
            tx.create(annotation)

    def consume(self, message: ErasureEvent) -> None:
        event = Event(TOPICS[0], "type", "ingestion", message.name, NOW, message.SerializeToString())
        with self._database.write() as connection:
            self._forget(event, connection)

    def put(self, label_set: LabelSet) -> None:
        with self._store.write() as tx:
            tx.create(label_set)

    def label_sets(self) -> dict[str, LabelSet]:
        with self._store.read() as tx:
            return {each.name.rpartition("/")[2]: each for each in tx.all(LabelSet, "projects/p")}

    def records(self, project: str) -> list[str]:
        with self._store.read() as tx:
            return sorted(each.record_id for kind in (Annotation, Task) for each in tx.all(kind, project))


@pytest.fixture
def environment(tmp_path: Path, databases) -> Iterator[Environment]:
    database = Database(databases.url_of_file(tmp_path / "labeling.db"))
    yield Environment(database, ArtifactStore(str(tmp_path / "artifacts")))
    database.close()


def test_annotations_and_tasks_of_an_erased_record_are_deleted_for_good(environment):
    message = ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(record_ids=[GONE, "d" * 64]))
    for _ in range(2):
        environment.consume(message)
        assert environment.records("projects/p") == [RETAINED, RETAINED]
    assert environment.records("projects/q") == [GONE, GONE, RETAINED, RETAINED]


def test_tasks_about_answers_to_an_erased_text_are_deleted_with_their_annotations(environment):
    text = "e" * 64
    environment.put_answer("answer-1", (text, "f" * 64))
    environment.put_answer("answer-2", ("f" * 64,))
    assert environment.records("projects/p").count("answer-1") == 2
    environment.consume(
        ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(text_digests=[text]))
    )
    left = environment.records("projects/p")
    assert "answer-1" not in left
    assert (left.count("answer-2"), left.count(GONE), left.count(RETAINED)) == (2, 2, 2)


def test_an_erasure_that_failed_changes_nothing(environment):
    environment.consume(
        ErasureEvent(name="projects/p/erasures/e", failed=ErasureFailed(reason="ARCHIVE_DAMAGED"))
    )
    assert environment.records("projects/p") == [GONE, GONE, RETAINED, RETAINED]


def test_an_erasure_of_very_many_records_forgets_them_all(environment):
    """One expression for each record is more than SQLite takes in a statement."""
    ids = [f"{number:064x}" for number in range(5000)]
    environment.consume(
        ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(record_ids=[*ids, GONE]))
    )
    assert environment.records("projects/p") == [RETAINED, RETAINED]


def test_an_erasure_of_no_record_forgets_none(environment):
    environment.consume(ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased()))
    assert environment.records("projects/p") == [GONE, GONE, RETAINED, RETAINED]


def recorded(environment: Environment, name: str) -> None:
    """Begin a label set of both records; `environment.record_label_set` records its result later."""
    now = environment.clock.now()
    label_set = LabelSet(
        f"projects/p/labelSets/{name}",
        now,
        now,
        VERSION,
        "d" * 64,
        "g",
        Classify(("ham", "spam")),
        ConflictPolicy.LATEST,
    )
    lines = [
        {"record_id": each, "content_digest": "c" * 64, "label": "ham", "annotator": name, "proposed_label": "ham",
         "reason": "conflict"}
        for each in (GONE, RETAINED)
    ]  # fmt: skip
    digest = records.put_lines(environment.artifacts, lines)
    environment.record_label_set = lambda: environment.ledger.record(
        label_set, Frozen("e" * 64, digest, digest, {"ham": 2}, 0, 0, 0)
    )


def stored_label_set(environment: Environment, name: str, task: TaskSpec, record: str, **fields) -> str:
    """Store a label set with the frozen answer of a record; the digest of its labels."""
    row = records.Row(record, "c" * 64, "projects/p/sources/s", "", NOW)
    digest = records.put_labels(
        environment.artifacts, [(row, AnnotatedLabel(f"words of {name}", "ada", Source.HUMAN, NOW))]
    )
    label_set = LabelSet(
        f"projects/p/labelSets/{name}", NOW, NOW, VERSION, "d", "g", task, ConflictPolicy.LATEST,
        **{"state": State.SUCCEEDED, "digest": digest, **fields},
    )  # fmt: skip
    environment.put(label_set)
    return digest


def test_texts_of_an_erased_record_are_deleted_with_their_label_sets(environment):
    digests = {
        "texts": stored_label_set(environment, "texts", Generate(), GONE),
        "others": stored_label_set(environment, "others", Generate(), RETAINED),
        "labels": stored_label_set(environment, "labels", Classify(("ham", "spam")), GONE),
        "running": stored_label_set(environment, "running", Generate(), GONE, state=State.RUNNING, digest=""),
    }
    message = ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(record_ids=[GONE]))
    for _ in range(2):
        environment.consume(message)
        label_sets = environment.label_sets()
        assert {name: each.state for name, each in label_sets.items()} == {
            "texts": State.REDACTED,
            "others": State.SUCCEEDED,
            "labels": State.SUCCEEDED,
            "running": State.RUNNING,
        }
        assert label_sets["texts"].digest == ""
        assert label_sets["running"].cancel_requested
    assert [environment.artifacts.exists(digests[name]) for name in ("texts", "others", "labels")] == [
        False, True, True,
    ]  # fmt: skip
    with pytest.raises(FailedPrecondition) as erased:
        environment.artifacts.read(digests["texts"])
    assert erased.value.reason == "ARTIFACT_ERASED"


def test_an_erasure_that_was_interrupted_after_the_labels_were_deleted_is_completed(environment):
    digest = stored_label_set(environment, "texts", Generate(), GONE)
    environment.artifacts.erase(digest, "interrupted")
    environment.consume(
        ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(record_ids=[GONE]))
    )
    assert environment.label_sets()["texts"].state is State.REDACTED


def test_a_label_set_that_was_under_way_brings_nothing_back(environment):
    recorded(environment, "before")
    environment.clock.advance(1.0)
    environment.consume(
        ErasureEvent(name="projects/p/erasures/e", completed=RecordsErased(record_ids=[GONE]))
    )
    environment.record_label_set()
    assert environment.records("projects/p") == [RETAINED] * 4
    environment.clock.advance(1.0)
    recorded(environment, "imported-again-later")
    environment.record_label_set()
    assert environment.records("projects/p").count(GONE) == 2
