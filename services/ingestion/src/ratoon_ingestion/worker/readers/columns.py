"""Columns by name: each one that is named must be there, once. Header cells are compared without outer white space."""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from ratoon_ingestion.domain.sources import Columns
from ratoon_ingestion.worker.readers.examples import Layout, example_columns, layout_of
from ratoon_ingestion.worker.readers.items import SourceSpec, SourceUnreadable
from ratoon_ingestion.worker.readers.values import whole

_SHOWN = 20
_NAME_CHARS = 60
_INVISIBLE = "\ufeff\u200b\x00"


def named_columns(columns: Columns) -> tuple[str, ...]:
    """All columns that are read, text first."""
    roles = (columns.text, columns.label, columns.id, columns.time, *columns.attributes)
    return tuple(dict.fromkeys((*roles, *columns.of_examples.values())))


def layout(source: SourceSpec, header: Sequence[str]) -> Mapping[str, int]:
    """Map each configured column to its index; SourceUnreadable when a named one is missing or occurs twice.

    Of whole rows, map each column; of several with one name, the first.
    """
    names = [plain(name) for name in header]
    places = dict[str, int]()
    if source.whole_rows:
        for place, name in enumerate(names):
            places.setdefault(name, place)
        return places
    examples = example_columns(source.columns, names)
    for column in dict.fromkeys((*named_columns(source.columns), *examples)):
        matches = [place for place, name in enumerate(names) if name == plain(column)]
        if len(matches) > 1:
            raise _twice(source, column, matches)
        if matches:
            places[column] = matches[0]
    _check(source, places, header)
    return places


def check_fields(source: SourceSpec, fields: Iterable[str]) -> None:
    """SourceUnreadable when a named column is a field of no object."""
    names = list(fields)
    if names:
        _check(source, dict.fromkeys(names, 0), names)


def _check(source: SourceSpec, places: Mapping[str, int], header: Sequence[str]) -> None:
    columns = source.columns
    needed = {"text": columns.text} if layout_of(columns, list(places)) is Layout.TEXT else {}
    needed |= {role: getattr(columns, role) for role in columns.named} | columns.of_examples
    needed |= {f"attribute {name}": name for name in columns.attributes}
    for role, name in needed.items():
        if name not in places:
            raise _missing(source, role, name, header)


def _missing(source: SourceSpec, role: str, name: str, header: Sequence[str]) -> SourceUnreadable:
    shown = ", ".join(repr(_short(each)) for each in header[:_SHOWN]) or "none"
    more = f" and {len(header) - _SHOWN} more" if len(header) > _SHOWN else ""
    near = _nearest(name, header)
    return SourceUnreadable(
        "COLUMN_MISSING",
        f"{source.name} has no column {name!r} for the {role}. Its columns are: {shown}{more}. "
        + (f"Did you mean {near!r}? " if near else "")
        + f"Name the column of the {role}.",
    )


def _twice(source: SourceSpec, name: str, places: Sequence[int]) -> SourceUnreadable:
    numbers = " and ".join(str(place + 1) for place in places)
    return SourceUnreadable(
        "COLUMN_TWICE",
        f"{source.name} has the column {name!r} more than once (columns {numbers}). Rename all but the one to read.",
    )


def _nearest(name: str, header: Sequence[str]) -> str:
    """The column that is most like the name, if any is close."""
    by_key = {plain(each).casefold(): each for each in reversed(header) if plain(each)}
    close = difflib.get_close_matches(plain(name).casefold(), by_key, n=1, cutoff=0.6)
    return _short(by_key[close[0]]) if close else ""


def plain(name: str) -> str:
    """The name of a column without what writers leave around it."""
    return unicodedata.normalize("NFC", name).strip(_INVISIBLE + " \t\r\n\x0b\x0c\xa0\u3000")


def _short(name: str) -> str:
    shown = whole(plain(name))
    return shown if len(shown) <= _NAME_CHARS else f"{shown[:_NAME_CHARS]}…"
