"""Rows of a Parquet file: the configured columns alone, as plain values."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon_ingestion.worker.readers.columns import layout
from ratoon_ingestion.worker.readers.items import SourceSpec, SourceUnreadable
from ratoon_ingestion.worker.readers.values import Lost

_ROWS = 256
_BATCH_BYTES = 32 << 20
TABLE_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError)


def parquet_rows(source: SourceSpec, stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Each row as column to value; SourceUnreadable when the file is damaged or lacks a named column."""
    try:
        file = pq.ParquetFile(stream)
        header = file.schema_arrow.names
        places = layout(source, header)
        if not file.metadata.num_rows:
            raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} has no rows. Check what was uploaded.")
        columns = [header[place] for place in places.values()]
        for batch in file.iter_batches(batch_size=_batch_rows(file), columns=columns):
            values = [plain_values(batch.column(name)) for name in columns]
            for row in zip(*values, strict=True):
                yield dict(zip(places, row, strict=True))
    except TABLE_FAULTS as error:
        raise SourceUnreadable(
            "PARQUET_DAMAGED",
            f"The blob of {source.name} is not a readable Parquet file. Write it again and upload all of it.",
        ) from error


def parquet_columns(source: SourceSpec, stream: BinaryIO) -> list[str]:
    """The names of a Parquet file's columns."""
    try:
        return list(pq.ParquetFile(stream).schema_arrow.names)
    except TABLE_FAULTS as error:
        raise SourceUnreadable("PARQUET_DAMAGED", f"{source.name} is not a readable Parquet file.") from error


def _batch_rows(file: pq.ParquetFile) -> int:
    """So few rows at a time that they stay small in memory."""
    metadata = file.metadata
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(1, min(_ROWS, int(_BATCH_BYTES * metadata.num_rows // max(size, 1))))


def plain_values(column: pa.Array) -> list[Any]:
    """The values of a column; those that have no Python type are text."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = pc.cast(column, pa.timestamp("us", tz=kind.tz), safe=False)
    try:
        return (
            [_without_nulls(value) for value in column.to_pylist()]
            if pa.types.is_nested(kind)
            else list(column.to_pylist())
        )
    except (ValueError, OverflowError, *TABLE_FAULTS):
        return [_value(scalar) for scalar in column]


def _without_nulls(value: Any) -> Any:
    """Return a nested value without fields that are null: objects of a column have the fields of all of them."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _text(value: bytes | None) -> str | bytes | None:
    """Return the text of a value; bytes that are not UTF-8 stay, as those of a binary column do."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, *TABLE_FAULTS):
        return Lost()
