"""Wrong answers to tests of suites, as tables that hold the texts beside the answers.

Records of a part of a split are the exception: their texts stay in the part, from which they can be erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.worker.parts import Part, write_table

_COLUMNS = {
    "record_id": pa.string(),
    "text": pa.string(),
    "label": pa.string(),
    "references": pa.list_(pa.string()),
    "predicted": pa.string(),
    "reference_predicted": pa.string(),
    "score": pa.float64(),
    "outcome": pa.string(),
}


@dataclass(frozen=True)
class WrongRow:
    """A wrong answer with the text that it answers."""

    record_id: str
    text: str
    predicted: str
    label: str = ""
    """Right answer; empty: there is none to show."""
    references: tuple[str, ...] = ()
    """All right answers, if there are several."""
    reference_predicted: str | None = None
    """Answer of the reference; None: there is no reference."""
    score: float | None = None
    outcome: str = ""
    """How the program of the answer ended; empty: it is no program."""


def write_wrong(store: ArtifactStore, rows: Sequence[WrongRow]) -> str:
    """Store wrong answers; returns the digest of the table."""
    fields = [asdict(row) for row in rows]
    columns = {
        name: pa.array([_encodable(row[name]) for row in fields], type_) for name, type_ in _COLUMNS.items()
    }
    return write_table(store, columns)


def with_texts(store: ArtifactStore, wrong: str, part: Part) -> str:
    """Return the digest of wrong answers with the texts and right answers of their records."""
    places = {record_id: place for place, record_id in enumerate(part.record_ids)}
    rows = pq.read_table(BytesIO(store.read(wrong))).to_pylist()
    return write_wrong(store, [_row(row, part, places[row["record_id"]]) for row in rows])


def _row(row: Mapping[str, Any], part: Part, place: int) -> WrongRow:
    references = part.records[place].answers
    return WrongRow(
        row["record_id"],
        part.texts[place],
        row["predicted"] or "",
        part.labels[place],
        references if len(references) > 1 else (),
        row.get("reference_predicted"),
        row.get("score"),
    )


def _encodable(value: Any) -> Any:
    """Return a value without halves of surrogate pairs, which files may hold and tables may not."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_encodable(each) for each in value] if isinstance(value, list | tuple) else value
