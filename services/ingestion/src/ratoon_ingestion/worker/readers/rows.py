"""Rows of a table before they become items: joined with another source by a key, grouped, and sorted.

Rows are kept in a temporary SQLite file, so that memory does not grow with the table. Keys are compared as texts of
cells (`1` and `1.0` are equal). A key that stands more than once in the other source gives its first row, and is
counted.
"""

import json
import math
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers.columns import check_fields
from ratoon_ingestion.worker.readers.examples import from_cells
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    RowSettings,
    SourceSpec,
    SourceUnreadable,
)
from ratoon_ingestion.worker.readers.values import NoCell, cell_text

Entries = Iterator[Item | Rejection]
Row = dict[str, Any]
MakeItem = Callable[[Columns, Mapping[str, Any], str], Item | Rejection]
_CHARSET = "charset"


def raw_row(_columns: Columns, row: Mapping[str, Any], place: str) -> Item | Rejection:
    """Return a whole row as an item, whose payload is its JSON."""
    try:
        payload = json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)
    except (NoCell, TypeError, ValueError, RecursionError) as error:
        return Rejection(place, Rejected.BAD_ROW, f"a column holds {error}")
    return Item(place, Kind.CELL, payload.encode("utf-8", "replace"))


def prepared(
    source: SourceSpec,
    rows: Entries,
    other_rows: Entries,
    make_item: MakeItem,
    limits: Limits,
    counts: Counter[str],
) -> Entries:
    """Yield the items of joined, grouped and sorted rows, and the rejections of their readers."""
    settings = source.rows
    assert settings is not None, "rows are prepared by settings"
    with tempfile.TemporaryDirectory(prefix="ratoon-rows-") as folder:
        with closing(sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)) as database:
            table = _Table(database, settings, counts)
            if settings.other is not None:
                table.add_other(other_rows)
            yield from table.add(rows)
            fields = dict.fromkeys(table.fields)
            check_fields(source, fields)
            for group in table.groups():
                yield _item(source, group, make_item, limits)


class _Table:
    """The rows of a source in a file, with what they are sorted and grouped by."""

    def __init__(self, database: sqlite3.Connection, settings: RowSettings, counts: Counter[str]) -> None:
        self._database, self._settings, self._counts = database, settings, counts
        self.fields: dict[str, None] = {}
        self._sorts = [f"s{number}" for number in range(len(settings.sort_by))]
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        columns = ", ".join(("n INTEGER PRIMARY KEY, place, kind, charset, row, grp", *self._sorts))
        database.execute(f"CREATE TABLE rows ({columns})")
        database.execute("CREATE TABLE other (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID")

    def add_other(self, rows: Entries) -> None:
        """Add the rows of the other source by their key."""
        name = self._settings.other_key or self._settings.key
        has_key = False
        self._database.execute("BEGIN")
        for entry in rows:
            if isinstance(entry, Rejection):
                self._counts["other_unread"] += 1
                continue
            row: Row = json.loads(entry.payload)
            has_key = has_key or name in row
            if (key := _text(row.get(name))) is None:
                self._counts["other_without_key"] += 1
                continue
            row.pop(name, None)
            added = self._database.execute(
                "INSERT OR IGNORE INTO other VALUES (?, ?)", (key, json.dumps(row, ensure_ascii=False))
            )
            self._counts["other_rows"] += 1
            self._counts["duplicate_keys"] += not added.rowcount
            self.fields.update(dict.fromkeys(row))
        self._database.execute("COMMIT")
        if not has_key and self._counts["other_rows"] + self._counts["other_without_key"]:
            assert self._settings.other is not None, "the rows are those of the other source"
            raise _no_column(self._settings.other.name, name)

    def add(self, rows: Entries) -> Entries:
        """Add rows; yield what became none."""
        self._database.execute("BEGIN")
        has_key = not self._settings.key
        for number, entry in enumerate(rows):
            if isinstance(entry, Rejection):
                yield entry
                continue
            row: Row = json.loads(entry.payload)
            self.fields.update(dict.fromkeys(row))
            has_key = has_key or self._settings.key in row
            self._counts["rows"] += 1
            joined = self._joined(row)
            if joined is None:
                self._counts["without_partner"] += 1
                detail = f"no row of the other source has its {self._settings.key}"
                yield Rejection(entry.path, Rejected.NO_PARTNER, detail)
                continue
            self._insert(number, entry, joined)
        self._database.execute("COMMIT")
        if not has_key and self._counts["rows"]:
            raise _no_column("The source", self._settings.key)

    def groups(self) -> Iterator[list[tuple[Item, Row]]]:
        """Yield rows that become one item together, each with what it was read as."""
        order = [
            f"{name} {'DESC' if column.startswith('-') else 'ASC'}"
            for name, column in zip(self._sorts, self._settings.sort_by, strict=True)
        ]
        if self._settings.group_by:
            query = (
                "SELECT rows.*, first FROM rows JOIN (SELECT grp AS g, MIN(n) AS first FROM rows GROUP BY grp) "
                f"ON grp = g ORDER BY {', '.join(('first', *order, 'n'))}"
            )
        else:
            query = f"SELECT *, n AS first FROM rows ORDER BY {', '.join((*order, 'n'))}"
        group: list[tuple[Item, Row]] = []
        before: int | None = None
        for _, place, kind, charset, row, *rest in self._database.execute(query):
            if before is not None and rest[-1] != before:
                yield self._counted(group)
                group = []
            before = rest[-1]
            attributes = {_CHARSET: charset} if charset else {}
            group.append((Item(place, Kind(kind), b"", attributes=attributes), json.loads(row)))
        if group:
            yield self._counted(group)

    def _counted(self, group: list[tuple[Item, Row]]) -> list[tuple[Item, Row]]:
        if self._settings.group_by:
            self._counts["groups"] += 1
        return group

    def _joined(self, row: Row) -> Row | None:
        """Return a row with the columns of its partner; its own take precedence. None if it is left out."""
        if self._settings.other is None:
            return row
        key = _text(row.get(self._settings.key))
        match = self._database.execute("SELECT row FROM other WHERE key = ?", (key,)).fetchone()
        if match is None:
            self._counts["unmatched"] += 1
            return None if self._settings.inner else row
        self._counts["joined"] += 1
        return {**json.loads(match[0]), **row}

    def _insert(self, number: int, entry: Item, row: Row) -> None:
        values = [_text(row.get(name)) for name in self._settings.group_by]
        group = json.dumps(values) if any(values) else f"row {number}"
        sorts = [_sortable(row.get(name.removeprefix("-"))) for name in self._settings.sort_by]
        cells = [
            number,
            entry.path,
            entry.kind.value,
            entry.attributes.get(_CHARSET, ""),
            json.dumps(row, ensure_ascii=False),
            group,
            *sorts,
        ]
        self._database.execute(f"INSERT INTO rows VALUES ({', '.join('?' * len(cells))})", cells)


def _item(
    source: SourceSpec, group: list[tuple[Item, Row]], make_item: MakeItem, limits: Limits
) -> Item | Rejection:
    columns, settings = source.columns, source.rows
    assert settings is not None, "rows are prepared by settings"
    first, row = group[0]
    if len(group) > 1:
        row = _merged([each for _, each in group], columns.text, settings.separator or "\n")
    if source.format is Format.CSV:
        row = dict(from_cells(columns, {name: _text(value) or "" for name, value in row.items()}))
    entry = make_item(columns, row, first.path)
    if isinstance(entry, Rejection):
        return entry
    if len(entry.payload) > limits.item_bytes:
        return Rejection(entry.path, Rejected.TOO_LARGE, f"{len(entry.payload)} bytes")
    kinds = {each.kind for each, _ in group}
    if Kind.LOSSY_CELL in kinds:
        entry = replace(entry, kind=entry.kind.lossy)
    elif Kind.GUESSED_CELL in kinds:
        entry = replace(entry, kind=entry.kind.guessed, attributes={**first.attributes, **entry.attributes})
    return entry


def _merged(rows: Iterable[Row], text: str, separator: str) -> Row:
    """Return one row: the texts joined, of other columns the first value."""
    merged: Row = {}
    texts = list[str]()
    for row in rows:
        if (part := _text(row.get(text))) is not None:
            texts.append(part)
        merged |= {name: value for name, value in row.items() if merged.get(name) in (None, "")}
    return {**merged, **({text: separator.join(texts)} if texts else {})}


def _plain(value: object) -> object:
    """Return a value as JSON, a cell by its text where JSON has none for it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return cell_text(value)


def _text(value: object) -> str | None:
    try:
        return cell_text(value)
    except NoCell:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _sortable(value: object) -> float | str | None:
    """Return a number for what reads as one, else the text."""
    text = _text(value)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _no_column(name: str, column: str) -> SourceUnreadable:
    return SourceUnreadable(
        "COLUMN_MISSING",
        f"{name} has no column {column!r} for the key of the join. Name the column of the key.",
    )
