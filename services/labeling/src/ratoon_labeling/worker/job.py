"""Freezing a label set: the answers that came with the data and the annotations given since, one answer a record."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.labeling_jobs_pb2 import FreezingResult, FreezingSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service.tasks import task_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import kinds
from ratoon.tasks.classify import Classify
from ratoon.tasks.labels import label_key
from ratoon_labeling import mapping
from ratoon_labeling.domain.annotations import AnnotatedLabel, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds.table import labels_of, parsed, rules_of
from ratoon_labeling.domain.marks import AnswerSpec, model_task
from ratoon_labeling.domain.resolution import Resolution, resolve
from ratoon_labeling.domain.sampling import review_sample
from ratoon_labeling.domain.tasks import Reason
from ratoon_labeling.worker import records
from ratoon_labeling.worker.draw import run as run_drawing
from ratoon_labeling.worker.records import Exported, Row, Vote

_MAX_UNKNOWN_LABELS, _MAX_NAMED, _MAX_NAMED_ONCE = 50, 64, 24
_MAX_UNKNOWN_CHARS = 200
"""Characters that distinguish answers that are not valid."""


class NoLabels(Exception):
    """No record of the dataset version has a label."""

    reason = "NO_LABELS"


class Stopped(Exception):
    """The platform requested the job to stop."""

    reason = "STOPPED"


@dataclass(frozen=True)
class Annotated:
    """A record with its valid annotations: those that were created here, and those that came with the record."""

    row: Row
    created: Sequence[AnnotatedLabel]
    imported: Sequence[AnnotatedLabel]

    @property
    def all(self) -> list[AnnotatedLabel]:
        """Return both."""
        return [*self.created, *self.imported]

    @property
    def compared(self) -> list[str]:
        """Return the answers that count for the agreement of annotators.

        Those of duplicates are stored only where they differ, so they would count as disagreement alone.
        """
        return [each.label for each in (self.created if self.row.votes else self.all)]


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Freeze the labels of a `FreezingSpec`, or draw the records of a `RefillSpec`; return the result, all as JSON."""
    if from_json(JobEnvironment, raw_spec).task == "draw":
        return run_drawing(raw_spec, job)
    spec = from_json(FreezingSpec, raw_spec)
    artifacts, task = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts), _task_of(spec)
    rows = _rows(artifacts, spec, job, partial(rules_of(task).imported_answer, task))
    unknown = Counter(
        label.strip()[:_MAX_UNKNOWN_CHARS]
        for row in rows
        for label in (row.source_label, *(vote.label for vote in row.votes))
        if label_key(label) and parsed(task, label) is None
    )
    given = list(records.annotations(artifacts, spec.annotations_digest))
    created = _created(task, given)
    of_texts = records.answers_of_texts(given)
    annotated = [
        Annotated(
            row,
            created.get(row.record_id, ()) or created.get(of_texts.get(row.content_digest, ""), ()),
            _imported(task, row, Source(spec.import_as)),
        )
        for row in rows
    ]
    active = records.actively_drawn(given)
    job.progress(0.8, "Writing the labels", done=len(rows), total=len(rows), unit="records")
    return to_json(_frozen(artifacts, spec, task, annotated, unknown, active))


def _task_of(spec: FreezingSpec) -> AnswerSpec:
    if (marked := mapping.read_marks(spec.marks)) is not None:
        return marked
    return task_of(spec.task_spec) if spec.HasField("task_spec") else Classify(tuple(spec.labels))


def _rows(
    artifacts: ArtifactStore,
    spec: FreezingSpec,
    job: JobFolder,
    answer_of: Callable[[str, Sequence[str]], str],
) -> list[Row]:
    shards = records.shards(artifacts, spec.dataset_digest)
    rows: list[Row] = []
    for number, shard in enumerate(shards, 1):
        if job.stop_requested():
            raise Stopped("The label set was cancelled.")
        rows.extend(records.rows(artifacts, shard, answer_of))
        job.progress(0.7 * number / len(shards), "Reading labels", done=len(rows), unit="records")
    return rows


def _created(task: AnswerSpec, annotations: Iterable[Exported]) -> dict[str, list[AnnotatedLabel]]:
    """Return the valid annotations of each record."""
    by_record: dict[str, list[AnnotatedLabel]] = defaultdict(list)
    for each in annotations:
        if (label := parsed(task, each.answer.label)) is not None:
            by_record[each.record_id].append(replace(each.answer, label=label))
    return by_record


def _imported(task: AnswerSpec, row: Row, source: Source) -> list[AnnotatedLabel]:
    """The answer of a record, or those of its duplicates, each by an annotator of its own."""
    votes = row.votes or (Vote(row.source_label, row.source, row.time),)
    labels: list[AnnotatedLabel] = []
    counted = Counter[str]()
    for vote in votes:
        label = parsed(task, vote.label)
        if label is None:
            continue
        counted[vote.source] += 1
        number = counted[vote.source]
        annotator = vote.source if number == 1 else f"{vote.source}#{number}"
        labels.append(AnnotatedLabel(label, annotator, source, vote.time))
    return labels


def _frozen(
    artifacts: ArtifactStore,
    spec: FreezingSpec,
    task: AnswerSpec,
    annotated: Sequence[Annotated],
    unknown: Counter[str],
    active: Collection[str],
) -> FreezingResult:
    policy, rules = ConflictPolicy(spec.conflict_policy), rules_of(task)
    resolved = [(each.row, resolve(each.all, policy, task)) for each in annotated if each.all]
    unanswered = [] if rules.HAS_CLASSES else [each.row for each in annotated if not each.all]
    labels = [(row, each.chosen) for row, each in resolved if each.chosen is not None]
    if not labels:
        raise NoLabels(_no_labels(task, len(annotated), unknown))
    agreement = rules.agreement(each.compared for each in annotated)
    return FreezingResult(
        digest=records.put_labels(artifacts, labels, active),
        imported_digest=records.put_lines(artifacts, _imports(annotated)),
        tasks_digest=records.put_lines(artifacts, _tasks(resolved, unanswered, task, spec)),
        class_counts=Counter(each for _, chosen in labels for each in rules.classes(task, chosen.label)),
        label_count=len(labels),
        unlabelled_count=len(annotated) - len(labels),
        unknown_label_count=unknown.total(),
        unknown_labels=_named(task, unknown),
        conflict_count=sum(1 for _, each in resolved if each.disputed),
        agreement_alpha=agreement.alpha,
        agreement_token_f1=agreement.token_f1,
    )


def _no_labels(task: AnswerSpec, records_count: int, unknown: Counter[str]) -> str:
    others = ""
    if unknown:
        noun = "labels" if labels_of(task) else "answers"
        came = ", ".join(
            f"{label!r} ({count:,})" for label, count in list(_named(task, unknown).items())[:10]
        )
        others = f"{_counted(unknown.total())} came with other {noun}{': ' + came if came else ''}"
    return rules_of(task).no_answers(task, _counted(records_count), others)


def _counted(records_count: int) -> str:
    return "1 record" if records_count == 1 else f"{records_count:,} records"


def _named(task: AnswerSpec, unknown: Counter[str]) -> dict[str, int]:
    """The most frequent unknown answers. Texts are not stored, neither where a column of them was taken for labels."""
    if kinds.kind_of(model_task(task)).FREE_TEXT:
        return {}
    named = {
        label: count
        for label, count in unknown.most_common()
        if len(label) <= (_MAX_NAMED if count > 1 else _MAX_NAMED_ONCE)
    }
    return dict(list(named.items())[:_MAX_UNKNOWN_LABELS])


def _imports(annotated: Iterable[Annotated]) -> list[dict[str, str]]:
    return [
        {
            "record_id": each.row.record_id,
            "content_digest": each.row.content_digest,
            "label": imported.label,
            "annotator": imported.annotator,
        }
        for each in annotated
        for imported in each.imported
    ]


def _tasks(
    resolved: Sequence[tuple[Row, Resolution]],
    unanswered: Sequence[Row],
    task: AnswerSpec,
    spec: FreezingSpec,
) -> list[dict[str, str]]:
    """Every record that people must decide, and a sample of those that no person has answered.

    Records whose answers stand whatever people enter are left out.
    """
    ties = [
        _task(row, "", Reason.CONFLICT)
        for row, each in resolved
        if each.chosen is None and not row.keeps_answers
    ]
    unseen = {row.record_id: (row, "") for row in unanswered if not row.keeps_answers} | {
        row.record_id: (row, each.chosen.label)
        for row, each in resolved
        if each.chosen is not None and each.chosen.source is not Source.HUMAN and not row.keeps_answers
    }
    classes = rules_of(task).classes
    groups = {record_id: "\n".join(classes(task, label)) for record_id, (_, label) in unseen.items()}
    drawn = review_sample(groups, spec.review_sample_size, spec.name)
    return ties + [_task(*unseen[record_id], Reason.REVIEW_SAMPLE) for record_id in drawn]


def _task(row: Row, proposed_label: str, reason: Reason) -> dict[str, str]:
    return {
        "record_id": row.record_id,
        "content_digest": row.content_digest,
        "proposed_label": proposed_label,
        "reason": reason.value,
    }
