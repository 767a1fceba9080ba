"""Use cases of the exchange with other annotation tools: answers come in, queues go out."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid5

from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import matched
from ratoon.storage.store import Store
from ratoon.tasks import label_studio
from ratoon.tasks.kind import Role, Turn
from ratoon.tasks.label_studio import Response
from ratoon.tasks.records import prompt_text
from ratoon_labeling.application.names import DATASET_VERSION, GUIDELINE, PROJECT, QUEUE
from ratoon_labeling.application.ports import Datasets, TaskQueue
from ratoon_labeling.domain import preferences
from ratoon_labeling.domain.annotations import Annotation, AnnotationCreated, Source
from ratoon_labeling.domain.errors import BadAnswer, BadExchange, UnknownLabel
from ratoon_labeling.domain.exchange import (
    Format,
    Incoming,
    LeftOut,
    Outgoing,
    RecordText,
    answers_in,
    file_of,
    marks_of,
    moved_marks,
)
from ratoon_labeling.domain.guidelines import Guideline
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.marks import AnswerSpec, Spans, model_task
from ratoon_labeling.domain.queues import Queue, lot
from ratoon_labeling.domain.ratings import Preference, Work
from ratoon_labeling.domain.tasks import Task

_IMPORTED = UUID("0d0f6a3a-7f5b-4c38-9d50-6a3f1f6d2b11")
_BATCH = 500
"""Annotations of one transaction."""
_MAX_PROBLEMS, _MAX_PROBLEM_CHARS, _MAX_ANNOTATOR_CHARS = 20, 200, 200


class Records(Protocol):
    """The records of ingestion."""

    def of(self, dataset_version: str) -> Iterator[RecordText]:
        """Yield the records of a version that may be shown."""
        ...


class Files(Protocol):
    """Files that belong to projects."""

    def read(self, project: str, digest: str) -> bytes:
        """Return a file; InvalidArgument if the project has none with this digest, or it is too large."""
        ...

    def write(self, project: str, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store a file; its digest and its size in bytes."""
        ...


@dataclass(frozen=True)
class ImportAnnotations:
    """Take over the answers in a file, to records of a dataset version."""

    parent: str
    dataset_version: str
    guideline: str
    digest: str
    format: Format
    control: str = ""
    source: Source = Source.IMPORT


@dataclass
class Imported:
    """Numbers of answers that were taken over, and of what was left out by reason."""

    created: int = 0
    existing: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, detail: str) -> None:
        """Count what is left out, and keep the first details."""
        self.left_out[reason] += 1
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(f"{reason}: {detail[:_MAX_PROBLEM_CHARS]}")


@dataclass(frozen=True)
class ExportQueue:
    """Write the tasks of a queue with their answers to a file."""

    name: str
    format: Format


@dataclass(frozen=True)
class ExportedQueue:
    """The file, and what it holds."""

    digest: str
    size: int
    label_config: str
    task_count: int
    answer_count: int
    without_text: int
    """Tasks that are left out because their record is not shown: it was erased, or belongs to a sealed part."""


def import_annotations(
    command: ImportAnnotations,
    store: Store,
    datasets: Datasets,
    records: Records,
    files: Files,
    clock: Clock,
) -> Imported:
    """Store the answers in a file as annotations; a repetition stores nothing twice.

    A record is identified by its ID, else by its text. Answers that the guideline does not allow are left out and
    counted.
    """
    (project,) = matched(command.parent, PROJECT, "parent")
    for field_name, pattern in (("dataset_version", DATASET_VERSION), ("guideline", GUIDELINE)):
        if matched(getattr(command, field_name), pattern, field_name)[0] != project:
            raise InvalidArgument(
                f"{getattr(command, field_name)} must be in {command.parent}.",
                reason="OTHER_PROJECT",
                field=field_name,
            )
    datasets.artifact_of(command.dataset_version)
    spec = store.get(Guideline, command.guideline).task
    imported, incoming = Imported(), list[Incoming]()
    for each in answers_in(command.format, files.read(project, command.digest), command.control):
        if isinstance(each, LeftOut):
            imported.leave_out(each.reason, each.detail)
        else:
            incoming.append(each)
    matches = _records_of(incoming, records.of(command.dataset_version)) if incoming else {}
    annotations = list[Annotation]()
    for answer in incoming:
        record = matches.get(answer.record_id) or matches.get(_mark(answer.text))
        if record is None:
            imported.leave_out("UNKNOWN_RECORD", f"no record for {(answer.record_id or answer.text)[:60]!r}")
            continue
        try:
            annotations.append(_annotation(command, spec, answer, record, clock))
        except (BadAnswer, UnknownLabel) as error:
            imported.leave_out("BAD_ANSWER", str(error))
    unique = {each.name: each for each in annotations}
    for start in range(0, len(unique), _BATCH):
        _store(list(unique.values())[start : start + _BATCH], store, imported)
    imported.existing += len(annotations) - len(unique)
    return imported


def _records_of(incoming: Sequence[Incoming], records: Iterator[RecordText]) -> Mapping[str, RecordText]:
    """Return the records that answers are about, by ID and by a mark of the text; the first one of a text."""
    ids = {each.record_id for each in incoming} - {""}
    marks = {_mark(each.text) for each in incoming if each.text}
    matches = dict[str, RecordText]()
    for record in records:
        if record.record_id in ids:
            matches[record.record_id] = record
        if marks and (mark := _mark(record.text)) in marks:
            matches.setdefault(mark, record)
    return matches


def _mark(text: str) -> str:
    """Return a mark of a text in which white space does not count; no ID of a record is one."""
    return "text " + hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()


def _annotation(
    command: ImportAnnotations, spec: AnswerSpec, answer: Incoming, record: RecordText, clock: Clock
) -> Annotation:
    text = answer.answer
    if isinstance(spec, Spans):
        moved = moved_marks(text, answer.text or record.text, record.text)
        if moved is None:
            raise BadAnswer("A span's words do not occur in the text of the record.", "label")
        text = moved
    rules = rules_of(spec)
    label = rules.with_text(spec, rules.checked_answer(spec, text), record.text)
    annotator = (answer.annotator or "unknown")[:_MAX_ANNOTATOR_CHARS]
    key = "\0".join((command.dataset_version, record.record_id, annotator, label, command.source))
    time = answer.time or clock.now()
    return Annotation(
        name=f"{command.parent}/annotations/{uuid5(_IMPORTED, key)}",
        create_time=min(time, clock.now()),
        update_time=clock.now(),
        record_id=record.record_id,
        content_digest=record.content_digest,
        label=label,
        annotator=annotator,
        source=command.source,
        guideline=command.guideline,
    )


def _store(annotations: Sequence[Annotation], store: Store, imported: Imported) -> None:
    with store.write() as tx:
        for each in annotations:
            if tx.find(Annotation, each.name) is not None:
                imported.existing += 1
                continue
            created, _ = tx.create(each)
            tx.publish(AnnotationCreated(each.record_id), created)
            imported.created += 1


def export_queue(
    command: ExportQueue, store: Store, records: Records, tasks: TaskQueue, files: Files
) -> ExportedQueue:
    """Write the tasks of a queue with their answers and proposals to a file; gold items and their answers stay here."""
    (project, _) = matched(command.name, QUEUE)
    queue = store.get(Queue, command.name)
    formats = _FORMATS[queue.work]
    if command.format not in formats:
        raise BadExchange(
            f"{queue.name} has the work {queue.work}: it is exported as {' or '.join(formats)}.", "format"
        )
    if command.format is Format.PREFERENCES:
        return _export_preferences(project, queue, records, tasks, files)
    guideline = _guideline_of(store, queue)
    if queue.work is Work.COMPARE:
        return _export_comparisons(project, queue, guideline, records, tasks, files)
    marks = marks_of(queue.task)
    queued = [each for each in tasks.of_queue(queue.name) if not each.expected_label]
    ids = {each.record_id for each in queued}
    texts = dict[str, str]()
    for version in {each.dataset_version for each in queued if each.dataset_version}:
        texts |= {each.record_id: each.text for each in records.of(version) if each.record_id in ids}
    outgoing = [_outgoing(each, texts[each.record_id]) for each in queued if each.record_id in texts]
    spec = model_task(queue.task)
    digest, size = files.write(project, file_of(command.format, outgoing, spec, marks))
    instructions = guideline.instructions if guideline else ""
    return ExportedQueue(
        digest,
        size,
        label_studio.config_of(spec, instructions, marks) if command.format is Format.LABEL_STUDIO else "",
        len(outgoing),
        sum(not answer.is_prediction for each in outgoing for answer in each.answers),
        len(queued) - len(outgoing),
    )


_FORMATS = {
    Work.ANSWER: tuple(each for each in Format if each is not Format.PREFERENCES),
    Work.COMPARE: (Format.PREFERENCES, Format.LABEL_STUDIO),
    Work.RATE: (Format.PREFERENCES,),
}
"""Formats of a file by the work of its queue."""


def _export_comparisons(
    project: str,
    queue: Queue,
    guideline: Guideline | None,
    records: Records,
    tasks: TaskQueue,
    files: Files,
) -> ExportedQueue:
    """Write the comparisons of a queue as Label Studio shows them; a lot decides which answer is on the left."""
    queued = list(tasks.of_queue(queue.name))
    prompts = _prompts_of(queued, records)
    outgoing = [
        _comparison(each, prompt_text(prompts[key])) for each in queued if (key := _key_of(each)) in prompts
    ]
    written = file_of(Format.LABEL_STUDIO, outgoing, model_task(queue.task), None)
    digest, size = files.write(project, written)
    config = label_studio.config_of_comparison(guideline.instructions if guideline else "")
    answers = sum(len(each.answers) for each in outgoing)
    return ExportedQueue(digest, size, config, len(outgoing), answers, len(queued) - len(outgoing))


def _comparison(task: Task, text: str) -> Outgoing:
    swaps = lot("left", task.name) < 0.5
    sides = (Preference.SECOND, Preference.FIRST) if swaps else (Preference.FIRST, Preference.SECOND)
    names = dict(zip(sides, ("PREFERENCE_FIRST", "PREFERENCE_SECOND"), strict=True))
    preferences = [
        Response(names[each.preference], each.annotator) for each in task.given if each.preference in names
    ]
    candidates = task.candidates[::-1] if swaps else task.candidates
    return Outgoing(task.name, task.record_id, text, preferences, candidates)


def _prompts_of(queued: Sequence[Task], records: Records) -> Mapping[tuple[str, str], Sequence[Turn]]:
    """Return the conversations of the records of tasks by version and ID, without those that are not shown."""
    keys = {_key_of(each) for each in queued}
    return {
        (version, each.record_id): each.turns or (Turn(Role.USER, each.text),)
        for version in {version for version, _ in keys}
        for each in records.of(version)
        if (version, each.record_id) in keys
    }


def _key_of(task: Task) -> tuple[str, str]:
    return task.dataset_version, task.record_id


def _export_preferences(
    project: str, queue: Queue, records: Records, tasks: TaskQueue, files: Files
) -> ExportedQueue:
    """Write what people decided about the answers of records."""
    queued = {_key_of(each): each for each in tasks.of_queue(queue.name)}
    prompts = _prompts_of(list(queued.values()), records)
    decided = [(each, preferences.line(each, prompts[key])) for key, each in queued.items() if key in prompts]
    lines = [(each, line) for each, line in decided if line is not None]
    digest, size = files.write(project, [line for _, line in lines])
    answers = sum(not answer.skips for each, _ in lines for answer in each.given)
    return ExportedQueue(digest, size, "", len(lines), answers, len(queued) - len(prompts))


def _guideline_of(store: Store, queue: Queue) -> Guideline | None:
    with store.read() as tx:
        return tx.find(Guideline, queue.guideline)


def _outgoing(task: Task, text: str) -> Outgoing:
    time = task.update_time.isoformat()
    answers = [Response(each.label, each.annotator, time) for each in task.given if each.label]
    if task.proposed_label:
        origin, score = task.proposal_origin, task.proposal_confidence
        answers.append(Response(task.proposed_label, origin, is_prediction=True, score=score))
    return Outgoing(task.name, task.record_id, text, answers)
