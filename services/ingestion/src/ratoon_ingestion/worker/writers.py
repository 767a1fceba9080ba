"""Writers: items become a source's blob again, in the format and under the names by which the readers read it.

They write what readers yield: items with their path, label, time and attributes, and examples as whole records. What
could not be read and columns that are not configured are not written again.
"""

import csv
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.tasks.records import from_json, to_json
from ratoon_ingestion.domain.sources import Columns, Format, SampleBy
from ratoon_ingestion.worker.batches import TIME
from ratoon_ingestion.worker.readers import Item, SourceSpec
from ratoon_ingestion.worker.readers.columns import named_columns
from ratoon_ingestion.worker.readers.examples import ATTRIBUTES, EXAMPLE
from ratoon_ingestion.worker.readers.stored_items import write_stored
from ratoon_ingestion.worker.readers.withdrawn import MARK

_BATCH = 500
_TO_ESCAPE = re.compile(rb">*From ")

Write = Callable[[SourceSpec, Iterable[Item], Path, bool], None]


def write_source(source: SourceSpec, items: Iterable[Item], path: Path, has_examples: bool = True) -> None:
    """Write the items as one file that the source's reader reads as these items again.

    A CSV or Parquet table that `has_examples` gets their columns.
    """
    write = _write_stored if source.rows is not None else _WRITERS[source.format]
    write(source, items, path, has_examples)


def _write_archive(source: SourceSpec, items: Iterable[Item], path: Path, _has_examples: bool) -> None:
    if source.sample_by is SampleBy.PAGE:
        write_stored(items, path)
        return
    with tarfile.open(path, "w:gz") as archive:
        for item in items:
            member = tarfile.TarInfo(item.path)
            member.size = len(item.payload)
            archive.addfile(member, io.BytesIO(item.payload))


def _write_mbox(source: SourceSpec, items: Iterable[Item], path: Path, _has_examples: bool) -> None:
    """Each mail with the line `From …` that it began with."""
    with path.open("wb") as file:
        for item in items:
            first, _, rest = item.payload.partition(b"\n")
            lines = (b">" + line if _TO_ESCAPE.match(line) else line for line in rest.split(b"\n"))
            file.write(first + b"\n" + b"\n".join(lines).rstrip(b"\n") + b"\n\n")


def _write_jsonl(source: SourceSpec, items: Iterable[Item], path: Path, _has_examples: bool) -> None:
    with path.open("w", encoding=_charset(source)) as file:
        for item in items:
            row = _text_row(source.columns, item) | ({MARK: item.mark} if item.mark else {})
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_csv(source: SourceSpec, items: Iterable[Item], path: Path, has_examples: bool) -> None:
    with path.open("w", encoding=_charset(source), newline="") as file:
        writer = csv.DictWriter(file, _names(source.columns, has_examples))
        writer.writeheader()
        for item in items:
            writer.writerow(_text_row(source.columns, item))


def _write_parquet(source: SourceSpec, items: Iterable[Item], path: Path, has_examples: bool) -> None:
    columns = source.columns
    schema = pa.schema(
        {name: pa.string() for name in _names(columns, has_examples)} | {columns.text: pa.binary()}
    )
    if columns.time in schema.names:
        schema = schema.set(schema.get_field_index(columns.time), pa.field(columns.time, TIME))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(items):
            rows = [_row(columns, item) for item in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _write_text(source: SourceSpec, items: Iterable[Item], path: Path, _has_examples: bool) -> None:
    between = "\n\n" if source.sample_by is SampleBy.PARAGRAPH else "\n"
    with path.open("w", encoding=_charset(source), newline="") as file:
        for item in items:
            file.write(item.payload.decode("utf-8") + between)


def _write_stored(source: SourceSpec, items: Iterable[Item], path: Path, _has_examples: bool) -> None:
    write_stored(items, path)


_WRITERS: Mapping[Format, Write] = {
    Format.MAIL_ARCHIVE: _write_archive,
    Format.TEXT_ARCHIVE: _write_archive,
    Format.MBOX: _write_mbox,
    Format.JSONL: _write_jsonl,
    Format.CSV: _write_csv,
    Format.PARQUET: _write_parquet,
    Format.TEXT: _write_text,
    Format.DOCUMENT: _write_stored,
    Format.EXCEL: _write_stored,
    Format.ARROW: _write_stored,
    Format.WARC: _write_stored,
    Format.WIKIPEDIA: _write_stored,
    Format.MEDIA_ARCHIVE: _write_stored,
    Format.LABEL_STUDIO: _write_stored,
}


def _charset(source: SourceSpec) -> str:
    """UTF-8, with a byte order mark where the source names another charset, which would count otherwise."""
    return "utf-8-sig" if source.encoding else "utf-8"


def _names(columns: Columns, has_examples: bool) -> list[str]:
    return list(dict.fromkeys((*named_columns(columns), *((EXAMPLE, *ATTRIBUTES) if has_examples else ()))))


def _row(columns: Columns, item: Item) -> dict[str, Any]:
    row = {
        **{name: item.attributes.get(name) for name in columns.attributes},
        columns.label: item.label,
        columns.id: item.path,
        columns.time: item.time,
        columns.text: item.payload,
    }
    return _example_row(columns, item, row) if item.kind.is_example else row


def _example_row(columns: Columns, item: Item, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with a whole record; its label follows from its answers."""
    record = from_json(item.payload.decode())
    return {
        **dict.fromkeys(columns.of_examples.values()),
        **row,
        **{name: item.attributes[name] for name in ATTRIBUTES if name in item.attributes},
        columns.label: None if record.answers else item.label,
        columns.text: None,
        EXAMPLE: to_json(record),
    }


def _text_row(columns: Columns, item: Item) -> dict[str, Any]:
    row = _row(columns, item) | {columns.time: item.time.isoformat() if item.time else None}
    return row if item.kind.is_example else row | {columns.text: item.payload.decode("utf-8")}


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while batch := list(islice(stream, _BATCH)):
        yield batch
