"""Rows of a batch as texts and records: how stages and steps read and change them."""

import re
from collections.abc import Callable

import pyarrow as pa

from ratoon.tasks.kind import Record
from ratoon.tasks.records import from_json, prompt_text, to_json
from ratoon_ingestion.domain.conversations import changed, fault, label_of, wording
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.batches import Verdict, values, with_columns
from ratoon_ingestion.worker.normalise import comparable

_VISIBLE = re.compile(r"[!-~\w]")
"""Characters of which each is a text, in whatever form texts are compared."""


def records_of(batch: pa.RecordBatch) -> list[Record | None]:
    """The records of rows that are more than a text with a label."""
    examples = batch.column("example")
    if examples.null_count == batch.num_rows:
        return [None] * batch.num_rows
    return [None if example is None else from_json(example) for example in examples.to_pylist()]


def with_records(batch: pa.RecordBatch, rows: list[str | Record]) -> pa.RecordBatch:
    """The batch with new texts; those of examples, and their labels, follow from their records."""
    labels = values(batch, "source_label")
    records = [row if isinstance(row, Record) else None for row in rows]
    return with_columns(
        batch,
        {
            "text": pa.array(
                [row if isinstance(row, str) else prompt_text(row.turns) for row in rows], pa.string()
            ),
            "example": pa.array([None if each is None else to_json(each) for each in records], pa.string()),
            "source_label": pa.array(
                [
                    label if record is None else label_of(record) or label
                    for record, label in zip(records, labels, strict=True)
                ],
                pa.string(),
            ),
        },
    )


def with_changed_texts(batch: pa.RecordBatch, change: Callable[[str], str]) -> pa.RecordBatch:
    """The batch with each text of each row changed, those of conversations and answers included."""
    return with_records(
        batch,
        [
            change(text) if record is None else changed(record, change)
            for text, record in zip(values(batch, "text"), records_of(batch), strict=True)
        ],
    )


def faults(batch: pa.RecordBatch) -> list[Verdict]:
    """Examples that a change of their texts made invalid, such as a preference of equal answers."""
    reasons = ("" if record is None else fault(record) for record in records_of(batch))
    return [(Rejected.BAD_ROW, reason) if reason else None for reason in reasons]


def without_text(batch: pa.RecordBatch) -> list[Verdict]:
    """Rows of which no text is left, or, of examples, a message or an answer without one."""
    rows = zip(values(batch, "text"), faults(batch), strict=True)
    return [(Rejected.NO_TEXT, "") if _is_blank(text) else verdict for text, verdict in rows]


def _is_blank(text: str) -> bool:
    return not _VISIBLE.search(text) and not comparable(text)


def wordings(batch: pa.RecordBatch) -> list[str]:
    """The texts by which rows are compared."""
    return [
        text if record is None else wording(record)
        for text, record in zip(values(batch, "text"), records_of(batch), strict=True)
    ]
