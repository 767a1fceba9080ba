"""Writers of tables: Parquet, JSON Lines, CSV."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon_ingestion.worker.exports.attachments import Attachments, with_paths
from ratoon_ingestion.worker.exports.columns import FLAT, flat, json_rows
from ratoon_ingestion.worker.tree import GROUP_RECORDS

Batches = Iterable[pa.RecordBatch]
Writer = Callable[[Path, Batches], None]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""Beginnings of cells that spreadsheets take for formulas, the full-width ones included."""


def parquet_writer(schema: pa.Schema, convert: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Writer:
    """Return a writer of Parquet files with this schema."""

    def write(path: Path, batches: Batches) -> None:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(convert(batch), row_group_size=GROUP_RECORDS)

    return write


class JsonLines:
    """Writer of one JSON object a line; conversations have other fields than texts."""

    def __init__(self, attachments: Attachments | None = None) -> None:
        self._has_conversations, self._attachments = False, attachments

    def __call__(self, path: Path, batches: Batches) -> None:
        """Write a file."""
        with path.open("w", encoding="utf-8", newline="\n") as sink:
            for batch in batches:
                for row in self.rows(batch):
                    self._has_conversations |= "text" not in row
                    sink.write(json.dumps(row, ensure_ascii=False) + "\n")

    def rows(self, batch: pa.RecordBatch) -> Iterable[dict[str, Any]]:
        rows = json_rows(flat(batch))
        return with_paths(rows, self._attachments) if self._attachments else rows

    def columns(self) -> list[tuple[str, str]]:
        """Return the fields without nesting that all rows have so far, with their types."""
        names = [
            *(() if self._has_conversations else ("text", "label")),
            "language",
            "source",
            "license",
            "time",
        ]
        return [(name, "string") for name in ("id", *names)]


class LabelStudioTasks(JsonLines):
    """Writer of one JSON list of tasks, whose data are the rows of JSON lines; `record_id` finds the record again."""

    def __call__(self, path: Path, batches: Batches) -> None:
        """Write a file."""
        with path.open("w", encoding="utf-8", newline="\n") as sink:
            separator = "[\n"
            for batch in batches:
                for row in self.rows(batch):
                    task = {"data": {"record_id": row.pop("id"), **row}}
                    sink.write(separator + json.dumps(task, ensure_ascii=False))
                    separator = ",\n"
            sink.write("[]\n" if separator == "[\n" else "\n]\n")


def csv_writer(escape_formulas: bool) -> Writer:
    """Return a writer of CSV after RFC 4180: lines end with CR LF; cells with commas, quotes, line ends are quoted."""
    shown: Callable[[Any], str] = _escaped if escape_formulas else _shown

    def write(path: Path, batches: Batches) -> None:
        with path.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink)
            writer.writerow(FLAT.names)
            for batch in batches:
                writer.writerows(_cells(flat(batch), shown))

    return write


def _cells(batch: pa.RecordBatch, shown: Callable[[Any], str]) -> Iterable[Sequence[str]]:
    for row in batch.to_pylist():
        yield [shown(value) for value in row.values()]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value.isoformat())


def _escaped(value: Any) -> str:
    text = _shown(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
