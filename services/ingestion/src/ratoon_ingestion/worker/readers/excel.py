"""Workbooks of Excel and OpenDocument: the rows of each sheet, with the first row that is not empty as its header."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import fastexcel
from lxml import etree

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents import NotReadable
from ratoon_ingestion.worker.documents.packages import Package
from ratoon_ingestion.worker.documents.read import is_encrypted_office
from ratoon_ingestion.worker.readers.columns import layout
from ratoon_ingestion.worker.readers.extents import MAX_CELLS, TooWide, check_extents
from ratoon_ingestion.worker.readers.items import (
    Item,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    clean_path,
)

_UNPACKED_BYTES = 512 << 20
_ROWS = 10_000
"""Rows that are held as values at once."""
_HEADER_ROWS = 50
"""Rows in which the header is searched."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?")
"""A date in a column that holds other values too, as the library writes it."""

Row = tuple[str, int, Mapping[str, Any]]


def excel_rows(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Row | Rejection]:
    """Yield sheet, number and cells of each row that is not empty.

    A sheet that is hidden or lacks a named column is one rejection; SourceUnreadable if no sheet has the columns.
    """
    workbook = _opened(source, store, limits)
    missing: SourceUnreadable | None = None
    has_table = False
    for name in workbook.sheet_names:
        try:
            sheet = _Sheet(source, workbook, name)
        except _NoTable as error:
            yield Rejection(clean_path(name), Rejected.BAD_ROW, str(error))
            continue
        if sheet.is_empty:
            continue
        try:
            places = layout(source, sheet.header)
        except SourceUnreadable as error:
            missing = missing or error
            yield Rejection(clean_path(name), Rejected.BAD_ROW, str(error)[:500])
            continue
        has_table = True
        yield from sheet.rows(places)
    if not has_table:
        raise missing or SourceUnreadable(
            "SOURCE_EMPTY", f"{source.name} has no sheet with rows. Check what was uploaded."
        )


def excel_columns(source: SourceSpec, store: ArtifactStore, limits: Limits) -> list[str]:
    """Return the names of the columns of all sheets."""
    workbook = _opened(source, store, limits)
    names = dict[str, None]()
    for name in workbook.sheet_names:
        with suppress(_NoTable):
            names.update(dict.fromkeys(_Sheet(source, workbook, name).header))
    return list(names)


def with_sheet(entry: Item | Rejection, sheet: str) -> Item | Rejection:
    """Return an entry with the name of its sheet as an attribute."""
    if isinstance(entry, Rejection):
        return entry
    return replace(entry, attributes={"sheet": sheet[:256], **entry.attributes})


class _NoTable(Exception):
    """A sheet that is not read."""


class _Sheet:
    """One sheet; its cells are typed by column, or texts where a column holds values of several types."""

    def __init__(self, source: SourceSpec, workbook: fastexcel.ExcelReader, name: str) -> None:
        self._workbook, self.name = workbook, name
        start = self._load(source, header_row=None, n_rows=_HEADER_ROWS, dtypes="string")
        if start.visible != "visible":
            raise _NoTable(f"the sheet {name!r} is hidden")
        rows = _values(start.to_arrow())
        top = next((place for place, row in enumerate(rows) if any(row)), None)
        self.is_empty = top is None
        self.header = [each or "" for each in rows[top]] if top is not None else []
        self._first = (top or 0) + 1
        self._source = source

    def rows(self, places: Mapping[str, int]) -> Iterator[Row]:
        """Yield rows below the header; their numbers are those of the sheet from its first row with a value."""
        if not self.header:
            return
        loaded = self._load(
            self._source, header_row=None, skip_rows=self._first, schema_sample_rows=None, n_rows=None
        )
        table = loaded.to_arrow()
        width = table.num_columns
        for start in range(0, table.num_rows, _ROWS):
            for offset, row in enumerate(_values(table.slice(start, _ROWS))):
                if any(value is not None for value in row):
                    cells = {name: _cell(row[place]) for name, place in places.items() if place < width}
                    yield self.name, self._first + start + offset + 1, cells

    def _load(self, source: SourceSpec, **options: Any) -> fastexcel.ExcelSheet:
        try:
            sheet: fastexcel.ExcelSheet = self._workbook.load_sheet(self.name, **options)
            return sheet
        except BaseException as error:
            raise _damaged(source, error) from error


def _opened(source: SourceSpec, store: ArtifactStore, limits: Limits) -> fastexcel.ExcelReader:
    if (size := store.size(source.digest)) > limits.document_bytes:
        raise SourceUnreadable(
            "SOURCE_TOO_LARGE",
            f"{source.name} has {size:,} bytes, and workbooks may have {limits.document_bytes:,}. Save its sheets as "
            "CSV or Parquet.",
        )
    payload = store.read(source.digest)
    if is_encrypted_office(payload):
        raise SourceUnreadable("ENCRYPTED", f"{source.name} has a password. Save the workbook without one.")
    if payload.startswith(b"PK"):
        try:
            check_extents(Package(payload, "workbook", _UNPACKED_BYTES))
        except (NotReadable, etree.XMLSyntaxError) as error:
            raise SourceUnreadable(
                "WORKBOOK_DAMAGED", f"The workbook of {source.name} cannot be read: {error}."
            ) from error
        except TooWide as error:
            raise SourceUnreadable(
                "SOURCE_TOO_LARGE",
                f"The workbook of {source.name} cannot be read: {error}, more than {MAX_CELLS:,}. Delete the cells far "
                "from the table, or save it as CSV.",
            ) from error
    try:
        return fastexcel.read_excel(payload)
    except BaseException as error:
        raise _damaged(source, error) from error


def _damaged(source: SourceSpec, error: BaseException) -> BaseException:
    """Return the error to raise: a fault of the library, among them a panic of its native code, names the workbook."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        return error
    if isinstance(error, MemoryError):
        return error
    return SourceUnreadable(
        "WORKBOOK_DAMAGED",
        f"The workbook of {source.name} is damaged or of another format. Save it again as XLSX and upload all of it.",
    )


def _values(table: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _cell(value: Any) -> Any:
    """Return the value of a cell; dates in columns of texts are dates."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return value
