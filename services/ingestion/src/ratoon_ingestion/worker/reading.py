"""Sources as batches of items, and the rejections of their readers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.batches import REJECTED, items_batch, rejections_batch
from ratoon_ingestion.worker.readers import Item, Kind, Limits, Rejection, SourceSpec, read_source
from ratoon_ingestion.worker.readers.media import stored

_BATCH_ITEMS = 256
_BATCH_BYTES = 1 << 20
_REJECTIONS = 1_000
"""Rejections that are written at a time."""


class SourceReader:
    """Reads the sources once; afterwards `items` is the number of items."""

    def __init__(
        self,
        sources: tuple[SourceSpec, ...],
        store: ArtifactStore,
        limits: Limits | None = None,
        folder: Path | None = None,
    ) -> None:
        """`folder`: for a file with the rejections; without one they are held in memory."""
        self._sources, self._store, self._limits = sources, store, limits or Limits()
        self._path = folder / "unread.arrow" if folder else None
        self._buffer = pa.BufferOutputStream()
        self._rejected = pa.ipc.new_stream(str(self._path) if self._path else self._buffer, REJECTED)
        self.items = 0
        self.row_counts: Counter[str] = Counter()
        """What joins, groups and sorts of rows counted."""
        self.sources_done = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches of schema ITEMS, in the order of sources and items, cut by number and size alone."""
        for source in self._sources:
            yield from self._of(source)
            self.sources_done += 1

    @property
    def share_done(self) -> float:
        """Share of the sources that were read, from 0 to 1."""
        return self.sources_done / len(self._sources)

    def rejected(self) -> pa.Table:
        """Return the rejections of the readers, schema REJECTED, once all batches were read."""
        self._rejected.close()
        source = pa.memory_map(str(self._path)) if self._path else self._buffer.getvalue()
        return pa.ipc.open_stream(source).read_all()

    def _of(self, source: SourceSpec) -> Iterator[pa.RecordBatch]:
        items: list[Item] = []
        rejections: list[Rejection] = []
        size = 0
        for entry in read_source(source, self._store, self._limits, self.row_counts):
            self.items += 1
            if isinstance(entry, Rejection):
                rejections.append(entry)
                if len(rejections) >= _REJECTIONS:
                    self._rejected.write_batch(rejections_batch(source, rejections))
                    rejections = []
                continue
            if entry.kind is Kind.MEDIA:
                entry = stored(entry, self._store)
            items.append(entry)
            size += len(entry.payload)
            if len(items) >= _BATCH_ITEMS or size >= _BATCH_BYTES:
                yield items_batch(source, items)
                items, size = [], 0
        if items:
            yield items_batch(source, items)
        if rejections:
            self._rejected.write_batch(rejections_batch(source, rejections))
