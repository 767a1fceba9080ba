"""Rows of delimited text. A damaged row ends itself alone: reading goes on at the line after the one it began in."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ratoon_ingestion.worker.readers.lines import TextLine

DELIMITERS = ",;\t|"
_SEP_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)
_SAMPLE_ROWS = 50
_SAMPLE_CHARS = 64 << 10
_MAX_ROW_ITEMS = 4
"""Maximum length of a row, in lengths of an item; a longer one has an open quote that is never closed."""


@dataclass(frozen=True)
class Row:
    """The cells of one row and the line in which it begins."""

    line: int
    cells: Sequence[str]
    lost: int = 0
    """Characters of its lines that could not be decoded."""


@dataclass(frozen=True)
class BadRow:
    """A line that is no row, and why."""

    line: int
    detail: str
    too_long: bool = False
    lost: int = 0


def separator_line(line: str) -> str:
    """The delimiter that Excel's first line `sep=;` names; empty for any other line."""
    match = _SEP_LINE.match(line)
    return match[1] if match else ""


def delimiter_of(lines: Sequence[TextLine], column_names: Sequence[str]) -> str:
    """The delimiter of a table from its first lines.

    That by which the header can be read and has most of the read columns, then more than one, then by which most rows
    are as wide as the header, then by which there are most columns.
    """
    return max(DELIMITERS, key=lambda delimiter: _fit(lines, delimiter, column_names))


def _fit(lines: Sequence[TextLine], delimiter: str, column_names: Sequence[str]) -> tuple[float, ...]:
    read = list(csv_rows(iter(lines), delimiter, _SAMPLE_CHARS))
    has_header = bool(read) and isinstance(read[0], Row)
    rows = [each.cells for each in read if isinstance(each, Row)] if has_header else []
    if len(lines) == _SAMPLE_ROWS and len(rows) > 2:
        rows.pop()  # it may go on after the sample
    header, body = (rows[0], rows[1:]) if rows else ([], [])
    names = {name.strip() for name in header}
    widths = Counter(map(len, body))
    steady = widths[len(header)] / len(body) if body else 1.0
    return sum(name in names for name in column_names), len(header) > 1, round(steady, 1), len(header)


def first_lines(lines: Iterable[TextLine]) -> list[TextLine]:
    """Enough lines to detect the delimiter."""
    first, size = list[TextLine](), 0
    for line in islice(lines, _SAMPLE_ROWS):
        first.append(line)
        size += len(line.text)
        if size > _SAMPLE_CHARS:
            break
    return first


def csv_rows(lines: Iterator[TextLine], delimiter: str, item_bytes: int) -> Iterator[Row | BadRow]:
    """The rows of a table, its header first; blank ones are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_ROW_ITEMS * item_bytes + 1))
    tape = _Tape(lines, _MAX_ROW_ITEMS * item_bytes)
    reader = csv.reader(tape, delimiter=delimiter, strict=True)
    after_damage = width = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            line, _ = tape.give_back()
            yield BadRow(line.number, "a line is too long", too_long=True)
            reader = csv.reader(tape, delimiter=delimiter, strict=True)
            continue
        except csv.Error:
            several = len(tape.taken) > 1
            line, last = tape.give_back()
            reader = csv.reader(tape, delimiter=delimiter, strict=True)
            if delimiter == "\t" and width == len(cells := _unquoted(line.text)):
                yield Row(line.number, cells, line.lost)
                continue
            after_damage = max(after_damage, last)
            yield BadRow(line.number, _damage(line.number, several))
            continue
        taken = tape.accept()
        if not any(cell.strip() for cell in cells):
            continue
        if taken[0].number <= after_damage and len(taken) == 1 and not _well_quoted(taken[0].text, delimiter):
            yield BadRow(
                taken[0].number, f"line {taken[0].number}: quotes inside a field that has none around it"
            )
            continue
        width = width or len(cells)
        yield Row(taken[0].number, cells, sum(line.lost for line in taken))


def _unquoted(line: str) -> list[str]:
    """The cells of a line between tabs, most writers of which know no quotes."""
    return line.rstrip("\r\n").split("\t")


def _damage(line: int, several: bool) -> str:
    if several:
        return f"line {line}: a quote is opened and not closed"
    return f"line {line}: a quote is not closed, or text follows a closing quote"


def _well_quoted(line: str, delimiter: str) -> bool:
    """Whether every quote of a line is around a field, or doubled inside one."""
    mark = re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
    return '"' not in line or re.fullmatch(rf"{field}(?:{mark}{field})*\s*", line) is not None


class _TooLong(Exception):
    """A row begins with a line that is longer than the bound."""


class _Tape:
    """Lines that can be given back, but for the first one since the last accepted row."""

    def __init__(self, lines: Iterator[TextLine], limit: int) -> None:
        self._lines, self._limit, self._size = lines, limit, 0
        self._back: deque[TextLine] = deque()
        self.taken: list[TextLine] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        if self.taken and (line.cut or self._size + len(line.text) > self._limit):
            self._back.appendleft(line)
            raise StopIteration
        self.taken.append(line)
        self._size += len(line.text)
        if line.cut:
            raise _TooLong
        return line.text

    def accept(self) -> list[TextLine]:
        """The lines of the row that was read."""
        taken, self.taken, self._size = self.taken, [], 0
        return taken

    def give_back(self) -> tuple[TextLine, int]:
        """The first line of the row that could not be read; the others are read again. And the last line's number."""
        first, *others = self.accept()
        self._back.extendleft(reversed(others))
        return first, others[-1].number if others else first.number
