"""How far the cells of a workbook reach, known before it is loaded.

The library lays out each sheet from its first to its last filled cell, empty ones included: one stray cell at the end
of a sheet is 17 billion of them, for which no machine has memory.
"""

import io
import re
import struct
from collections.abc import Iterator

from lxml import etree

from ratoon_ingestion.worker.documents.packages import Package

MAX_CELLS = 32_000_000
_PLACE = re.compile(rb"<(?:\w+:)?(?:row|c)\s[^<>]*?\br\s*=\s*[\"']([A-Z]{0,3})(\d{1,7})[\"']")
_SHEET_DATA = re.compile(rb"<(?:\w+:)?sheetData[\s/>]")
_BINARY_SHEET = re.compile(r"worksheets/[^/]+\.bin$")
_ROW_HEADER, _LAST_CELL, _MAX_INT = 0, 11, 0x7F
_OPENDOCUMENT = "content.xml"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"


class TooWide(Exception):
    """A sheet whose cells reach too far; the message says how far."""


def check_extents(package: Package) -> None:
    """Raise TooWide if a sheet of a workbook reaches too far; NotReadable if a part is damaged."""
    if _OPENDOCUMENT in package.names:
        _check(*_of_open_document(package.part(_OPENDOCUMENT)))
        return
    for name in sorted(package.names):
        if _BINARY_SHEET.search(name):
            _check(*_of_binary(package.part(name)))
        elif not name.endswith((".bin", ".png", ".jpeg", ".jpg", ".vml", "/")):
            data = package.part(name)
            if _SHEET_DATA.search(data):
                _check(*_of_xml(data))


def _check(rows: int, columns: int) -> None:
    if rows * columns > MAX_CELLS:
        raise TooWide(f"a sheet reaches to row {rows:,} and column {columns:,}, {rows * columns:,} cells")


def _of_xml(data: bytes) -> tuple[int, int]:
    """Return the last row and column of a sheet in XML."""
    rows = columns = 0
    for letters, row in _PLACE.findall(data):
        rows = max(rows, int(row))
        if letters:
            columns = max(columns, _column(letters))
    return rows, columns or data.count(b"<c")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _of_binary(data: bytes) -> tuple[int, int]:
    """Return the last row and column of a sheet of an XLSB file."""
    rows = columns = 0
    for kind, place, size in _records(data):
        if size >= 4 and kind <= _LAST_CELL:
            (number,) = struct.unpack_from("<I", data, place)
            if kind == _ROW_HEADER:
                rows = max(rows, number + 1)
            else:
                columns = max(columns, number + 1)
    return rows, columns


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, place and size of each record ([MS-XLSB], section 2.1.4)."""
    place = 0
    while place + 2 <= len(data):
        kind, place = _number(data, place, 2)
        size, place = _number(data, place, 4)
        if place + size > len(data):
            return
        yield kind, place, size
        place += size


def _number(data: bytes, place: int, max_bytes: int) -> tuple[int, int]:
    value = shift = 0
    for _ in range(max_bytes):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & _MAX_INT) << shift
        shift += 7
        if byte <= _MAX_INT:
            break
    return value, place


def _of_open_document(data: bytes) -> tuple[int, int]:
    """Return the rows and columns of the largest sheet of an OpenDocument file, with repetitions of filled cells."""
    largest, rows, filled, columns = (0, 0), 0, 0, 0
    events = etree.iterparse(
        io.BytesIO(data), events=("end",), tag=(f"{_TABLE}table-row", f"{_TABLE}table"), resolve_entities=False,
        no_network=True, huge_tree=False,
    )  # fmt: skip
    for _, element in events:
        if element.tag == f"{_TABLE}table":
            largest = max(largest, (filled, columns), key=lambda each: each[0] * each[1])
            rows = filled = columns = 0
        else:
            width = _width(element)
            rows += _repeated(element, "rows")
            if width:
                filled, columns = rows, max(columns, width)
        element.clear()
    return largest


def _width(row: etree._Element) -> int:
    """Return the place of the last filled cell of a row."""
    width = last = 0
    for cell in row:
        width += _repeated(cell, "columns")
        if len(cell):
            last = width
    return last


def _repeated(element: etree._Element, what: str) -> int:
    text = element.get(f"{_TABLE}number-{what}-repeated", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
