"""Tables: JSON lines, CSV and Parquet, each row an item with text, label, id and time in named columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    as_time,
    clean_path,
)
from ratoon_ingestion.worker.readers.lines import Line, bounded_lines

_ATTRIBUTE_CHARS = 256
_DELIMITERS = ",;\t|"

Found = Iterator[Item | Rejection]


def read_jsonl(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Found:
    """One JSON object a line; blank lines are no items."""
    with store.open(source.digest) as stream:
        for line in bounded_lines(stream, limits.item_bytes):
            if line.data.strip():
                yield _json_row(source.columns, line)


def read_csv(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Found:
    """CSV with a header line, UTF-8; of comma, semicolon, tab and bar, what the header uses most delimits."""
    csv.field_size_limit(limits.item_bytes)
    with store.open(source.digest) as stream:
        lines = _CsvLines(bounded_lines(stream, limits.item_bytes))
        header_line = next(lines, "").removeprefix("\ufeff")
        delimiter = max(_DELIMITERS, key=header_line.count)
        header = _header(source, header_line, delimiter)
        _need_column(source, header)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while (entry := _csv_row(source.columns, header, rows, lines)) is not None:
            yield entry


def _header(source: SourceSpec, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise SourceUnreadable(
            "CSV_DAMAGED",
            f"The first line of {source.name} is no CSV header ({error}): save it with Unix or Windows line ends.",
        ) from error


def read_parquet(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Found:
    """The rows of a Parquet file, a few hundred at a time."""
    with store.open(source.digest) as stream:
        try:
            file = pq.ParquetFile(stream)
            _need_column(source, file.schema_arrow.names)
            wanted = [name for name in _names(source.columns) if name in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield _within(_item(source.columns, row, f"row-{number}"), limits)
        except (pa.ArrowException, OSError) as error:
            raise SourceUnreadable(
                "PARQUET_DAMAGED", f"The blob of {source.name} is no readable Parquet file: {error}"
            ) from error


def _json_row(columns: Columns, line: Line) -> Item | Rejection:
    path = f"line-{line.number}"
    if line.cut:
        return Rejection(path, Rejected.TOO_LARGE, f"{line.size} bytes")
    try:
        row = json.loads(line.data)
    except (ValueError, RecursionError) as error:
        return Rejection(path, Rejected.BAD_ROW, f"no JSON: {error}"[:200])
    if not isinstance(row, dict):
        return Rejection(path, Rejected.BAD_ROW, "not a JSON object")
    return _item(columns, row, path)


class _CsvLines:
    """The lines of a CSV as text; remembers whether one since the last look was cut."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._cut = False
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        self._cut |= line.cut
        return line.data.decode("utf-8", errors="replace") + "\n"

    def was_cut(self) -> bool:
        """Whether a line since the last call was longer than the bound."""
        cut, self._cut = self._cut, False
        return cut


def _csv_row(
    columns: Columns, header: list[str], rows: Iterator[list[str]], lines: _CsvLines
) -> Item | Rejection | None:
    """The next row that is not blank, or None at the end."""
    first = lines.number + 1
    try:
        row = next(row for row in rows if row)
    except StopIteration:
        return None
    except csv.Error as error:
        return Rejection(f"line-{first}", Rejected.BAD_ROW, f"lines {first} to {lines.number}: {error}")
    path = f"line-{lines.number}"
    if lines.was_cut():
        return Rejection(path, Rejected.TOO_LARGE, "a line is too long")
    if len(row) != len(header):
        return Rejection(path, Rejected.BAD_ROW, f"{len(row)} fields where the header has {len(header)}")
    return _item(columns, dict(zip(header, row, strict=True)), path)


def _within(entry: Item | Rejection, limits: Limits) -> Item | Rejection:
    """The entry, unless it is an item that is too large."""
    if isinstance(entry, Item) and len(entry.payload) > limits.item_bytes:
        return Rejection(entry.path, Rejected.TOO_LARGE, f"{len(entry.payload)} bytes")
    return entry


def _item(columns: Columns, row: Mapping[str, Any], place: str) -> Item | Rejection:
    identity, text = row.get(columns.id), row.get(columns.text)
    path = clean_path(str(identity)) if isinstance(identity, str | int) and str(identity) else place
    if isinstance(text, str):
        payload = text.encode("utf-8", errors="replace")
    elif isinstance(text, bytes):
        payload = text
    else:
        return Rejection(path, Rejected.NO_TEXT, f"{columns.text} holds no text")
    label = row.get(columns.label)
    attributes = {
        name: str(row[name])[:_ATTRIBUTE_CHARS] for name in columns.attributes if row.get(name) is not None
    }
    return Item(
        path,
        Kind.TEXT,
        payload,
        None if label in (None, "") else str(label),
        as_time(row.get(columns.time)),
        attributes,
    )


def _names(columns: Columns) -> tuple[str, ...]:
    return (columns.text, columns.label, columns.id, columns.time, *columns.attributes)


def _need_column(source: SourceSpec, found: Iterable[str]) -> None:
    names = list(found)
    if source.columns.text not in names:
        raise SourceUnreadable(
            "COLUMN_MISSING",
            f"{source.name} has no column {source.columns.text!r} for the text; it has {names[:20]}. Name "
            "the right one in the source's columns.",
        )
