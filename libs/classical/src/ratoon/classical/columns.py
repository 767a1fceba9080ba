"""Rows of a table and the types of their columns. A row is a record whose text is a JSON object of its fields."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import isfinite
from typing import Any

import polars as pl

from ratoon.classical.errors import BadTable

MAX_COLUMNS = 1000
_NUMBERS = 0.95
"""Share of a column's values that are numbers, from which it is one; the others count as missing."""
_ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_EPOCH = date(1970, 1, 1).toordinal()
_DATES: Mapping[str, re.Pattern[str]] = {
    "2024-01-31": re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?:[T ].*)?"),
    "2024/01/31": re.compile(r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})(?: .*)?"),
    "31.01.2024": re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})"),
    "31/01/2024": re.compile(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})"),
    "01/31/2024": re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})"),
}
"""Formats of dates, by the last day of January 2024 in each."""
Row = Mapping[str, Any]


class Type(StrEnum):
    """Type of a column."""

    NUMBER = "number"
    DATE = "date"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """A column of the training part."""

    name: str
    type: Type
    format: str = ""
    """Format of dates."""


def row_of(text: str) -> Row:
    """Return the fields of a record; BadTable if its text is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadTable(
            f'{text[:40]!r} is not the JSON object of a row, such as {{"age": 41, "city": "Ulm"}}: send one as '
            "the message, or choose features of texts."
        )
    return {str(name): each for name, each in value.items()}


def types_of(rows: Sequence[Row], requested: Sequence[str] = ()) -> tuple[list[Column], list[str]]:
    """Return the columns of training rows and notes about them; BadTable if one cannot be read."""
    names = list(requested) or list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise BadTable(
            f"The table has {len(names):,} columns, of which {MAX_COLUMNS:,} are read at most: name some."
        )
    notes: list[str] = []
    columns = []
    for name in names:
        values = [plain for row in rows if (plain := plain_value(row.get(name))) is not None]
        if not values:
            notes.append(f"The column {name} has no value in the training part, and is left out.")
        else:
            columns.append(_column(name, values, notes))
    infinite = Counter(name for row in rows for name in names if _is_infinite(row.get(name)))
    notes += [
        f"{count:,} infinite numbers of the column {name} count as missing."
        for name, count in infinite.items()
    ]
    return columns, notes


def frame_of(rows: Sequence[Row], columns: Iterable[Column]) -> pl.DataFrame:
    """Return rows as a frame: numbers and days since 1970 as floats, categories as texts, null where none is."""
    series = []
    for column in columns:
        values = [plain_value(row.get(column.name)) for row in rows]
        match column.type:
            case Type.CATEGORY:
                series.append(pl.Series(column.name, list(map(_category, values)), dtype=pl.String))
            case Type.NUMBER:
                series.append(pl.Series(column.name, list(map(_number, values)), dtype=pl.Float64))
            case Type.DATE:
                days = [_day(value, column.format) for value in values]
                series.append(pl.Series(column.name, days, dtype=pl.Float64))
    return pl.DataFrame(series) if series else pl.DataFrame()


def plain_value(value: Any) -> float | str | None:
    """Return a value as a number or a text; None where there is none. Infinite numbers are none."""
    if value is None or _is_infinite(value):
        return None
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if isfinite(number) else None
    text = value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return None if text.lower() in _ABSENT else text


def _is_infinite(value: Any) -> bool:
    if isinstance(value, str):
        return _INFINITE.fullmatch(value.strip()) is not None
    return isinstance(value, float) and not isfinite(value) and value == value


def _column(name: str, values: Sequence[float | str], notes: list[str]) -> Column:
    numbers = sum(_number(value) is not None for value in values)
    if numbers >= _NUMBERS * len(values):
        if others := len(values) - numbers:
            strange = next(value for value in values if _number(value) is None)
            notes.append(
                f"{others:,} values of the column {name} are no numbers, such as {str(strange)[:30]!r}, and count as "
                "missing."
            )
        return Column(name, Type.NUMBER)
    if not numbers and (fitting := _formats(values)) is not None:
        return Column(name, Type.DATE, _one_format(name, values, fitting))
    kinds = len({_category(value) for value in values})
    if kinds > 100:
        notes.append(
            f"The column {name} has {kinds:,} categories: the 100 most frequent are columns of their own when they "
            "are one-hot, and the others share one."
        )
    return Column(name, Type.CATEGORY)


def _formats(values: Sequence[float | str]) -> list[set[str]] | None:
    """Return the formats that each value may have; None if one is no date."""
    formats_of_values = []
    for value in values:
        formats = {name for name in _DATES if _day(value, name) is not None}
        if not formats:
            return None
        formats_of_values.append(formats)
    return formats_of_values


def _one_format(name: str, values: Sequence[float | str], fitting: Sequence[set[str]]) -> str:
    common = set.intersection(*fitting)
    if len(common) == 1:
        return common.pop()
    if common:
        raise BadTable(
            f"The dates of the column {name}, such as {values[0]!r}, may begin with the day or with the month: write "
            "them as 2024-01-31."
        )
    shown: dict[str, float | str] = {}
    for value, formats in zip(values, fitting, strict=True):
        shown.setdefault("|".join(sorted(formats)), value)
    examples = ", ".join(repr(each) for each in list(shown.values())[:4])
    raise BadTable(
        f"The column {name} has dates in several formats, such as {examples}: write all as 2024-01-31."
    )


def _day(value: float | str | None, format_: str) -> float | None:
    """Return the days of a date since 1970."""
    match = _DATES[format_].fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return float(date(int(match["y"]), int(match["m"]), int(match["d"])).toordinal() - _EPOCH)
    except ValueError:
        return None


def _number(value: float | str | None) -> float | None:
    if isinstance(value, float) or value is None:
        return value
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if isfinite(number) else None


def _category(value: float | str | None) -> str | None:
    return repr(value).removesuffix(".0") if isinstance(value, float) else value
