"""Tables: JSON, CSV, Parquet, Arrow and Excel, each row an item with text, label, id and time in named columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any, BinaryIO

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import to_json
from ratoon_ingestion.domain.conversations import label_of
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.charset import Encoding, How
from ratoon_ingestion.worker.readers.arrow import arrow_rows
from ratoon_ingestion.worker.readers.columns import check_fields, layout, named_columns, plain
from ratoon_ingestion.worker.readers.csv_rows import (
    BadRow,
    Row,
    csv_rows,
    delimiter_of,
    first_lines,
    separator_line,
)
from ratoon_ingestion.worker.readers.encodings import opened
from ratoon_ingestion.worker.readers.examples import (
    Layout,
    example_columns,
    example_of,
    from_cells,
    row_layout,
)
from ratoon_ingestion.worker.readers.excel import excel_rows, with_sheet
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
from ratoon_ingestion.worker.readers.json_values import (
    BadJson,
    Repeated,
    Unclosed,
    Value,
    parsed,
    several,
    starts_document,
    values,
)
from ratoon_ingestion.worker.readers.lines import TextLine, text_lines
from ratoon_ingestion.worker.readers.messages import BadExample
from ratoon_ingestion.worker.readers.parquet import parquet_columns, parquet_rows
from ratoon_ingestion.worker.readers.values import NoCell, cell_line, cell_text, label_line
from ratoon_ingestion.worker.readers.withdrawn import MARK

_ATTRIBUTE_CHARS = 256
_REPLACED = "\ufffd".encode()
_LOOKED_AT = 100
"""Objects whose fields a preview shows."""
_FIELDS = 200
"""Fields of objects that are remembered, to say which there are."""

Entries = Iterator[Item | Rejection]
MakeItem = Callable[[Columns, Mapping[str, Any], str], Item | Rejection]


@dataclass(frozen=True)
class _Columns:
    """Columns of JSON objects, and what makes an item of an object."""

    columns: Columns
    make_item: MakeItem

    @cached_property
    def named(self) -> tuple[str, ...]:
        """Return all columns that are read."""
        return named_columns(self.columns)


def read_csv(
    source: SourceSpec, store: ArtifactStore, limits: Limits, make_item: MakeItem | None = None
) -> Entries:
    """CSV with a header line, of any charset and delimiter that can be detected; one that Excel names is used."""
    with opened(source, store, limits) as (stream, encoding):
        header, rows = _csv_table(source, stream, limits)
        places, width = layout(source, header), len(header)
        for row in rows:
            entry = _within(_csv_item(source.columns, places, width, row, make_item), limits)
            yield with_charset(entry, encoding, row.lost)


def _csv_table(
    source: SourceSpec, stream: BinaryIO, limits: Limits
) -> tuple[Sequence[str], Iterator[Row | BadRow]]:
    """The header of a CSV, and its other rows."""
    lines = text_lines(stream, limits.item_bytes)
    start = first_lines(lines)
    delimiter = separator_line(start[0].text) if start else ""
    start = start[1:] if delimiter else start
    delimiter = delimiter or delimiter_of(start, named_columns(source.columns))
    rows = csv_rows(chain(start, lines), delimiter, limits.item_bytes)
    header = next(rows, None)
    if header is None:
        raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} is empty. Check what was uploaded.")
    if isinstance(header, BadRow):
        raise SourceUnreadable(
            "CSV_DAMAGED", f"The first line of {source.name} is not a CSV header ({header.detail})."
        )
    return header.cells, rows


def table_columns(source: SourceSpec, store: ArtifactStore, limits: Limits) -> tuple[Sequence[str], Encoding]:
    """The columns of a CSV, or the fields of the first JSON objects; and the charset."""
    with opened(source, store, limits) as (stream, encoding):
        if source.format is Format.CSV:
            return _csv_table(source, stream, limits)[0], encoding
        return _json_fields(stream, limits), encoding


def has_examples(source: SourceSpec, store: ArtifactStore) -> bool:
    """Whether the header of a CSV or Parquet table has columns of examples."""
    if source.format is Format.PARQUET:
        with store.open(source.digest) as stream:
            names = parquet_columns(source, stream)
    elif source.format is Format.CSV:
        names = list(table_columns(source, store, Limits())[0])
    else:
        return False
    return bool(example_columns(source.columns, [plain(name) for name in names]))


def _json_fields(stream: BinaryIO, limits: Limits) -> Sequence[str]:
    fields = dict[str, None]()
    with suppress(Unclosed):
        for value in islice(values(stream, limits.item_bytes), _LOOKED_AT):
            with suppress(BadJson):
                row = parsed(value.text)
                fields.update(dict.fromkeys(row if isinstance(row, dict) else ()))
    return list(fields)[:_FIELDS]


def read_jsonl(
    source: SourceSpec, store: ArtifactStore, limits: Limits, make_item: MakeItem | None = None
) -> Entries:
    """JSON objects, one a line, in an array or one after another; blank lines are no items."""
    fields, columns = dict[str, None](), _Columns(source.columns, make_item or row_item)
    with opened(source, store, limits) as (stream, encoding):
        lines = text_lines(stream, limits.item_bytes)
        first = next((line for line in lines if line.text.strip()), None)
        if first is None:
            raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} is empty. Check what was uploaded.")
        if not starts_document(first.text):
            for line in chain((first,), lines):
                for entry in _json_line(columns, line, fields):
                    yield with_charset(_within(entry, limits), encoding, line.lost)
            if make_item is None:
                check_fields(source, fields)
            return
    with opened(source, store, limits) as (stream, encoding):
        for entry in _json_document(source, columns, stream, limits, fields):
            yield with_charset(_within(entry, limits), encoding, 0)
    if make_item is None:
        check_fields(source, fields)


def read_parquet(
    source: SourceSpec, store: ArtifactStore, limits: Limits, make_item: MakeItem | None = None
) -> Entries:
    """The rows of a Parquet file, a few at a time."""
    with store.open(source.digest) as stream:
        for number, row in enumerate(parquet_rows(source, stream), 1):
            yield _within((make_item or row_item)(source.columns, row, f"row-{number}"), limits)


def read_arrow(
    source: SourceSpec, store: ArtifactStore, limits: Limits, make_item: MakeItem | None = None
) -> Entries:
    """The rows of an Arrow file, a few at a time."""
    with store.open(source.digest) as stream:
        for number, row in enumerate(arrow_rows(source, stream), 1):
            yield _within((make_item or row_item)(source.columns, row, f"row-{number}"), limits)


def read_excel(
    source: SourceSpec, store: ArtifactStore, limits: Limits, make_item: MakeItem | None = None
) -> Entries:
    """The rows of each sheet of a workbook, named by sheet and row."""
    for row in excel_rows(source, store, limits):
        if isinstance(row, Rejection):
            yield row
            continue
        sheet, number, cells = row
        entry = (make_item or row_item)(source.columns, cells, clean_path(f"{sheet}/row-{number}"))
        yield with_sheet(_within(entry, limits), sheet)


def _csv_item(
    columns: Columns, places: Mapping[str, int], width: int, row: Row | BadRow, make_item: MakeItem | None
) -> Item | Rejection:
    path = f"line-{row.line}"
    if isinstance(row, BadRow):
        return Rejection(path, Rejected.TOO_LARGE if row.too_long else Rejected.BAD_ROW, row.detail)
    if len(row.cells) < width or any(row.cells[width:]):
        return Rejection(path, Rejected.BAD_ROW, f"{len(row.cells)} fields where the header has {width}")
    cells = {name: row.cells[place] for name, place in places.items()}
    return (
        row_item(columns, from_cells(columns, cells), path)
        if make_item is None
        else make_item(columns, cells, path)
    )


def _json_line(columns: "_Columns", line: TextLine, fields: dict[str, None]) -> Entries:
    """The object of a line, or the objects, if it holds more than one or an array of them."""
    path = f"line-{line.number}"
    if not line.text.strip():
        return
    if line.cut:
        yield Rejection(path, Rejected.TOO_LARGE, "a line is too long")
        return
    try:
        value = parsed(line.text)
    except BadJson as error:
        texts = several(line.text)
        if not texts:
            yield Rejection(path, Rejected.BAD_ROW, f"line {line.number}: {error}")
        for number, text in enumerate(texts, 1):
            yield _json_item(columns, text, f"{path}.{number}", fields)
        return
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for number, each in enumerate(value, 1):
            yield _json_row(columns, each, f"{path}.{number}", fields)
        return
    yield _json_row(columns, value, path, fields)


def _json_document(
    source: SourceSpec, columns: "_Columns", stream: BinaryIO, limits: Limits, fields: dict[str, None]
) -> Entries:
    try:
        for value in values(stream, limits.item_bytes):
            yield _json_value(columns, value, fields)
    except Unclosed as error:
        raise SourceUnreadable(
            "JSON_DAMAGED", f"{source.name} cannot be read completely. {error} Repair it and upload it again."
        ) from error


def _json_value(columns: "_Columns", value: Value, fields: dict[str, None]) -> Item | Rejection:
    path = f"item-{value.number}"
    if value.cut:
        return Rejection(path, Rejected.TOO_LARGE, f"line {value.line}: {value.size:,} characters")
    entry = _json_item(columns, value.text, path, fields)
    if isinstance(entry, Rejection):
        return Rejection(entry.path, entry.reason, f"line {value.line}: {entry.detail}")
    return entry


def _json_item(columns: "_Columns", text: str, path: str, fields: dict[str, None]) -> Item | Rejection:
    try:
        return _json_row(columns, parsed(text), path, fields)
    except BadJson as error:
        return Rejection(path, Rejected.BAD_ROW, str(error))


def _json_row(columns: "_Columns", row: object, path: str, fields: dict[str, None]) -> Item | Rejection:
    if not isinstance(row, dict):
        return Rejection(path, Rejected.BAD_ROW, "not a JSON object")
    mark = row.pop(MARK, None)
    if len(fields) < _FIELDS:
        fields.update(dict.fromkeys(row))
    else:
        fields.update(dict.fromkeys(name for name in columns.named if name in row))
    if isinstance(row, Repeated):
        return Rejection(path, Rejected.BAD_ROW, "a key stands twice in one object")
    entry = columns.make_item(columns.columns, row, path)
    return replace(entry, mark=mark) if isinstance(mark, str) and isinstance(entry, Item) else entry


def with_charset(entry: Item | Rejection, encoding: Encoding, lost: int) -> Item | Rejection:
    """The entry, with the charset of its table if that was guessed, or reported to lack characters."""
    if isinstance(entry, Rejection):
        return entry
    if encoding.codec != "utf-8" and encoding.how in (How.DETECTED, How.FALLBACK):
        attributes = {"charset": encoding.codec.replace("_", "-"), **entry.attributes}
        return replace(entry, kind=entry.kind.guessed, attributes=attributes)
    if encoding.codec != "utf-8":
        lost = entry.payload.count(_REPLACED)
    return replace(entry, kind=entry.kind.lossy) if lost else entry


def _within(entry: Item | Rejection, limits: Limits) -> Item | Rejection:
    """The entry, unless it is an item that is too large."""
    if isinstance(entry, Item) and len(entry.payload) > limits.item_bytes:
        return Rejection(entry.path, Rejected.TOO_LARGE, f"{len(entry.payload)} bytes")
    return entry


def row_item(columns: Columns, row: Mapping[str, Any], place: str) -> Item | Rejection:
    """The item of one row; a cell that holds no text rejects it, an id that holds none is not used."""
    path = _path(row.get(columns.id), place)
    layout = row_layout(columns, row)
    if layout is not Layout.TEXT:
        return _example_item(columns, row, path, layout, place)
    try:
        kind, payload = _payload(row.get(columns.text))
    except NoCell as error:
        return Rejection(path, Rejected.BAD_ROW, f"{columns.text} holds {error}, not text")
    if not payload:
        return Rejection(path, Rejected.NO_TEXT, f"{columns.text} is empty")
    try:
        label = label_line(row.get(columns.label))
    except NoCell as error:
        return Rejection(path, Rejected.BAD_ROW, f"{columns.label} holds {error}, not a label")
    time, attributes = as_time(row.get(columns.time)), _attributes(columns, row)
    return Item(path, kind, payload, label, time, attributes, layout)


def _example_item(
    columns: Columns, row: Mapping[str, Any], path: str, layout: Layout, place: str
) -> Item | Rejection:
    """The item of a conversation, an instruction or a preference; its label is its first answer."""
    try:
        example = example_of(columns, row, layout)
    except BadExample as error:
        where = "" if path == place else f"{place}: "
        return Rejection(path, Rejected.BAD_ROW, f"{where}{layout} row: {error}")
    record = example.record
    own = {name: value[:_ATTRIBUTE_CHARS] for name, value in example.attributes.items()}
    attributes = {**own, **_attributes(columns, row)}
    time = as_time(row.get(columns.time))
    if not record.turns:
        return Item(path, Kind.CELL, record.answers[0].encode(), None, time, attributes, layout)
    label = label_of(record) or example.label
    return Item(path, Kind.EXAMPLE, to_json(record).encode(), label, time, attributes, layout)


def _payload(text: object) -> tuple[Kind, bytes]:
    """The bytes of a text cell; those of a binary column that are no UTF-8 are decoded later."""
    if not isinstance(text, bytes):
        return Kind.CELL, (cell_text(text) or "").encode()
    try:
        text.decode()
        return Kind.CELL, text
    except UnicodeDecodeError:
        return Kind.TEXT, text


def _path(identity: object, place: str) -> str:
    try:
        line = cell_line(identity)
    except NoCell:
        return place
    return clean_path(line) if line else place


def _attributes(columns: Columns, row: Mapping[str, Any]) -> dict[str, str]:
    attributes = dict[str, str]()
    for name in columns.attributes:
        try:
            value = cell_line(row.get(name))
        except NoCell as error:
            value = f"({error})"
        if value is not None:
            attributes[name] = value[:_ATTRIBUTE_CHARS]
    return attributes
