"""Fuzzes the reader of one format with atheris: `python fuzz_readers.py FORMAT [options of libFuzzer] CORPUS`.

A reader yields items and rejections, or raises SourceUnreadable; any other error is a finding.
"""

import io
import sys
from typing import BinaryIO

import atheris

with atheris.instrument_imports(include=["ratoon_ingestion.worker.readers", "ratoon_ingestion.media"]):
    from ratoon_ingestion.domain.sources import Format
    from ratoon_ingestion.worker.decoding import decoded
    from ratoon_ingestion.worker.readers import Item, Limits, SourceSpec, SourceUnreadable, read_source

LIMITS = Limits(
    item_bytes=1 << 16, document_bytes=1 << 16, members=200, total_bytes=1 << 20, ratio_floor=1 << 18
)


class Memory:
    """A store of one blob."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, _digest: str) -> BinaryIO:
        return io.BytesIO(self._data)

    def read(self, _digest: str) -> bytes:
        return self._data

    def size(self, _digest: str) -> int:
        return len(self._data)

    def tree(self, _digest: str) -> list[object]:
        return []


def read(format: Format, data: bytes) -> None:
    """Read a blob to its end, and decode its items."""
    source = SourceSpec("projects/p/sources/s", "0" * 64, format, archive_depth=2)
    try:
        for entry in read_source(source, Memory(data), LIMITS):  # type: ignore[arg-type]
            if isinstance(entry, Item):
                entry.path.encode()
                decoded(entry.kind, entry.payload, entry.path)
    except SourceUnreadable:
        pass


if __name__ == "__main__":
    chosen = Format(sys.argv.pop(1))
    atheris.Setup(sys.argv, lambda data: read(chosen, data))
    atheris.Fuzz()
