"""The beginning of a blob, read and curated as a source would be. Its result is shown once and not stored."""

import io
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, cast

import pyarrow as pa

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.detect import detected
from ratoon_ingestion.worker.readers import Item, Limits, Rejection, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.readers.parquet import parquet_columns
from ratoon_ingestion.worker.readers.tables import table_columns
from ratoon_ingestion.worker.spec import PreviewSpec
from ratoon_ingestion.worker.stages import StageSettings, curate_batch

JSON = dict[str, Any]

_ITEMS, _FILES = 500, 100
"""Maximum number of rows of a table, and of mails or files, which take longer, to read."""
_BYTES = 8 << 20
_SECONDS = 5.0
_SCAN_BYTES = 8 << 20
_TEXT_CHARS = 500
_REJECTIONS = 20
_LABELS = 200
_PIECE = 8 << 10
_TABLES = (Format.CSV, Format.JSONL, Format.PARQUET)
_STREAMED = (Format.CSV, Format.JSONL, Format.MBOX)


def preview(spec: PreviewSpec) -> JSON:
    """What the blob becomes; `problem` says why nothing usable comes of it."""
    spec = replace(spec, source=replace(spec.source, name=spec.file_name or "The file"))
    store = _CountingStore(spec.artifacts)
    size = store.size(spec.source.digest)
    result: JSON = {"format": "" if spec.detect else spec.source.format.value, "size_bytes": size}
    try:
        source = _with_format(spec, store)
        result["format"] = source.format.value
        store.pieces = source.format in _STREAMED
        result |= _columns(source, store)
        return result | _read(spec, source, store, size)
    except SourceUnreadable as error:
        return result | {"problem_reason": error.reason, "problem": str(error)}


def _with_format(spec: PreviewSpec, store: ArtifactStore) -> SourceSpec:
    if not spec.detect:
        return spec.source
    with store.open(spec.source.digest) as stream:
        return replace(spec.source, format=detected(stream, spec.file_name))


def _columns(source: SourceSpec, store: ArtifactStore) -> JSON:
    if source.format is Format.PARQUET:
        with store.open(source.digest) as stream:
            return {"columns": parquet_columns(source, stream)}
    if source.format in (Format.CSV, Format.JSONL):
        names, encoding = table_columns(source, store, Limits(scan_bytes=_SCAN_BYTES))
        return {"columns": list(names), "encoding": encoding.codec, "encoding_from": encoding.how.value}
    return {}


def _read(spec: PreviewSpec, source: SourceSpec, store: "_CountingStore", size: int) -> JSON:
    items: list[Item] = []
    rejections: list[Rejection] = []
    complete, until = True, time.monotonic() + _SECONDS
    problem: JSON = {}
    try:
        for entry in read_source(source, store, Limits(scan_bytes=_SCAN_BYTES)):
            (items if isinstance(entry, Item) else rejections).append(entry)  # type: ignore[arg-type]
            if _enough(source, items, rejections, until):
                complete = False
                break
    except SourceUnreadable as error:
        problem = {"problem_reason": error.reason, "problem": str(error)}
    count = len(items) + len(rejections)
    outcome = curate_batch(items_batch(source, items), StageSettings(spec.key, spec.config, spec.excluded))
    rejected = [*(_unread(each) for each in rejections), *_rejected(outcome.rejected)]
    labels = Counter(item.label for item in items if item.label)
    if not problem and not outcome.accepted.num_rows:
        problem = _nothing(rejected)
    return {
        "records": list(_records(outcome.accepted, spec.record_count)),
        "label_counts": dict(labels.most_common(_LABELS)),
        "unlabelled_count": sum(not item.label for item in items),
        "item_count": count,
        "record_count": outcome.accepted.num_rows,
        "rejected_counts": dict(Counter(each["reason"] for each in rejected).most_common()),
        "rejections": rejected[:_REJECTIONS],
        "complete": complete,
        "estimated_item_count": count if complete else _estimated(source, store, count, size),
        **problem,
    }


def _enough(source: SourceSpec, items: list[Item], rejections: list[Rejection], until: float) -> bool:
    max_items = _ITEMS if source.format in _TABLES else _FILES
    if len(items) >= max_items or len(rejections) >= _ITEMS or time.monotonic() > until:
        return True
    return sum(len(item.payload) for item in items) > _BYTES


def _estimated(source: SourceSpec, store: "_CountingStore", count: int, size: int) -> int:
    """Items of the whole, by the share of its bytes that was read."""
    if not store.consumed:
        return 0
    return max(count, round(count * size / store.consumed))


def _records(accepted: pa.RecordBatch, limit: int) -> Iterator[JSON]:
    for row in accepted.slice(0, limit).to_pylist():
        time_of = row["received_time"]
        yield {
            "source_path": row["source_path"],
            "text": row["text"][:_TEXT_CHARS],
            "chars": row["chars"],
            "label": row["source_label"] or "",
            "language": row["language"],
            "received_time": time_of.isoformat() if time_of else "",
            "attributes": dict(row["attributes"]),
        }


def _unread(rejection: Rejection) -> JSON:
    return {
        "source_path": rejection.path,
        "step": "read",
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "text_start": "",
    }


def _rejected(batch: pa.RecordBatch) -> list[JSON]:
    names = ["source_path", "step", "reason", "detail", "text_start"]
    rows: list[JSON] = batch.select(names).to_pylist()
    return rows


def _nothing(rejected: list[JSON]) -> JSON:
    worst = Counter((each["reason"], each["step"]) for each in rejected).most_common(3)
    reasons = ", ".join(f"{count} {reason} in {step}" for (reason, step), count in worst)
    detail = next((each["detail"] for each in rejected if each["detail"]), "")
    return {
        "problem_reason": "NO_RECORDS",
        "problem": f"None of the items that were read becomes a record ({reasons}{'; ' if detail else ''}{detail}). "
        "Check the format, the columns and the encoding.",
    }


class _CountingStore(ArtifactStore):
    """The artifact store; `consumed` is how many bytes of the blob opened last were read, if it is read in `pieces`."""

    consumed = 0
    pieces = False

    def open(self, digest: str) -> BinaryIO:
        """A blob, read in small pieces."""
        self.consumed = 0
        stream = super().open(digest)
        return cast(BinaryIO, _Counting(stream, self)) if self.pieces else stream


class _Counting(io.RawIOBase):
    def __init__(self, stream: BinaryIO, store: _CountingStore) -> None:
        self._stream, self._store = stream, store

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """As blobs are."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """The next bytes: all that are left, or at most a piece."""
        data = self._stream.read(size if size < 0 else min(size, _PIECE))
        self._store.consumed += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """The next piece."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the blob."""
        self._stream.close()
        super().close()
