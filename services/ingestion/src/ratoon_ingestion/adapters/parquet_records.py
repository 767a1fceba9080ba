"""Records out of Parquet in the artifact store, a row group at a time.

Shards and parts stand in record id order, so a row group's statistics say whether it can hold an id.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_ingestion.application.ports import Record, RejectedItem

_PAGE_CHARS = 700_000
"""A page stays under a message's 4 MiB, whatever its script."""
_TEXT_CHARS = 200_000
"""Of a longer text only the start is shown."""


class ParquetRecords:
    """Reads versions (trees of `records-*.parquet`) and parts (single blobs)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def after(self, version_digest: str, record_id: str, limit: int) -> tuple[Sequence[Record], bool]:
        """At most `limit` records that follow an id, fewer when their texts are long, and whether more come."""
        found: list[Record] = []
        chars = 0
        for row in self._rows_after(version_digest, record_id):
            if len(found) == limit or (found and chars + min(row["chars"], _TEXT_CHARS) > _PAGE_CHARS):
                return found, True
            record = _record(row)
            chars += len(record.text)
            found.append(record)
        return found, False

    def rejections(self, version_digest: str, start: int, limit: int) -> tuple[Sequence[RejectedItem], bool]:
        """At most `limit` rejected items from place `start` on, and whether more come."""
        found = [file.sha256 for file in self._store.tree(version_digest) if file.path == "rejected.parquet"]
        items: list[RejectedItem] = []
        for digest in found:
            with self._store.open(digest) as stream:
                items += islice(_rejected(_parquet(stream)), start, start + limit + 1)
        return items[:limit], len(items) > limit

    def find(self, version_digest: str, record_id: str) -> Record | None:
        """One record of a version's tree, or None."""
        for shard in self._shards(version_digest):
            with self._store.open(shard) as stream:
                file = _parquet(stream)
                for group in _groups_around(file, record_id):
                    rows = file.read_row_group(group).to_pylist()
                    row = next((row for row in rows if row["record_id"] == record_id), None)
                    if row is not None:
                        return _record(row)
        return None

    def in_version(self, version_digest: str, record_id: str) -> bool:
        """Whether a version's tree holds the record."""
        return any(self.in_part(shard, record_id) for shard in self._shards(version_digest))

    def in_part(self, part_digest: str, record_id: str) -> bool:
        """Whether a part's blob holds the record."""
        with self._store.open(part_digest) as stream:
            file = _parquet(stream)
            return any(
                record_id in file.read_row_group(group, columns=["record_id"]).column(0).to_pylist()
                for group in _groups_around(file, record_id)
            )

    def _rows_after(self, version_digest: str, record_id: str) -> Iterator[dict[str, Any]]:
        for shard in self._shards(version_digest):
            with self._store.open(shard) as stream:
                file = _parquet(stream)
                column = file.schema_arrow.names.index("record_id")
                for group in range(file.num_row_groups):
                    if file.metadata.row_group(group).column(column).statistics.max <= record_id:
                        continue
                    rows = file.read_row_group(group).to_pylist()
                    yield from rows[bisect_right([row["record_id"] for row in rows], record_id) :]

    def _shards(self, version_digest: str) -> list[str]:
        return [file.sha256 for file in self._store.tree(version_digest) if file.path.startswith("records-")]


def _rejected(file: Any) -> Iterator[RejectedItem]:
    """The rows of a file of rejections; those that an older release wrote have no starts of texts."""
    for batch in file.iter_batches(batch_size=500):
        for row in batch.to_pylist():
            yield RejectedItem(**{name: row.get(name) or "" for name in RejectedItem.__dataclass_fields__})


def _groups_around(file: Any, record_id: str) -> Iterator[int]:
    """The row groups whose bounds say that they may hold a record."""
    column = file.schema_arrow.names.index("record_id")
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(column).statistics
        if bounds is not None and bounds.has_min_max and bounds.min <= record_id <= bounds.max:
            yield group


def _parquet(stream: Any) -> Any:
    """An open Parquet file. The library is loaded when it is first needed: idle services stay small."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(stream)


def _record(row: dict[str, Any]) -> Record:
    values = {name: row[name] for name in Record.__dataclass_fields__}
    values["text"] = row["text"][:_TEXT_CHARS]
    values["attributes"] = dict(row["attributes"])
    return Record(**values)
