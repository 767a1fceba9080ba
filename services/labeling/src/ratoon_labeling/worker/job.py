"""Freezing a label set: the labels that came with the data and the annotations given since, one label a record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.labeling_jobs_pb2 import FreezingResult, FreezingSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.labels import label_key, match_label
from ratoon_labeling.domain.agreement import nominal_alpha
from ratoon_labeling.domain.annotations import AnnotatedLabel, Source
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds.classify import LONGEST_LABEL
from ratoon_labeling.domain.resolution import Resolution, resolve
from ratoon_labeling.domain.sampling import review_sample
from ratoon_labeling.domain.tasks import Reason
from ratoon_labeling.worker import records
from ratoon_labeling.worker.records import Row, Vote

_MAX_UNKNOWN_LABELS, _MAX_NAMED, _MAX_NAMED_ONCE = 50, 64, 24


class NoLabels(Exception):
    """No record of the dataset version has a label."""

    reason = "NO_LABELS"


class Stopped(Exception):
    """The platform requested the job to stop."""

    reason = "STOPPED"


AnnotatedRows = list[tuple[Row, list[AnnotatedLabel]]]


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Freeze the labels of a `FreezingSpec`; return a `FreezingResult`, both as JSON."""
    spec = from_json(FreezingSpec, raw_spec)
    artifacts = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    rows = _rows(artifacts, spec, job)
    unknown = Counter(
        label.strip()[:LONGEST_LABEL]
        for row in rows
        for label in (row.source_label, *(vote.label for vote in row.votes))
        if label_key(label) and match_label(label, spec.labels) is None
    )
    annotated = _annotated(rows, spec, records.annotations(artifacts, spec.annotations_digest))
    job.progress(0.8, "Writing the labels", done=len(rows), total=len(rows), unit="records")
    return to_json(_frozen(artifacts, spec, annotated, unknown))


def _rows(artifacts: ArtifactStore, spec: FreezingSpec, job: JobFolder) -> list[Row]:
    shards = records.shards(artifacts, spec.dataset_digest)
    rows: list[Row] = []
    for number, shard in enumerate(shards, 1):
        if job.stop_requested():
            raise Stopped("The label set was cancelled.")
        rows.extend(records.rows(artifacts, shard))
        job.progress(0.7 * number / len(shards), "Reading labels", done=len(rows), unit="records")
    return rows


def _annotated(
    rows: Iterable[Row], spec: FreezingSpec, annotations: Iterable[tuple[str, AnnotatedLabel]]
) -> AnnotatedRows:
    """Return each record with its annotations: those created here and the one that came with it."""
    by_record: dict[str, list[AnnotatedLabel]] = defaultdict(list)
    for record_id, annotation in annotations:
        if (label := match_label(annotation.label, spec.labels)) is not None:
            by_record[record_id].append(replace(annotation, label=label))
    return [(row, [*by_record.get(row.record_id, ()), *_imported(row, spec)]) for row in rows]


def _imported(row: Row, spec: FreezingSpec) -> list[AnnotatedLabel]:
    """The label of a record, or those of its duplicates, each by an annotator of its own."""
    votes = row.votes or (Vote(row.source_label, row.source, row.time),)
    labels: list[AnnotatedLabel] = []
    counted = Counter[str]()
    for vote in votes:
        label = match_label(vote.label, spec.labels)
        if label is None:
            continue
        counted[vote.source] += 1
        number = counted[vote.source]
        annotator = vote.source if number == 1 else f"{vote.source}#{number}"
        labels.append(AnnotatedLabel(label, annotator, Source(spec.import_as), vote.time))
    return labels


def _frozen(
    artifacts: ArtifactStore, spec: FreezingSpec, annotated: AnnotatedRows, unknown: Counter[str]
) -> FreezingResult:
    policy = ConflictPolicy(spec.conflict_policy)
    resolved = [(row, resolve(annotations, policy)) for row, annotations in annotated if annotations]
    labels = [(row, each.chosen) for row, each in resolved if each.chosen is not None]
    if not labels:
        raise NoLabels(_no_labels(len(annotated), spec.labels, unknown))
    return FreezingResult(
        digest=records.put_labels(artifacts, labels),
        imported_digest=records.put_lines(artifacts, _imports(annotated, spec)),
        tasks_digest=records.put_lines(artifacts, _tasks(resolved, spec)),
        class_counts=Counter(chosen.label for _, chosen in labels),
        unlabelled_count=len(annotated) - len(labels),
        unknown_label_count=unknown.total(),
        unknown_labels=_named(unknown),
        conflict_count=sum(1 for _, each in resolved if each.disputed),
        agreement_alpha=nominal_alpha(_compared(row, annotations, spec) for row, annotations in annotated),
    )


def _compared(row: Row, annotations: Sequence[AnnotatedLabel], spec: FreezingSpec) -> list[str]:
    """Return the labels of a record that count for the agreement of annotators.

    Those of its duplicates are stored only where they differ, so they would count as disagreement alone.
    """
    counted = annotations[: len(annotations) - len(_imported(row, spec))] if row.votes else annotations
    return [annotation.label for annotation in counted]


def _no_labels(records_count: int, labels: Sequence[str], unknown: Counter[str]) -> str:
    text = f"None of {_counted(records_count)} has one of the labels {', '.join(labels)}"
    if not unknown:
        return f"{text}, and none has any label: name the column of the labels, or annotate records."
    came = ", ".join(f"{label!r} ({count:,})" for label, count in list(_named(unknown).items())[:10])
    return (
        f"{text}; {_counted(unknown.total())} came with other labels{': ' + came if came else ''}. Add "
        "these labels to the project, or name the column that holds the labels."
    )


def _counted(records_count: int) -> str:
    return "1 record" if records_count == 1 else f"{records_count:,} records"


def _named(unknown: Counter[str]) -> dict[str, int]:
    """The most frequent unknown labels. Where a column of texts was taken for labels, the texts are not stored."""
    named = {
        label: count
        for label, count in unknown.most_common()
        if len(label) <= (_MAX_NAMED if count > 1 else _MAX_NAMED_ONCE)
    }
    return dict(list(named.items())[:_MAX_UNKNOWN_LABELS])


def _imports(annotated: AnnotatedRows, spec: FreezingSpec) -> list[dict[str, str]]:
    return [
        {
            "record_id": row.record_id,
            "content_digest": row.content_digest,
            "label": each.label,
            "annotator": each.annotator,
        }
        for row, _ in annotated
        for each in _imported(row, spec)
    ]


def _tasks(resolved: Sequence[tuple[Row, Resolution]], spec: FreezingSpec) -> list[dict[str, str]]:
    """Every record that people must decide, and a sample of those that no person has labelled."""
    ties = [_task(row, "", Reason.CONFLICT) for row, each in resolved if each.chosen is None]
    unseen = {
        row.record_id: (row, each.chosen.label)
        for row, each in resolved
        if each.chosen is not None and each.chosen.source is not Source.HUMAN
    }
    labels = {record_id: label for record_id, (_, label) in unseen.items()}
    drawn = review_sample(labels, spec.review_sample_size, spec.name)
    return ties + [_task(*unseen[record_id], Reason.REVIEW_SAMPLE) for record_id in drawn]


def _task(row: Row, proposed_label: str, reason: Reason) -> dict[str, str]:
    return {
        "record_id": row.record_id,
        "content_digest": row.content_digest,
        "proposed_label": proposed_label,
        "reason": reason.value,
    }
