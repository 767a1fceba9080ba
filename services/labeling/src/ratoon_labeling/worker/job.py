"""Freezing a label set: the labels that came with the data and the annotations given since, one label a record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.jobs import JobFolder
from ratoon.tasks.labels import label_key, match_label
from ratoon_labeling.domain.agreement import nominal_alpha
from ratoon_labeling.domain.annotations import Judgement, Source
from ratoon_labeling.domain.guidelines import LONGEST_LABEL, ConflictPolicy
from ratoon_labeling.domain.label_sets import Frozen
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
    """The platform asked for the end."""

    reason = "STOPPED"


@dataclass(frozen=True)
class Spec:
    """What to freeze; `name` is the label set's and seeds its review sample."""

    artifacts: str
    name: str
    dataset_digest: str
    annotations_digest: str
    labels: Sequence[str]
    conflict_policy: str
    import_as: str
    review_sample_size: int


Judged = list[tuple[Row, list[Judgement]]]


def run(given: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Freeze the labels; returns the fields of `Frozen`."""
    spec = Spec(**{**given, "labels": tuple(given["labels"])})
    artifacts = ArtifactStore(spec.artifacts)
    found = _rows(artifacts, spec, job)
    unknown = Counter(
        label.strip()[:LONGEST_LABEL]
        for row in found
        for label in (row.source_label, *(vote.label for vote in row.votes))
        if label_key(label) and match_label(label, spec.labels) is None
    )
    judged = _judged(found, spec, records.annotations(artifacts, spec.annotations_digest))
    job.progress(0.8, "Writing the labels", done=len(found), total=len(found), unit="records")
    return asdict(_frozen(artifacts, spec, judged, unknown))


def _rows(artifacts: ArtifactStore, spec: Spec, job: JobFolder) -> list[Row]:
    shards = records.shards(artifacts, spec.dataset_digest)
    found: list[Row] = []
    for number, shard in enumerate(shards, 1):
        if job.stop_requested():
            raise Stopped("The label set was cancelled.")
        found.extend(records.rows(artifacts, shard))
        job.progress(0.7 * number / len(shards), "Reading labels", done=len(found), unit="records")
    return found


def _judged(rows: Iterable[Row], spec: Spec, annotations: Iterable[tuple[str, Judgement]]) -> Judged:
    """Each record with its judgements: those given here and the one that came with it."""
    given: dict[str, list[Judgement]] = defaultdict(list)
    for record_id, judgement in annotations:
        if (label := match_label(judgement.label, spec.labels)) is not None:
            given[record_id].append(replace(judgement, label=label))
    return [(row, [*given.get(row.record_id, ()), *_imported(row, spec)]) for row in rows]


def _imported(row: Row, spec: Spec) -> list[Judgement]:
    """The label of a record, or those of its duplicates, each the judgement of an annotator of its own."""
    votes = row.votes or (Vote(row.source_label, row.source, row.time),)
    found: list[Judgement] = []
    counted = Counter[str]()
    for vote in votes:
        label = match_label(vote.label, spec.labels)
        if label is None:
            continue
        counted[vote.source] += 1
        number = counted[vote.source]
        annotator = vote.source if number == 1 else f"{vote.source}#{number}"
        found.append(Judgement(label, annotator, Source(spec.import_as), vote.time))
    return found


def _frozen(artifacts: ArtifactStore, spec: Spec, judged: Judged, unknown: Counter[str]) -> Frozen:
    policy = ConflictPolicy(spec.conflict_policy)
    resolved = [(row, resolve(said, policy)) for row, said in judged if said]
    labels = [(row, each.chosen) for row, each in resolved if each.chosen is not None]
    if not labels:
        raise NoLabels(_no_labels(len(judged), spec.labels, unknown))
    return Frozen(
        digest=records.put_labels(artifacts, labels),
        imported_digest=records.put_lines(artifacts, _imports(judged, spec)),
        tasks_digest=records.put_lines(artifacts, _tasks(resolved, spec)),
        class_counts=dict(sorted(Counter(judgement.label for _, judgement in labels).items())),
        unlabelled_count=len(judged) - len(labels),
        unknown_label_count=unknown.total(),
        unknown_labels=_named(unknown),
        conflict_count=sum(1 for _, each in resolved if each.disputed),
        agreement_alpha=nominal_alpha(_compared(row, said, spec) for row, said in judged),
    )


def _compared(row: Row, said: Sequence[Judgement], spec: Spec) -> list[str]:
    """The labels of a record that tell how far annotators agree.

    Those of its duplicates are kept where they differ alone, so that they would tell of disagreement only.
    """
    counted = said[: len(said) - len(_imported(row, spec))] if row.votes else said
    return [judgement.label for judgement in counted]


def _no_labels(records_count: int, labels: Sequence[str], unknown: Counter[str]) -> str:
    said = f"None of {_counted(records_count)} has one of the labels {', '.join(labels)}"
    if not unknown:
        return f"{said}, and none has any label: name the column of the labels, or annotate records."
    came = ", ".join(f"{label!r} ({count:,})" for label, count in list(_named(unknown).items())[:10])
    return (
        f"{said}; {_counted(unknown.total())} came with other labels{': ' + came if came else ''}. Add "
        "these labels to the project, or name the column that holds the labels."
    )


def _counted(records_count: int) -> str:
    return "1 record" if records_count == 1 else f"{records_count:,} records"


def _named(unknown: Counter[str]) -> dict[str, int]:
    """The most frequent unknown labels. Where a column of texts was taken for labels, the texts are not kept."""
    named = {
        label: count
        for label, count in unknown.most_common()
        if len(label) <= (_MAX_NAMED if count > 1 else _MAX_NAMED_ONCE)
    }
    return dict(list(named.items())[:_MAX_UNKNOWN_LABELS])


def _imports(judged: Judged, spec: Spec) -> list[dict[str, str]]:
    return [
        {
            "record_id": row.record_id,
            "content_digest": row.content_digest,
            "label": judgement.label,
            "annotator": judgement.annotator,
        }
        for row, _ in judged
        for judgement in _imported(row, spec)
    ]


def _tasks(resolved: Sequence[tuple[Row, Resolution]], spec: Spec) -> list[dict[str, str]]:
    """Every record that people must decide, and a sample of those that no person has seen."""
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
