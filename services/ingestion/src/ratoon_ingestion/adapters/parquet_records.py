"""Records out of Parquet in the artifact store, a few rows at a time, so that no reader holds more than it shows.

Shards and parts stand in record id order, so a row group's statistics say whether it can hold an id.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

from ratoon.process.errors import ResourceExhausted
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record as Example
from ratoon.tasks.records import record_of, to_json
from ratoon_ingestion.application.ports import Record, RejectedItem
from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, shortened

_PAGE_CHARS = 700_000
"""A page stays under a message's 4 MiB, whatever its script."""
_TEXT_CHARS = 200_000
"""Of a longer text only the start is shown."""
_ATTRIBUTE_CHARS = 50_000
"""Of longer attributes of a record, all together, only the start is shown."""
_MAX_VOTES, _LABEL_CHARS = 1_000, 200
"""Maximum number of labels of a record's duplicates to return, and the maximum length of each."""
_DERIVED = ("conflicting_labels", "example")
"""Fields of a record that are no columns, or other ones."""
_BATCH_ROWS, _BATCH_BYTES = 500, 4 << 20
"""Maximum number of rows, and the approximate number of bytes, to decode at once."""
_BIG_GROUP_BYTES, _MAX_GROUP_BYTES = 32 << 20, 512 << 20
"""Row groups of older releases may be big, since they count records alone: of big ones one is read at a time, and one
that is larger than the second is not read, since its pages have to be decoded whole."""
_BIG_READ = threading.Lock()


class ParquetRecords:
    """Reads versions (trees of `records-*.parquet`) and parts (single blobs)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def after(self, version_digest: str, record_id: str, limit: int) -> tuple[Sequence[Record], bool]:
        """At most `limit` records that follow an id, fewer when their texts are long, and whether more come."""
        page: list[Record] = []
        chars = 0
        for row in self._rows_after(version_digest, record_id):
            record = _record(row)
            size = _chars(record)
            if len(page) == limit or (page and chars + size > _PAGE_CHARS):
                return page, True
            chars += size
            page.append(record)
        return page, False

    def rejections(self, version_digest: str, start: int, limit: int) -> tuple[Sequence[RejectedItem], bool]:
        """At most `limit` rejected items from place `start` on, and whether more come."""
        digests = [
            file.sha256 for file in self._store.tree(version_digest) if file.path == "rejected.parquet"
        ]
        items: list[RejectedItem] = []
        for digest in digests:
            with self._store.open(digest) as stream:
                items += islice(_rejected(_parquet(stream), start), limit + 1)
        return items[:limit], len(items) > limit

    def find(self, version_digest: str, record_id: str) -> Record | None:
        """One record of a version's tree, or None."""
        for shard in self._shards(version_digest):
            with self._store.open(shard) as stream:
                file = _parquet(stream)
                for group in _groups_around(file, record_id):
                    ids = _ids(file, group)
                    place = bisect_left(ids, record_id)
                    if place < len(ids) and ids[place] == record_id:
                        return _record(next(_rows(file, group, place)))
        return None

    def records_of(self, version_digest: str, record_ids: Sequence[str]) -> Sequence[Record]:
        """Return the records of a version's tree that have these ids, which are in ascending order."""
        matches: list[Record] = []
        for shard in self._shards(version_digest) if record_ids else ():
            with self._store.open(shard) as stream:
                file = _parquet(stream)
                for group in range(file.num_row_groups):
                    matches += _sought(file, group, record_ids)
        return matches

    def in_version(self, version_digest: str, record_id: str) -> bool:
        """Whether a version's tree holds the record."""
        return any(self.in_part(shard, record_id) for shard in self._shards(version_digest))

    def in_part(self, part_digest: str, record_id: str) -> bool:
        """Whether a part's blob holds the record."""
        with self._store.open(part_digest) as stream:
            file = _parquet(stream)
            return any(record_id in _ids(file, group) for group in _groups_around(file, record_id))

    def _rows_after(self, version_digest: str, record_id: str) -> Iterator[dict[str, Any]]:
        for shard in self._shards(version_digest):
            with self._store.open(shard) as stream:
                file = _parquet(stream)
                column = file.schema_arrow.names.index("record_id")
                for group in range(file.num_row_groups):
                    if file.metadata.row_group(group).column(column).statistics.max <= record_id:
                        continue
                    yield from _rows(file, group, bisect_right(_ids(file, group), record_id))

    def _shards(self, version_digest: str) -> list[str]:
        return [file.sha256 for file in self._store.tree(version_digest) if file.path.startswith("records-")]


def _rejected(file: Any, start: int) -> Iterator[RejectedItem]:
    """The rows of a file of rejections from a place on; those that an older release wrote have no starts of texts."""
    before = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        for row in batch.slice(min(batch.num_rows, max(0, start - before))).to_pylist():
            yield RejectedItem(**{name: row.get(name) or "" for name in RejectedItem.__dataclass_fields__})
        before += batch.num_rows


def _groups_around(file: Any, record_id: str) -> Iterator[int]:
    """The row groups whose bounds say that they may hold a record."""
    column = file.schema_arrow.names.index("record_id")
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(column).statistics
        if bounds is not None and bounds.has_min_max and bounds.min <= record_id <= bounds.max:
            yield group


def _sought(file: Any, group: int, record_ids: Sequence[str]) -> Iterator[Record]:
    """The records of a row group that have one of these ids, which are in ascending order."""
    column = file.schema_arrow.names.index("record_id")
    bounds = file.metadata.row_group(group).column(column).statistics
    first, last = bisect_left(record_ids, bounds.min), bisect_right(record_ids, bounds.max)
    if first == last:
        return
    ids = _ids(file, group)
    for record_id in record_ids[first:last]:
        place = bisect_left(ids, record_id)
        if place < len(ids) and ids[place] == record_id:
            yield _record(next(_rows(file, group, place)))


def _ids(file: Any, group: int) -> list[str]:
    """The record ids of a row group, in order."""
    ids: list[str] = file.read_row_group(group, columns=["record_id"]).column(0).to_pylist()
    return ids


def _rows(file: Any, group: int, start: int) -> Iterator[dict[str, Any]]:
    """The rows of a row group from a place on, decoded a few at a time."""
    metadata = file.metadata.row_group(group)
    if metadata.total_byte_size > _MAX_GROUP_BYTES:
        raise ResourceExhausted(
            f"The records of this version are stored in blocks of {metadata.total_byte_size >> 20:,} MiB, "
            "too large to read: build the version again; this release writes smaller blocks.",
            reason="RECORDS_TOO_LARGE",
        )
    batch_rows = max(
        1, min(_BATCH_ROWS, _BATCH_BYTES * metadata.num_rows // max(1, metadata.total_byte_size))
    )
    with _BIG_READ if metadata.total_byte_size > _BIG_GROUP_BYTES else nullcontext():
        before = 0
        for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], use_threads=False):
            if before + batch.num_rows > start:
                yield from batch.slice(max(0, start - before)).to_pylist()
            before += batch.num_rows


def _parquet(stream: Any) -> Any:
    """An open Parquet file. The library is loaded when it is first needed: idle services stay small."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(stream)


def _record(row: dict[str, Any]) -> Record:
    votes = row.get("label_votes") or ()
    values = {name: row[name] for name in Record.__dataclass_fields__ if name not in _DERIVED}
    values["conflicting_labels"] = tuple(vote["label"][:_LABEL_CHARS] for vote in votes[:_MAX_VOTES])
    values["text"] = row["text"][:_TEXT_CHARS]
    values["source_label"] = label[:_TEXT_CHARS] if (label := row["source_label"]) else label
    values["attributes"] = _shown(row["attributes"] or ())
    values["example"] = _example(row)
    return Record(**values)


def _example(row: dict[str, Any]) -> Example | None:
    """The conversation of a row; None for a text with at most a label. Rows of older releases are texts."""
    example = row.get("example")
    if example is None and KIND_ATTRIBUTE not in dict(row["attributes"] or ()):
        return None
    return shortened(record_of(row["text"], row["source_label"], example), _TEXT_CHARS, _TEXT_CHARS)


def _shown(attributes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Attributes as they are shown: the starts of long ones, and none once too much is shown."""
    shown: dict[str, str] = {}
    left = _ATTRIBUTE_CHARS
    for name, value in attributes:
        if left <= 0:
            break
        shown[name] = (value or "")[:left]
        left -= len(name) + len(shown[name])
    return shown


def _chars(record: Record) -> int:
    """About how many characters of a message a record takes."""
    attributes = sum(len(name) + len(value) for name, value in record.attributes.items())
    votes = sum(len(label) + 2 for label in record.conflicting_labels)
    texts = len(record.text) + len(record.source_path) + len(record.source_label or "")
    return texts + attributes + votes + _example_chars(record.example)


def _example_chars(example: Example | None) -> int:
    return 0 if example is None else len(to_json(example))
