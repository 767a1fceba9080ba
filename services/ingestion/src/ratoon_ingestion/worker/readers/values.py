"""Cells: what the value of one column becomes, the same for CSV, JSON and Parquet.

- No value: null, an empty string, NaN and the infinities.
- A string is itself. A whole number is its digits (`1` and `1.0` are both `1`), another number its shortest decimal,
  true and false are `true` and `false`, a time is ISO 8601.
- Bytes are text in UTF-8. An object or a list is no cell; a list of labels is one label, the JSON list of its texts.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\n\r\x0b\x0c\x1c-\x1f\x85\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_LONG = 10**21
"""From here on whole numbers are written with an exponent."""


class Lost:
    """A value that stands in a file and cannot be read; it is no cell."""


class NoCell(Exception):
    """A value that has no text form; the message says what it is."""


def whole(text: str) -> str:
    """The text with halves of characters (lone surrogates) replaced, so that it can be encoded."""
    return _SURROGATE.sub("\ufffd", text)


def cell_text(value: object) -> str | None:
    """The text of a cell, None where there is no value; NoCell for objects, lists and what is no text."""
    if value is None:
        return None
    if isinstance(value, str):
        return whole(value) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes):
        return _decoded(value)
    raise NoCell(_named(value))


def cell_line(value: object) -> str | None:
    """The text of a label, an id or an attribute: one line, without control characters and outer white space."""
    text = cell_text(value)
    if text is None:
        return None
    return _CONTROL.sub("", _BREAKS.sub(" ", text)).strip() or None


def label_line(value: object) -> str | None:
    """The text of a label as `cell_line` gives it; of a list with several labels their JSON list, in one line."""
    if not isinstance(value, list | tuple):
        return cell_line(value)
    labels = list(dict.fromkeys(label for each in value if (label := cell_line(each)) is not None))
    return json.dumps(labels, ensure_ascii=False) if len(labels) > 1 else next(iter(labels), None)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        raise NoCell("a number of more than 4,300 digits") from None


def _number(value: float | Decimal) -> str | None:
    if not math.isfinite(value):
        return None
    if -_LONG < value < _LONG and value == int(value):
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value.normalize())


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode("utf-8") or None
    except UnicodeDecodeError:
        raise NoCell("bytes that are not UTF-8") from None


def _named(value: object) -> str:
    """What a value is, in JSON's words, with the fields of an object."""
    if isinstance(value, Lost):
        return "a value that cannot be read"
    if isinstance(value, Mapping):
        fields = ", ".join(map(str, list(value)[:5]))
        return f"an object with the fields {whole(fields)[:120]}" if fields else "an empty object"
    if isinstance(value, list | tuple | set):
        return f"a list of {len(value)} values" if len(value) != 1 else "a list of one value"
    return f"a value of the type {type(value).__name__}"
