"""Items as they were read, in a Parquet file: what an erasure leaves of a source whose format is not written again."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon_ingestion.worker.readers.items import Item, Kind, SourceSpec, SourceUnreadable, clean_path

_MARK = {b"ratoon.items": b"1"}
_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "kind": pa.string(),
        "payload": pa.large_binary(),
        "label": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "attributes": pa.string(),
        "layout": pa.string(),
    },
    metadata=_MARK,
)
_ROWS, _BYTES = 100, 16 << 20


def is_stored(stream: BinaryIO) -> bool:
    """Return whether a blob holds items as they were read."""
    is_parquet = stream.read(4) == b"PAR1"
    stream.seek(0)
    if not is_parquet:
        return False
    try:
        return dict(pq.read_metadata(stream).metadata or {}).get(b"ratoon.items") == b"1"
    except (pa.ArrowException, OSError):
        return False
    finally:
        stream.seek(0)


def read_stored(source: SourceSpec, stream: BinaryIO) -> Iterator[Item]:
    """Yield the items."""
    try:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                attributes = {str(name): str(value) for name, value in json.loads(row["attributes"]).items()}
                yield Item(
                    clean_path(row["path"]),
                    Kind(row["kind"]),
                    bytes(row["payload"]),
                    row["label"],
                    row["time"],
                    attributes,
                    row["layout"],
                )
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SourceUnreadable(
            "SOURCE_DAMAGED", f"The blob of {source.name} is damaged. Upload it again."
        ) from error


def write_stored(items: Iterable[Item], path: Path) -> None:
    """Write items as they were read."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        rows, size = list[dict[str, object]](), 0
        for item in items:
            rows.append(_row(item))
            size += len(item.payload)
            if len(rows) >= _ROWS or size >= _BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
                rows, size = [], 0
        writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))


def _row(item: Item) -> dict[str, object]:
    return {
        "path": item.path,
        "kind": item.kind.value,
        "payload": item.payload,
        "label": item.label,
        "time": item.time,
        "attributes": json.dumps(dict(item.attributes), ensure_ascii=False, sort_keys=True),
        "layout": item.layout,
    }
