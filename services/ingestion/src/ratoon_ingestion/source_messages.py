"""Parts of `ratoon.ingestion.v1.Source` that sources and connections share: format, columns, parts of text files."""

from typing import Protocol

from ratoon.ingestion.v1 import source_pb2
from ratoon_ingestion.domain.errors import BadSource
from ratoon_ingestion.domain.sources import (
    ARCHIVE_DEPTH,
    EXAMPLE_ROLES,
    Columns,
    Format,
    Rows,
    SampleBy,
    parts_of,
)

_SAMPLE_BY = source_pb2.Source.SampleBy


class HasFormat(Protocol):
    """Message with the format of a blob and the part of a text file that is one record."""

    @property
    def format(self) -> "source_pb2.Source.Format.ValueType": ...
    @property
    def sample_by(self) -> "source_pb2.Source.SampleBy.ValueType": ...


def format_of(message: HasFormat) -> Format:
    """Return the format in a message; BadSource if there is none."""
    if not message.format:
        raise BadSource(
            "format is not set; name the format of the blob: "
            f"{', '.join(f'FORMAT_{each}' for each in Format)}."
        )
    return Format(source_pb2.Source.Format.Name(message.format).removeprefix("FORMAT_"))


def format_message(value: Format) -> "source_pb2.Source.Format.ValueType":
    """Return the value of the enumeration."""
    return source_pb2.Source.Format.Value(f"FORMAT_{value}")


def sample_by_message(format: Format, value: SampleBy) -> "source_pb2.Source.SampleBy.ValueType":
    """Return the part of a file that is one record; not set where the format leaves no choice."""
    part = parts_of(format, value)
    return _SAMPLE_BY.SAMPLE_BY_UNSPECIFIED if part is None else _SAMPLE_BY.Value(f"SAMPLE_BY_{part}")


def sample_by_of(message: HasFormat) -> SampleBy:
    """Return the part of a text file that is one record; default: a line."""
    if message.sample_by not in _SAMPLE_BY.values():
        raise BadSource(f"sample_by has no value {message.sample_by}.")
    if not message.sample_by:
        return SampleBy.LINE
    return SampleBy(_SAMPLE_BY.Name(message.sample_by).removeprefix("SAMPLE_BY_"))


def archive_depth_of(message: source_pb2.Source) -> int:
    """Return the levels of archives within archives that a new source reads."""
    return message.archive_depth if message.HasField("archive_depth") else ARCHIVE_DEPTH


def rows_message(rows: Rows | None) -> source_pb2.Source.Rows | None:
    """Return what is done with the rows of a table as callers see it; None for nothing."""
    if rows is None:
        return None
    message = source_pb2.Source.Rows(sort_by=rows.sort_by, group_by=rows.group_by, separator=rows.separator)
    if rows.other:
        message.join.source, message.join.key, message.join.other_key = rows.other, rows.key, rows.other_key
        kinds = source_pb2.Source.JoinKind
        message.join.kind = kinds.JOIN_KIND_INNER if rows.inner else kinds.JOIN_KIND_LEFT
    return message


def rows_of(message: source_pb2.Source) -> Rows | None:
    """Return what is done with the rows of a table; None for nothing."""
    if not message.HasField("rows"):
        return None
    rows, join = message.rows, message.rows.join
    return Rows(
        other=join.source,
        key=join.key,
        other_key=join.other_key,
        inner=join.kind == source_pb2.Source.JOIN_KIND_INNER,
        sort_by=tuple(rows.sort_by),
        group_by=tuple(rows.group_by),
        separator=rows.separator,
    )


def columns_message(columns: Columns) -> source_pb2.Source.Columns:
    """Return the columns of a table as callers see them."""
    return source_pb2.Source.Columns(**columns.of_rows, **columns.of_examples, attributes=columns.attributes)


def columns_of(message: source_pb2.Source.Columns) -> Columns:
    """Return the columns in a message; empty names select the defaults."""
    named = {
        name: getattr(message, name) for name in ("text", "label", "id", "time") if getattr(message, name)
    }
    examples = {role: getattr(message, role) for role in EXAMPLE_ROLES}
    return Columns(**named, **examples, attributes=tuple(message.attributes), named=tuple(named))
