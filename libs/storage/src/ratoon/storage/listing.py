"""Order and filter of a listing as callers write them, and fields of stored documents in SQL.

A filter is a part of AIP-160: `state = OPEN AND reason = "conflict"`. The fields that a listing filters by are named by
its handler; an expression index of its table keeps them fast (`field_sql` is its expression).
"""

import re
from collections.abc import Mapping

from sqlalchemy import ColumnElement, String, Table, literal_column

from ratoon.process.errors import InvalidArgument

_DESCENDING = {"": False, "create_time": False, "create_time asc": False, "create_time desc": True}
_FIELD = re.compile(r"[a-z][a-z_]*")
_TERM = re.compile(r'\s*(?P<field>[a-z_]+)\s*=\s*(?P<quote>"?)(?P<value>[^"\s]+)(?P=quote)\s*')


def newest_first(order_by: str) -> bool:
    """Return whether `order_by` asks for the newest resources first; InvalidArgument for any other order."""
    text = " ".join(order_by.split())
    if text not in _DESCENDING:
        raise InvalidArgument(
            f'order_by is {order_by!r}; it can be "create_time" or "create_time desc".',
            reason="BAD_ORDER_BY",
            field="order_by",
        )
    return _DESCENDING[text]


def filtered_fields(filter: str, values: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the value of each field that a filter names; InvalidArgument unless `values` lists both."""
    terms = [_TERM.fullmatch(term) for term in filter.split(" AND ")] if filter.strip() else []
    chosen = {term["field"]: term["value"] for term in terms if term}
    known = all(value in values.get(field, ()) for field, value in chosen.items())
    if not known or len(chosen) != len(terms):
        example = " AND ".join(f"{field} = {names[0]}" for field, names in values.items())
        choices = "; ".join(f"{field}: {', '.join(names)}" for field, names in values.items())
        raise InvalidArgument(
            f"{filter!r} is no filter of this listing. Write it as {example!r}; values of {choices}.",
            reason="BAD_FILTER",
            field="filter",
        )
    return chosen


def field_sql(table: str, field: str, is_sqlite: bool) -> str:
    """Return the SQL text of one field of the stored documents in a table."""
    if not _FIELD.fullmatch(field):
        raise ValueError(f"{field!r} is no name of a stored field")
    column = f"{table}.body" if table else "body"
    if is_sqlite:
        return f"CASE WHEN json_valid({column}) THEN json_extract({column}, '$.{field}') END"
    return f"(CAST({column} AS json) ->> '{field}')"


def stored_field(table: Table, field: str, is_sqlite: bool) -> ColumnElement[str]:
    """Return one field of the stored documents as a column."""
    return literal_column(field_sql(table.name, field, is_sqlite), String)
