"""What a label set reads and writes: the label columns of a dataset version, annotations, and the frozen labels.

It knows file formats and no rule.
"""

import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record
from ratoon.tasks.records import BadRecord, from_json
from ratoon_labeling.domain.annotations import AnnotatedLabel, Selection, Source

COLUMNS = ["record_id", "content_digest", "source", "source_label", "received_time"]
VOTES = "label_votes"
"""The column of what duplicates were labelled; versions of older releases lack it."""
EXAMPLE = "example"
"""The column of records that are more than a text and an answer; versions of older releases lack it."""
LABELS = pa.schema(
    [
        (name, pa.string())
        for name in ("record_id", "content_digest", "label", "annotator", "source", "selection")
    ]
)
"""Columns of frozen labels. `selection` is ACTIVE where a queue drew the record by uncertainty, else null; label sets
without such records lack the column, as those of older releases do."""
UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
"""When a label was given that came with data which do not say: before any that people create here."""


class DatasetBroken(Exception):
    """The artifact is no dataset version."""

    reason = "DATASET_BROKEN"


@dataclass(frozen=True)
class Vote:
    """The label of one duplicate of a record."""

    label: str
    source: str
    time: datetime


@dataclass(frozen=True)
class Row:
    """A record, and the label that came with it; empty where none did."""

    record_id: str
    content_digest: str
    source: str
    source_label: str
    time: datetime
    votes: Sequence[Vote] = ()
    """The labels that duplicates of it came with, where they differ."""
    keeps_answers: bool = False
    """It is a preference, or an answer with a verdict: no other answer takes their place."""


def shards(artifacts: ArtifactStore, dataset_digest: str) -> list[str]:
    """The digests of a dataset version's record files, in their order; DatasetBroken when there are none."""
    digests = [file.sha256 for file in artifacts.tree(dataset_digest) if file.path.startswith("records-")]
    if not digests:
        raise DatasetBroken(f"Artifact {dataset_digest} holds no records; build the dataset version again.")
    return digests


def rows(
    artifacts: ArtifactStore, shard: str, answer_of: Callable[[str, Sequence[str]], str]
) -> Iterator[Row]:
    """The rows of one record file, without their texts. `answer_of` gets the label and the answers of a record."""
    with artifacts.open(shard) as file:
        table = pq.ParquetFile(file)
        columns = [*COLUMNS, *({VOTES, EXAMPLE} & {*table.schema_arrow.names})]
        for batch in table.iter_batches(columns=columns):
            for row in batch.to_pylist():
                yield _row(row, answer_of)


def _row(row: dict[str, Any], answer_of: Callable[[str, Sequence[str]], str]) -> Row:
    example = example_of(row.get(EXAMPLE))
    return Row(
        row["record_id"],
        row["content_digest"],
        row["source"] or "",
        answer_of(row["source_label"] or "", example.answers),
        row["received_time"] or UNDATED,
        tuple(Vote(vote["label"], vote["source"], vote["time"] or UNDATED) for vote in row.get(VOTES) or ()),
        keeps_answers=example.rejected is not None or example.is_good is not None,
    )


def example_of(example: str | None) -> Record:
    """The record that stands as JSON beside its text; an empty one if there is none."""
    try:
        return from_json(example) if example else Record()
    except BadRecord:
        return Record()


@dataclass(frozen=True)
class Exported:
    """Annotation that was exported: its record, the digest of the text, and whether a queue drew it by uncertainty."""

    record_id: str
    answer: AnnotatedLabel
    content_digest: str = ""
    is_active: bool = False


def annotations(artifacts: ArtifactStore, digest: str) -> Iterator[Exported]:
    """Yield each annotation that was exported. Exports of older releases name neither text nor selection."""
    for line in read_lines(artifacts, digest):
        time = datetime.fromisoformat(line["time"])
        answer = AnnotatedLabel(line["label"], line["annotator"], Source(line["source"]), time)
        active = line.get("selection") == Selection.ACTIVE
        yield Exported(line["record_id"], answer, line.get("content_digest", ""), active)


def answers_of_texts(given: Iterable[Exported]) -> dict[str, str]:
    """Return the record that people answered of each text: copies of it share the answers."""
    return {
        each.content_digest: each.record_id
        for each in given
        if each.content_digest and each.answer.source is Source.HUMAN
    }


def actively_drawn(given: Iterable[Exported]) -> frozenset[str]:
    """Return the records and texts that a queue drew by uncertainty."""
    active = [each for each in given if each.is_active]
    return frozenset(each.record_id for each in active) | {each.content_digest for each in active} - {""}


def read_lines(artifacts: ArtifactStore, digest: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines blob."""
    with artifacts.open(digest) as file:
        yield from map(json.loads, file)


def put_lines(artifacts: ArtifactStore, objects: Iterable[dict[str, Any]]) -> str:
    """Store objects as a JSON-lines blob; its digest."""
    return artifacts.put_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in objects))


def put_labels(
    artifacts: ArtifactStore,
    labels: Iterable[tuple[Row, AnnotatedLabel]],
    active: Collection[str] = (),
) -> str:
    """Store the frozen labels as Parquet; the digest is a function of the labels and their order.

    `active` holds ids and digests of records that were drawn by uncertainty: a column marks them.
    """
    lines = [
        {
            "record_id": row.record_id,
            "content_digest": row.content_digest,
            "label": chosen.label,
            "annotator": chosen.annotator,
            "source": chosen.source.value,
            "selection": Selection.ACTIVE.value
            if row.record_id in active or row.content_digest in active
            else None,
        }
        for row, chosen in labels
    ]
    schema = LABELS if active else pa.schema([each for each in LABELS if each.name != "selection"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.parquet")
        pq.write_table(pa.Table.from_pylist(lines, schema=schema), path, compression="zstd")
        return artifacts.put_file(path)
