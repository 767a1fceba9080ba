"""Rows of Arrow IPC files and streams, and of Feather files: the configured columns alone, as plain values."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from ratoon_ingestion.worker.readers.columns import layout
from ratoon_ingestion.worker.readers.items import SourceSpec, SourceUnreadable
from ratoon_ingestion.worker.readers.parquet import TABLE_FAULTS, plain_values

_ROWS = 256
_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"


def arrow_rows(source: SourceSpec, stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Yield each row as column to value; SourceUnreadable when the file is damaged or lacks a named column."""
    try:
        header = _columns(stream)
        places = layout(source, header)
        count = 0
        for batch in _batches(stream, list(places.values())):
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _ROWS):
                part = batch.slice(start, _ROWS)
                columns = [plain_values(part.column(header[place])) for place in places.values()]
                for row in zip(*columns, strict=True):
                    count += 1
                    yield dict(zip(places, row, strict=True))
    except TABLE_FAULTS as error:
        raise _damaged(source) from error
    if not count:
        raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} has no rows. Check what was uploaded.")


def arrow_columns(source: SourceSpec, stream: BinaryIO) -> list[str]:
    """Return the names of the columns."""
    try:
        return _columns(stream)
    except TABLE_FAULTS as error:
        raise _damaged(source) from error


def _columns(stream: BinaryIO) -> list[str]:
    start = stream.read(len(_FILE))
    stream.seek(0)
    if start.startswith(_FEATHER_1):
        raise pa.ArrowInvalid("Feather of version 1")
    reader = pa.ipc.open_file(stream) if start == _FILE else pa.ipc.open_stream(stream)
    stream.seek(0)
    return list(reader.schema.names)


def _batches(stream: BinaryIO, places: list[int]) -> Iterator[pa.RecordBatch]:
    """Yield batches with these columns alone, one at a time."""
    start = stream.read(len(_FILE))
    stream.seek(0)
    options = pa.ipc.IpcReadOptions(included_fields=sorted(places), use_threads=False)
    if start == _FILE:
        file = pa.ipc.open_file(stream, options=options)
        for number in range(file.num_record_batches):
            yield file.get_batch(number)
    else:
        yield from pa.ipc.open_stream(stream, options=options)


def _damaged(source: SourceSpec) -> SourceUnreadable:
    return SourceUnreadable(
        "ARROW_DAMAGED",
        f"The blob of {source.name} is not a readable Arrow file. Write it again with Arrow IPC (Feather version 2) "
        "and upload all of it.",
    )
