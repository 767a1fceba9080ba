"""Draws the records of a refill: at random and by uncertainty, with proposed answers and a learning curve."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.labeling_jobs_pb2 import RefillSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_labeling import queue_mapping
from ratoon_labeling.domain.annotations import Selection, Source
from ratoon_labeling.domain.kinds.table import parsed, rules_of
from ratoon_labeling.domain.marks import AnswerSpec
from ratoon_labeling.domain.queues import (
    Origin,
    Queue,
    StopReason,
    Strategy,
    filter_terms,
    has_single_labels,
    lot,
    shares,
)
from ratoon_labeling.domain.ratings import COUNTS, Work
from ratoon_labeling.domain.refills import Drawn
from ratoon_labeling.worker import records
from ratoon_labeling.worker.endpoint_labels import Proposals, propose
from ratoon_labeling.worker.records import Exported
from ratoon_labeling.worker.rules import RuleSet, accuracies

MAX_SCORED = 20_000
"""Candidates that a model scores, drawn at random of more."""
MIN_LABELS = 10
"""Labels by people below which no model is fitted."""
_COLUMNS = (
    "record_id", "content_digest", "text", "source", "source_path", "source_label", "language", "licence",
    "attributes", "example",
)  # fmt: skip


class Stopped(Exception):
    """The platform requested the job to stop."""

    reason = "STOPPED"


@dataclass(frozen=True)
class Record:
    """Record of a dataset version; `label` is the answer that counts for it, empty without one."""

    record_id: str
    content_digest: str
    text: str
    label: str = ""
    by_person: bool = False
    selected: bool = True
    """The queue selects it, and it has no task yet."""
    candidates: tuple[str, ...] = ()
    """Answers to rate or to compare."""


@dataclass(frozen=True)
class Pool:
    """Records of a dataset version: those with an answer, and those that can become tasks, one of each text."""

    labelled: Sequence[Record]
    candidates: Sequence[Record]
    copy_count: int


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Draw the records of a `RefillSpec`; return a `RefillResult`, both as JSON."""
    spec = from_json(RefillSpec, raw_spec)
    artifacts = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    return to_json(queue_mapping.drawing_result(draw(spec, artifacts, job)))


def draw(spec: RefillSpec, artifacts: ArtifactStore, job: JobFolder) -> Drawn:
    """Choose the records, store their tasks, and return what was counted and measured."""
    queue = queue_mapping.queue_of_spec(spec.queue)
    given = list(records.annotations(artifacts, spec.annotations_digest))
    queued = frozenset(map(str, records.read_lines(artifacts, spec.queued_digest)))
    rows = _read(artifacts, spec.dataset_digest, job)
    pool = _pool(queue, rows, given, queued) if queue.work is Work.ANSWER else _answered(queue, rows, queued)
    if queue.refill_rule.strategy is Strategy.LABEL_ERRORS:
        return _draw_errors(spec, queue, pool, artifacts)
    job.progress(0.5, "Choosing records", done=len(pool.candidates), unit="records")
    by_people = [each for each in pool.labelled if each.by_person]
    by_lot = sorted(pool.candidates, key=lambda each: _lot(spec.name, each.record_id))
    learner = _learner(queue, by_people, given, spec.name, by_lot)
    size, reason = _size(spec, queue, pool)
    if reason is None and learner is not None and learner.pays_no_more(queue.refill_rule.min_gain):
        size, reason = 0, StopReason.NO_GAIN
    strategy = queue.refill_rule.strategy if learner is not None else Strategy.RANDOM
    random_count, _ = (
        shares(size, queue.refill_rule.random_share) if strategy is not Strategy.RANDOM else (size, 0)
    )
    at_random = by_lot[:random_count]
    active: Sequence[Record] = ()
    if learner is not None and size > len(at_random):
        job.progress(0.7, "Scoring records", done=len(by_lot), unit="records")
        scored = by_lot[random_count : random_count + MAX_SCORED]
        active = learner.informative(scored, size - random_count, strategy)
    curve, gain = learner.measured if learner is not None else ((), None)
    drawn = [*at_random, *active]
    proposals = _proposals(spec, queue, drawn, learner, job)
    tasks = [
        *(_line(each, Selection.RANDOM, proposals) for each in at_random),
        *(_line(each, Selection.ACTIVE, proposals) for each in active),
    ]
    return Drawn(
        tasks_digest=records.put_lines(artifacts, tasks),
        task_count=len(tasks),
        active_count=len(active),
        pre_labelled_count=sum(bool(each["proposed_label"]) for each in tasks),
        candidate_count=len(pool.candidates),
        labelled_count=len(pool.labelled),
        copy_count=pool.copy_count,
        curve=curve,
        gain=gain,
        rules=accuracies(queue.pre_labels.rules, pool.candidates, by_people),
        strategy=strategy,
        stop_reason=reason,
        proposal_origin=proposals.origin if proposals.labels else "",
        message=_message(queue, learner is not None, len(by_people)) or proposals.failure,
        unanswered_count=len(drawn) - len(proposals.labels)
        if queue.pre_labels.origin is Origin.ENDPOINT
        else 0,
    )


def _draw_errors(spec: RefillSpec, queue: Queue, pool: Pool, artifacts: ArtifactStore) -> Drawn:
    """Draw records whose label is probably wrong; their tasks propose the current label."""
    from ratoon_labeling.worker.label_errors import find_errors  # scikit-learn takes seconds to import

    suspects, report = find_errors(
        [each.text for each in pool.labelled], [each.label for each in pool.labelled], spec.name
    )
    candidates = {pool.labelled[each.row].content_digest: each for each in reversed(suspects)}
    waiting = [
        each
        for each in suspects
        if pool.labelled[each.row].selected and candidates[pool.labelled[each.row].content_digest] is each
    ]
    size, reason = spec.size, None
    limit = queue.refill_rule.max_tasks
    if limit and spec.queued_count + size >= limit:
        size, reason = max(0, limit - spec.queued_count), StopReason.MAX_TASKS
    if size >= len(waiting) and reason is None:
        reason = StopReason.EXHAUSTED
    tasks = [
        {
            "record_id": pool.labelled[each.row].record_id,
            "content_digest": pool.labelled[each.row].content_digest,
            "selection": "",
            "proposed_label": pool.labelled[each.row].label,
            "proposal_origin": "current",
            "confidence": f"{each.confidence:.6f}",
            "suggested_label": each.suggested_label,
        }
        for each in waiting[:size]
    ]
    return Drawn(
        tasks_digest=records.put_lines(artifacts, tasks),
        task_count=len(tasks),
        pre_labelled_count=len(tasks),
        candidate_count=len(waiting),
        labelled_count=len(pool.labelled),
        strategy=Strategy.LABEL_ERRORS,
        stop_reason=reason,
        proposal_origin="current" if tasks else "",
        label_errors=report,
    )


def _message(queue: Queue, has_model: bool, labels: int) -> str:
    needs_model = (
        queue.refill_rule.strategy is not Strategy.RANDOM or queue.pre_labels.origin is Origin.CLASSICAL
    )
    if not needs_model or has_model:
        return ""
    return f"All at random: {labels} labels by people are too few for a model, {MIN_LABELS} of two labels are needed."


def _size(spec: RefillSpec, queue: Queue, pool: Pool) -> tuple[int, StopReason | None]:
    """Return the number of tasks to draw, and why no more can be drawn after them."""
    size, reason = spec.size, None
    if spec.min_labelled:
        size = min(size, max(0, spec.min_labelled - len(pool.labelled)))
    limit = queue.refill_rule.max_tasks
    if limit and spec.queued_count + size >= limit:
        size, reason = max(0, limit - spec.queued_count), StopReason.MAX_TASKS
    if size >= len(pool.candidates) and reason is None:
        size, reason = len(pool.candidates), StopReason.EXHAUSTED
    return min(size, len(pool.candidates)), reason


def _pool(
    queue: Queue, rows: Iterable[Mapping[str, Any]], given: Sequence[Exported], queued: Collection[str]
) -> Pool:
    """Divide the records of a version. Records that are preferences or have a verdict are neither."""
    answers = {each.record_id: each.answer.label for each in given if each.answer.source is Source.HUMAN}
    others = {each.record_id: each.answer.label for each in given if each.record_id not in answers}
    of_texts = records.answers_of_texts(given)
    terms, chosen = filter_terms(queue.filter), frozenset(queue.record_ids)
    labelled: list[Record] = []
    candidates: dict[str, Record] = {}
    copies = 0
    for row in rows:
        record_id, digest = row["record_id"], row["content_digest"]
        text = row["text"] or ""
        person = answers.get(record_id) or answers.get(of_texts.get(digest, ""), "")
        selected = record_id not in queued and (not chosen or record_id in chosen) and _selects(terms, row)
        label = _parsed(queue.task, person or others.get(record_id, "") or _came_with(queue.task, row))
        if label:
            labelled.append(Record(record_id, digest, text, label, bool(person), selected))
            continue
        if not selected:
            continue
        if digest in candidates:
            copies += 1
        else:
            candidates[digest] = Record(record_id, digest, text)
    return Pool(labelled, list(candidates.values()), copies)


def _answered(queue: Queue, rows: Iterable[Mapping[str, Any]], queued: Collection[str]) -> Pool:
    """Return the records whose answers can be rated or compared."""
    terms, chosen = filter_terms(queue.filter), frozenset(queue.record_ids)
    candidates: dict[tuple[str, ...], Record] = {}
    copies = 0
    for row in rows:
        record_id, digest = row["record_id"], row["content_digest"]
        answers = _candidates(queue, row)
        if (
            not answers
            or record_id in queued
            or (chosen and record_id not in chosen)
            or not _selects(terms, row)
        ):
            continue
        key = (digest, *sorted(answers))
        copies += key in candidates
        candidates.setdefault(key, Record(record_id, digest, row["text"] or "", candidates=answers))
    return Pool((), list(candidates.values()), copies)


def _candidates(queue: Queue, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the answers of a record to rate or to compare, in an order by lot; none if there are too few."""
    example = records.example_of(row.get("example"))
    texts = [*example.answers, *([] if example.rejected is None else [example.rejected])]
    texts = texts or [row["source_label"] or ""]
    answers = list(dict.fromkeys(filter(None, (_parsed(queue.task, text) for text in texts))))
    count = COUNTS[queue.work]
    if len(answers) < count:
        return ()
    first = answers[:count]
    return tuple(first[::-1] if lot("order", queue.name, row["record_id"]) < 0.5 else first)


def _came_with(task: AnswerSpec, row: Mapping[str, Any]) -> str:
    """Return the answer that a record came with; of a preference or a judged answer, one that stands."""
    example = records.example_of(row.get("example"))
    return rules_of(task).imported_answer(task, row["source_label"] or "", example.answers)


def _parsed(task: AnswerSpec, text: str) -> str:
    return (parsed(task, text) or "") if text else ""


def _selects(terms: Sequence[tuple[str, str]], row: Mapping[str, Any]) -> bool:
    attributes = dict(row.get("attributes") or ()) if terms else {}
    return all(
        (attributes.get(field.removeprefix("attributes.")) if "." in field else row.get(field)) == value
        for field, value in terms
    )


def _read(artifacts: ArtifactStore, digest: str, job: JobFolder) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a dataset version, a batch at a time."""
    shards = records.shards(artifacts, digest)
    for number, shard in enumerate(shards, 1):
        if job.stop_requested():
            raise Stopped("The refill was cancelled.")
        with artifacts.open(shard) as file:
            table = pq.ParquetFile(file)
            columns = [each for each in _COLUMNS if each in table.schema_arrow.names]
            for batch in table.iter_batches(columns=columns):
                yield from batch.to_pylist()
        job.progress(0.5 * number / len(shards), "Reading records", unit="records")


def _learner(
    queue: Queue,
    by_people: Sequence[Record],
    given: Sequence[Exported],
    seed: str,
    candidates: Sequence[Record],
) -> "Any | None":
    """Return a model of the labels so far where the queue needs one and there are enough of them."""
    rule = queue.refill_rule
    needed = (
        rule.strategy is not Strategy.RANDOM
        or queue.pre_labels.origin is Origin.CLASSICAL
        or rule.min_gain > 0
    )
    if not needed or not has_single_labels(queue.task):
        return None
    if len(by_people) < MIN_LABELS or len({each.label for each in by_people}) < 2:
        return None
    from ratoon_labeling.worker.learner import Learner  # scikit-learn takes seconds to import

    active = records.actively_drawn(given)
    return Learner(
        [each.text for each in by_people],
        [each.label for each in by_people],
        [each.record_id in active or each.content_digest in active for each in by_people],
        seed,
        [each.text for each in candidates],
    )


def _proposals(
    spec: RefillSpec, queue: Queue, drawn: Sequence[Record], learner: Any, job: JobFolder
) -> Proposals:
    """Return the proposed answers of records."""
    texts, labels = [each.text for each in drawn], list[str]()
    confidences: Sequence[float] = ()
    match queue.pre_labels.origin:
        case Origin.RULES:
            labels, origin = RuleSet(queue.pre_labels.rules).labels(texts), "rules"
        case Origin.CLASSICAL if learner is not None:
            (labels, confidences), origin = learner.proposals(texts), "classical"
        case Origin.ENDPOINT if queue.pre_labels.endpoint is not None and drawn:
            endpoint = queue.pre_labels.endpoint

            def advance(done: int) -> None:
                if job.stop_requested():
                    raise Stopped("The refill was cancelled.")
                job.progress(0.8, "Waiting for the endpoint", done=done, total=len(drawn), unit="records")

            return propose(
                spec, queue.task, endpoint, [(each.record_id, each.text) for each in drawn], advance
            )
        case _:
            return Proposals({}, {}, "")
    ids = [each.record_id for each in drawn]
    return Proposals(
        {record_id: label for record_id, label in zip(ids, labels, strict=True) if label},
        dict(zip(ids, confidences, strict=True)) if confidences else {},
        origin,
    )


def _line(record: Record, selection: Selection, proposals: Proposals) -> dict[str, Any]:
    proposed = proposals.labels.get(record.record_id, "")
    confidence = proposals.confidences.get(record.record_id)
    return {
        "record_id": record.record_id,
        "content_digest": record.content_digest,
        "selection": selection.value,
        "proposed_label": proposed,
        "proposal_origin": proposals.origin if proposed else "",
        "confidence": f"{confidence:.6f}" if proposed and confidence is not None else "",
        "candidates": list(record.candidates),
    }


def _lot(seed: str, record_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{record_id}".encode()).digest()
