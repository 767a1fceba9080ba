"""The Arrow schemas that curation passes through, and how a stage changes or rejects rows of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ratoon_ingestion.domain.curation import CurationStep
from ratoon_ingestion.worker.readers import Item, Rejection, SourceSpec

ATTRIBUTES = pa.map_(pa.string(), pa.string())
TIME = pa.timestamp("us", tz="UTC")
VOTES = pa.list_(pa.struct({"label": pa.string(), "source": pa.string(), "time": TIME}))

ITEMS = pa.schema(
    {
        "source": pa.string(),
        "source_path": pa.string(),
        "source_label": pa.string(),
        "licence": pa.string(),
        "received_time": TIME,
        "attributes": ATTRIBUTES,
        "kind": pa.string(),
        "payload": pa.binary(),
        "encoding": pa.string(),
    }
)
"""Raw items, as readers yield them."""

RECORDS = pa.schema(
    {
        "record_id": pa.string(),
        "content_digest": pa.string(),
        "text": pa.string(),
        "source": pa.string(),
        "source_path": pa.string(),
        "source_label": pa.string(),
        "licence": pa.string(),
        "language": pa.string(),
        "tokens": pa.int32(),
        "chars": pa.int32(),
        "cluster": pa.string(),
        "steps": pa.list_(pa.string()),
        "received_time": TIME,
        "attributes": ATTRIBUTES,
        "label_votes": VOTES,
        "example": pa.string(),
    }
)
"""The records of a dataset version. `label_votes`: the labels of its duplicates where they differ; it has none then.
`example`: the record as JSON where text and label do not say all of it; versions of older releases lack the column."""

SKETCHES = pa.schema({"shingles": pa.list_(pa.uint64()), "simhash": pa.uint64(), "answers": pa.string()})
"""Columns of the duplicate search in addition to a record's; they are not stored. `answers`: digest of the answers,
tools and system messages of an example; empty for texts, whose labels may be in conflict."""

CURATED = pa.schema([*(each for each in RECORDS if each.name not in ("cluster", "label_votes")), *SKETCHES])
"""Records before the duplicate search."""

REJECTED = pa.schema(
    {
        "record_id": pa.string(),
        "source": pa.string(),
        "source_path": pa.string(),
        "step": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
        "text_start": pa.string(),
    }
)
"""Items that became no record; `record_id` is empty where they could not even be read."""

START_CHARS = 120
"""Characters of a rejected text to store, for review."""

Verdict = tuple[str, str] | None
"""None: the row stays; else the reason and a detail for which it goes."""


@dataclass(frozen=True)
class Outcome:
    """Result of a stage: the rows that it accepts, those that it rejects (schema REJECTED), and what it counted.

    `changes_texts`: false if no accepted row has another text than before.
    """

    accepted: pa.RecordBatch
    rejected: pa.RecordBatch
    counts: Mapping[str, int] = field(default_factory=dict)
    changes_texts: bool = True


def items_batch(source: SourceSpec, items: Sequence[Item]) -> pa.RecordBatch:
    """Items of one source as a batch of schema ITEMS."""
    rows = [
        {
            "source": source.name,
            "source_path": item.path,
            "source_label": item.label,
            "licence": source.licence,
            "received_time": item.time,
            "attributes": list(item.attributes.items()),
            "kind": item.kind.value,
            "payload": item.payload,
            "encoding": source.encoding,
        }
        for item in items
    ]
    return pa.RecordBatch.from_pylist(rows, schema=ITEMS)


def rejections_batch(source: SourceSpec, rejections: Iterable[Rejection]) -> pa.RecordBatch:
    """Rejections of a reader as a batch of schema REJECTED."""
    rows = [
        {
            "record_id": "",
            "source": source.name,
            "source_path": rejection.path,
            "step": CurationStep.READ.value,
            "reason": rejection.reason.value,
            "detail": rejection.detail,
            "text_start": "",
        }
        for rejection in rejections
    ]
    return pa.RecordBatch.from_pylist(rows, schema=REJECTED)


def values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python values."""
    return list(batch.column(name).to_pylist())


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """The batch with columns added or replaced."""
    names = dict(zip(batch.schema.names, batch.columns, strict=True)) | dict(columns)
    return pa.RecordBatch.from_arrays(list(names.values()), names=list(names))


def with_steps(batch: pa.RecordBatch, added: Sequence[Sequence[str]]) -> pa.RecordBatch:
    """The batch with what was done to each row added to its `steps`."""
    steps = [[*before, *new] for before, new in zip(values(batch, "steps"), added, strict=True)]
    return with_columns(batch, {"steps": pa.array(steps, pa.list_(pa.string()))})


def with_attributes(batch: pa.RecordBatch, added: Sequence[Mapping[str, str]]) -> pa.RecordBatch:
    """The batch with attributes added to each row."""
    merged = [
        list((dict(before) | dict(new)).items())
        for before, new in zip(values(batch, "attributes"), added, strict=True)
    ]
    return with_columns(batch, {"attributes": pa.array(merged, ATTRIBUTES)})


def partition(batch: pa.RecordBatch, step: str, verdicts: Sequence[Verdict]) -> Outcome:
    """Partition a batch by its rows' verdicts."""
    stays = pa.array([verdict is None for verdict in verdicts], pa.bool_())
    reasons = [verdict for verdict in verdicts if verdict is not None]
    if not reasons:
        return Outcome(batch, pa.RecordBatch.from_pylist([], schema=REJECTED))
    gone = batch.filter(pc.invert(stays))
    rejected = pa.RecordBatch.from_arrays(
        [
            gone.column("record_id"),
            gone.column("source"),
            gone.column("source_path"),
            pa.array([str(step)] * len(reasons), pa.string()),
            pa.array([str(reason) for reason, _ in reasons], pa.string()),
            pa.array([detail for _, detail in reasons], pa.string()),
            pa.array(_starts(gone, step), pa.string()),
        ],
        schema=REJECTED,
    )
    return Outcome(batch.filter(stays), rejected)


def _starts(gone: pa.RecordBatch, step: str) -> list[str]:
    """The start of each text that goes; empty for erased records."""
    if step == CurationStep.ERASURE:
        return [""] * gone.num_rows
    return [text[:START_CHARS] for text in values(gone, "text")]
