"""Columns of exports: one declared schema for all files of a format, whatever the records hold."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from ratoon.tasks.kind import Record
from ratoon.tasks.records import messages, record_of
from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE
from ratoon_ingestion.worker.batches import TIME

FLAT = pa.schema(
    {
        "record_id": pa.string(),
        "content_digest": pa.string(),
        "text": pa.string(),
        "label": pa.string(),
        "language": pa.string(),
        "source": pa.string(),
        "license": pa.string(),
        "received_time": TIME,
        "cluster": pa.string(),
        "attributes": pa.string(),
        "example": pa.string(),
    }
)
"""Columns without nesting, which every reader of tables knows: `attributes` and `example` are JSON."""
DESCRIPTIONS = {
    "record_id": "ID of the record.",
    "content_digest": "Digest of the curated content.",
    "text": "Curated text; of a conversation, its messages one after another.",
    "label": "Label, or the right answer in its canonical form.",
    "language": "ISO 639 code of the detected language.",
    "source": "Resource name of the source.",
    "source_path": "Position of the item in its source.",
    "source_label": "Label that came with the item.",
    "license": "License of the source.",
    "licence": "License of the source.",
    "tokens": "Number of tokens.",
    "chars": "Number of characters.",
    "received_time": "Time at which the item was received, UTC.",
    "cluster": "ID of the cluster of near duplicates.",
    "steps": "What curation did to the record.",
    "attributes": "Attributes of the record.",
    "example": "Conversation and answers as JSON, if the record is more than a text with a label.",
    "image": "First image of the record.",
    "label_votes": "Labels of duplicates, if they differ.",
}
_OTHER_NAMES = {"label": "source_label", "license": "licence"}
"""Columns of versions that have another name in exports."""


def flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows of a version or a part with the columns of `FLAT`; those that it lacks are null."""
    return pa.RecordBatch.from_arrays([_column(batch, field) for field in FLAT], schema=FLAT)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    name = field.name if field.name in batch.schema.names else _OTHER_NAMES.get(field.name, field.name)
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    if name == "attributes":
        return pa.array([_json(dict(row or ())) for row in batch.column(name).to_pylist()], pa.string())
    return batch.column(name).cast(field.type)


def is_conversation(example: str | None, attributes: Mapping[str, str]) -> bool:
    """Return whether a record is a prompt with its answers, and not a text with at most a label."""
    return example is not None or KIND_ATTRIBUTE in attributes


def json_rows(batch: pa.RecordBatch) -> Iterable[dict[str, Any]]:
    """Return the rows of a flat batch as objects that can be imported."""
    for row in batch.to_pylist():
        time: datetime | None = row["received_time"]
        attributes = json.loads(row["attributes"] or "{}")
        common = {
            "id": row["record_id"],
            "language": row["language"],
            "source": row["source"],
            "license": row["license"],
            "time": time.isoformat() if time else None,
            "attributes": attributes,
        }
        if not is_conversation(row["example"], attributes):
            yield {"text": row["text"], "label": row["label"], **common}
        else:
            yield {**_conversation(record_of(row["text"], row["label"], row["example"])), **common}


def _conversation(record: Record) -> dict[str, Any]:
    """Return a conversation in the form that chat trainers read: messages, prompt and pair, or prompt and verdict."""
    prompt = messages(record.turns)
    answers = [{"role": "assistant", "content": answer} for answer in record.answers]
    fields: dict[str, Any]
    if record.rejected is not None:
        rejected = [{"role": "assistant", "content": record.rejected}]
        fields = {"prompt": prompt, "chosen": answers[:1], "rejected": rejected}
    elif record.is_good is not None:
        fields = {"prompt": prompt, "completion": answers[:1], "label": record.is_good}
    else:
        fields = {"messages": [*prompt, *answers[:1]]}
        if len(answers) > 1:
            fields["answers"] = list(record.answers)
    if record.tools:
        fields["tools"] = json.loads(record.tools)
    if record.weight != 1.0:
        fields["weight"] = record.weight
    return fields


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True)
