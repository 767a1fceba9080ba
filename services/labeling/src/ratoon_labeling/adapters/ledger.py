"""Annotations and tasks in bulk: between the service's database and the artifact store, in batches."""

import json
import logging
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq
from sqlalchemy import Connection, delete, func, insert, select

from ratoon.process.clock import Clock
from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.bodies import BodyCodec, Unreadable
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon.storage.names import parent_of
from ratoon.storage.store import Transaction, codec_of
from ratoon_labeling.adapters.tables import ERASED_RECORDS, RECORDINGS, RESOURCES
from ratoon_labeling.domain.annotations import Annotation, Selection
from ratoon_labeling.domain.label_sets import Frozen, LabelSet
from ratoon_labeling.domain.queues import Queue, lot
from ratoon_labeling.domain.refills import Drawn, Refill
from ratoon_labeling.domain.tasks import Reason, Task, queued_id

_LOG = logging.getLogger(__name__)
BATCH = 1000
"""Rows a transaction: other writers can write in between."""

_NAMESPACE = uuid.UUID("6f0f3c0e-4f57-4c0e-9a53-0f8d7a1f2b64")
_TABLES = {kind: (RESOURCES[kind], codec_of(kind, RESOURCES[kind])) for kind in (Annotation, Task)}


class BulkLedger:
    """Exports annotations as JSON lines; stores those and tasks of label sets. Names are functions of the content."""

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        clock: Clock,
        pause: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`pause` is called after each batch of a recording with the seconds that it took."""
        self._database, self._artifacts, self._clock, self._pause = database, artifacts, clock, pause

    def export(self, project: str) -> str:
        """Write the annotations of a project that did not come with data; the blob's digest."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "annotations.jsonl")
            with path.open("wb") as file, self._database.read() as connection:
                _write_annotations(connection, project, file)
            return self._artifacts.put_file(path)

    def record(self, label_set: LabelSet, frozen: Frozen) -> None:
        """Store the imported annotations and the tasks of a label set; a repetition adds nothing."""
        now, project = self._clock.now(), parent_of(label_set.name)
        imported = (_annotation(label_set, line, now) for line in self._lines(frozen.imported_digest))
        self._add(project, label_set.create_time, imported, {"imported": True})
        tasks = (_task(label_set, line, now) for line in self._lines(frozen.tasks_digest))
        self._add(project, label_set.create_time, tasks, {})
        self.note_recorded(label_set.name)

    def export_queued(self, queue: str) -> str:
        """Write the ids of the records that have a task of a queue; the blob's digest."""
        table, is_sqlite = RESOURCES[Task], self._database.is_sqlite
        of_queue = func.coalesce(stored_field(table, "queue", is_sqlite), "") == queue
        query = select(stored_field(table, "record_id", is_sqlite)).where(
            table.c.parent == parent_of(queue), of_queue
        )
        with self._database.read() as connection:
            ids = sorted(connection.scalars(query))
        return self._artifacts.put_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in ids))

    def add_tasks(self, refill: Refill, queue: Queue, drawn: Drawn) -> None:
        """Store the tasks of a refill; a repetition adds nothing."""
        now = self._clock.now()
        tasks = (_queued(queue, refill, line, now) for line in self._lines(drawn.tasks_digest))
        self._add(parent_of(queue.name), refill.create_time, tasks, {})

    def note_recorded(self, name: str) -> None:
        """Note that the annotations and tasks of a label set or a refill are stored."""
        with self._database.write() as connection:
            if not _is_recorded(connection, name):
                connection.execute(insert(RECORDINGS).values(label_set=name))

    def is_recorded(self, label_set: str) -> bool:
        """Return whether the annotations and tasks of this label set are stored."""
        with self._database.read() as connection:
            return _is_recorded(connection, label_set)

    def erase_labels(self, label_set: LabelSet, record_ids: Collection[str]) -> bool:
        """Delete the frozen labels if they hold one of these records; return whether they did, now or before."""
        try:
            with self._artifacts.open(label_set.digest) as file:
                batches = pq.ParquetFile(file).iter_batches(columns=["record_id"])
                held = any(each in record_ids for batch in batches for each in batch["record_id"].to_pylist())
        except NotFound:
            return False
        except FailedPrecondition:  # erased, or damaged
            return True
        if held:
            self._artifacts.erase(label_set.digest, f"records of {label_set.name} were erased")
        return held

    def forget(
        self, tx: Transaction, project: str, record_ids: Sequence[str], text_digests: Sequence[str] = ()
    ) -> None:
        """Delete the annotations and tasks of these records, also those that label sets under way will bring.

        Tasks about answers to these texts are deleted too, with their annotations, which name the answer.
        """
        _note_erased(tx.connection, project, frozenset(record_ids), self._clock.now())
        gone, texts = set(record_ids), frozenset(text_digests)
        for kind in (Task, Annotation):
            table, _ = _TABLES[kind]
            query = select(table.c.name, table.c.body).where(table.c.parent == project)
            names = []
            for row in tx.connection.execute(query).yield_per(BATCH):
                record_id, digests = _identity(row.body)
                if record_id in gone or not texts.isdisjoint(digests):
                    names.append(row.name)
                    gone |= {record_id}
            for start in range(0, len(names), BATCH):
                some = names[start : start + BATCH]
                tx.connection.execute(delete(table).where(table.c.name.in_(some)))

    def _lines(self, digest: str) -> Iterator[dict[str, Any]]:
        with self._artifacts.open(digest) as file:
            yield from map(json.loads, file)

    def _add(
        self, project: str, since: datetime, resources: Iterable[Annotation | Task], also: dict[str, bool]
    ) -> None:
        """Add those whose names are new and whose records were not erased meanwhile, a batch a transaction."""
        stream = iter(resources)
        while batch := list(islice(stream, BATCH)):
            table, codec = _TABLES[type(batch[0])]
            begun = self._clock.monotonic()
            with self._database.write() as connection:
                erased = _erased_since(connection, project, since)
                by_name = {each.name: each for each in batch if each.record_id not in erased}
                existing = set(connection.scalars(select(table.c.name).where(table.c.name.in_(by_name))))
                rows = [_row(each, codec) | also for name, each in by_name.items() if name not in existing]
                if rows:
                    connection.execute(insert(table), rows)
            self._pause(self._clock.monotonic() - begun)


def _write_annotations(connection: Connection, project: str, file: BinaryIO) -> None:
    table, codec = _TABLES[Annotation]
    query = select(table.c.body).where(table.c.parent == project, ~table.c.imported).order_by(table.c.name)
    for body in connection.execution_options(yield_per=BATCH).scalars(query):
        try:
            annotation: Annotation = codec.load(body)
        except Unreadable:
            _LOG.error("an annotation of %s cannot be read and is left out of its label sets", project)
            continue
        if annotation.outdated:
            continue
        line = {
            "record_id": annotation.record_id,
            "label": annotation.label,
            "annotator": annotation.annotator,
            "source": annotation.source.value,
            "time": annotation.create_time.isoformat(),
            "content_digest": annotation.content_digest,
            "selection": annotation.selection.value if annotation.selection else "",
        }
        file.write(json.dumps(line).encode() + b"\n")


def _erased_since(connection: Connection, project: str, since: datetime) -> frozenset[str]:
    """The records of a project that were erased since a label set or a refill was begun."""
    erased = ERASED_RECORDS.c
    query = select(erased.record_id).where(erased.project == project, erased.time >= since.isoformat())
    return frozenset(connection.scalars(query))


def _note_erased(connection: Connection, project: str, record_ids: frozenset[str], now: datetime) -> None:
    ordered = sorted(record_ids)
    for start in range(0, len(ordered), BATCH):
        some = ordered[start : start + BATCH]
        mine = (ERASED_RECORDS.c.project == project) & ERASED_RECORDS.c.record_id.in_(some)
        connection.execute(delete(ERASED_RECORDS).where(mine))
        time = now.isoformat()
        rows = [{"project": project, "record_id": each, "time": time} for each in some]
        connection.execute(insert(ERASED_RECORDS), rows)


def _identity(body: str) -> tuple[str, Sequence[str]]:
    """Return the record of a stored annotation or task, and its text digests; none if its body cannot be read."""
    try:
        fields = json.loads(body)
        return str(fields.get("record_id", "")), fields.get("text_digests") or ()
    except (ValueError, AttributeError):
        return "", ()


def _is_recorded(connection: Connection, label_set: str) -> bool:
    query = select(RECORDINGS.c.label_set).where(RECORDINGS.c.label_set == label_set)
    return connection.execute(query).first() is not None


def _annotation(label_set: LabelSet, line: dict[str, str], now: datetime) -> Annotation:
    """The same label of the same text by the same source is one annotation, however often it is imported."""
    key = (line["record_id"], line["content_digest"], line["annotator"], line["label"])
    return Annotation(
        name=f"{parent_of(label_set.name)}/annotations/{_id(label_set.import_as.value, *key)}",
        create_time=now,
        update_time=now,
        record_id=line["record_id"],
        content_digest=line["content_digest"],
        label=line["label"],
        annotator=line["annotator"],
        source=label_set.import_as,
        label_set=label_set.name,
    )


def _task(label_set: LabelSet, line: dict[str, str], now: datetime) -> Task:
    return Task(
        name=f"{parent_of(label_set.name)}/tasks/{_id(label_set.name, line['record_id'])}",
        create_time=now,
        update_time=now,
        record_id=line["record_id"],
        content_digest=line["content_digest"],
        dataset_version=label_set.dataset_version,
        task=label_set.task,
        proposed_label=line["proposed_label"],
        reason=Reason(line["reason"]),
        overlap=label_set.overlap,
    )


def _queued(queue: Queue, refill: Refill, line: dict[str, Any], now: datetime) -> Task:
    """Return the task of a record in a queue. Names are hashes, so that the order of the tasks shows no choice."""
    return Task(
        name=f"{parent_of(queue.name)}/tasks/{queued_id(queue.name, line['record_id'])}",
        create_time=now,
        update_time=now,
        record_id=line["record_id"],
        content_digest=line["content_digest"],
        dataset_version=refill.dataset_version,
        task=queue.task,
        proposed_label=line["proposed_label"],
        reason=Reason.QUEUE,
        overlap=queue.overlap,
        queue=queue.name,
        selection=Selection(line["selection"]) if line["selection"] else None,
        proposal_origin=line["proposal_origin"],
        proposal_confidence=float(line["confidence"]) if line.get("confidence") else None,
        suggested_label=line.get("suggested_label", ""),
        is_blind=lot("blind", queue.name, line["record_id"]) < queue.pre_labels.blind_share,
        guideline=queue.guideline,
        guideline_version=queue.guideline_version,
        needs_review=lot("review", queue.name, line["record_id"]) < queue.review_share,
        work=queue.work,
        candidates=tuple(line.get("candidates", ())),
        scales=queue.scales,
    )


def _row(resource: Annotation | Task, codec: BodyCodec) -> dict[str, Any]:
    return {
        "name": resource.name,
        "parent": parent_of(resource.name),
        "create_time": resource.create_time.isoformat(),
        "revision": 1,
        "body": codec.dump(replace(resource, revision=1)),
    }


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
