"""A segment: the sketches of a set of records in one immutable file that is mapped into memory.

Rows are in the order of (record id, content digest). A table is a list of keys in ascending order, and the row of each:
one a band of the MinHash signatures, one a quarter of the SimHashes, one of the content digests. A look-up reads the
pages of the tables that it needs, and no others.
"""

import json
import mmap
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.index.sketches import Sketches, gathered
from ratoon_ingestion.worker.names import Names
from ratoon_ingestion.worker.shingles import SKETCHING, Hashes

_MAGIC = b"ratoonix"
FORMATS = (1, SKETCHING)
"""Formats that are read. Their hashes differ: segments of the first keep theirs, and answer for no new records."""
_ALIGN = 64
_LARGEST_HEADER = 64 << 20
QUARTERS = 4

Rows = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.unsignedinteger]


class NotASegment(Exception):
    """The file is no segment, is cut off, or was written by a newer release."""

    code, reason = "FAILED_PRECONDITION", "INDEX_UNREADABLE"


@dataclass(frozen=True)
class Layout:
    """Bands of the signatures, values a band, the digests of the artifacts whose records it covers, and the format."""

    bands: int
    width: int
    covers: tuple[str, ...] = ()
    format: int = SKETCHING

    @property
    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables."""
        bands = (f"band{number}" for number in range(self.bands))
        return (*bands, *(f"quarter{number}" for number in range(QUARTERS)), "digest")


class Segment:
    """A segment that is mapped into memory."""

    def __init__(self, stream: IO[bytes], path: Path | None = None) -> None:
        """Map an open file; NotASegment if it is none. `path` is set for a file that is not stored yet."""
        self.path = path
        try:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise NotASegment("The file of an index segment is empty.") from None
        header = _header(self._map)
        self.layout = Layout(header["bands"], header["width"], tuple(header["covers"]), header["format"])
        self.rows: int = header["rows"]
        self._arrays: dict[str, tuple[str, list[int], int]] = header["arrays"]
        self._check_size()

    def __len__(self) -> int:
        return self.rows

    @property
    def is_current(self) -> bool:
        """Return whether its hashes are those of this release, so that new records can be compared with them."""
        return self.layout.format == SKETCHING

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return an array, which is read as far as it is used."""
        dtype, shape, offset = self._arrays[name]
        count = int(np.prod(shape))
        if not count:
            return np.empty(shape, dtype)
        return np.frombuffer(self._map, dtype, count, offset).reshape(shape)

    def table(self, name: str) -> tuple[Keys, Rows]:
        """Return the keys of a table and the row of each."""
        return self.array(f"{name}_keys"), self.array(f"{name}_rows")

    def shingles_at(self, row: int) -> Hashes:
        """Return the sorted shingles of a record."""
        offsets = self.array("offsets")
        flat: Hashes = self.array("shingles")[offsets[row] : offsets[row + 1]]
        return flat

    def sketches(self, rows: npt.NDArray[np.int64]) -> Sketches:
        """Return the sketches of these rows."""
        flat, offsets = gathered(self.array("shingles"), self.array("offsets"), rows)
        ids, digests, simhashes, answers = (
            self.array(name)[rows] for name in ("ids", "digests", "simhashes", "answers")
        )
        return Sketches(ids, digests, flat, offsets, simhashes, answers)

    def release(self) -> None:
        """Give the pages that were read back to the system; they are read again when they are used."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def _check_size(self) -> None:
        for dtype, shape, offset in self._arrays.values():
            if offset + int(np.prod(shape)) * np.dtype(dtype).itemsize > len(self._map):
                raise NotASegment("The file of an index segment is cut off.")


def opened(path: Path) -> Segment:
    """Return the segment in a file of this machine."""
    with path.open("rb") as stream:
        return Segment(stream, path)


def _header(mapped: mmap.mmap) -> dict[str, Any]:
    length = int.from_bytes(mapped[8:16], "little")
    if mapped[:8] != _MAGIC or length > min(len(mapped), _LARGEST_HEADER):
        raise NotASegment("The file is no index segment.")
    try:
        header: dict[str, Any] = json.loads(mapped[16 : 16 + length])
    except ValueError:
        raise NotASegment("The header of an index segment is damaged.") from None
    if header.get("format") not in FORMATS:
        raise NotASegment(
            f"The index segment has format {header.get('format')}; this release reads {FORMATS[0]} to {FORMATS[-1]}."
        )
    return header


class SegmentWriter:
    """Writes a segment array by array; memory stays flat, as each array grows in a file of its own."""

    def __init__(self, folder: Path) -> None:
        """`folder`: an empty directory for the arrays until the segment is finished."""
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._counts: dict[str, tuple[str, list[int]]] = {}

    def append(self, name: str, values: npt.NDArray[Any]) -> None:
        """Add values to the end of an array."""
        if name not in self._files:
            self._files[name] = (self._folder / name).open("wb")
            self._counts[name] = (values.dtype.newbyteorder("<").str, [0, *values.shape[1:]])
        self._files[name].write(np.ascontiguousarray(values).tobytes())
        self._counts[name][1][0] += len(values)

    def append_rows(self, ids: Names, sketches: Sketches) -> None:
        """Add rows, whose order is that of their ids."""
        self.append("id_keys", ids[:, 0])
        self.append("ids", ids)
        self.append("digests", sketches.digests)
        self.append("simhashes", sketches.simhashes)
        self.append("answers", sketches.answers)
        self.append("shingles", sketches.shingles)
        before = self._counts["shingles"][1][0] - len(sketches.shingles)
        if "offsets" not in self._counts:
            self.append("offsets", np.zeros(1, np.int64))
        self.append("offsets", sketches.offsets[1:] + before)

    def finish(self, path: Path, layout: Layout) -> Path:
        """Write the file of the segment; equal content gives equal bytes."""
        for stream in self._files.values():
            stream.close()
        counts = {name: (dtype, tuple(shape)) for name, (dtype, shape) in self._counts.items()}
        header, offsets = file_header(counts, layout)
        with path.open("wb") as sink:
            sink.write(header)
            for name in sorted(counts):
                sink.write(b"\0" * (offsets[name] - sink.tell()))
                with (self._folder / name).open("rb") as source:
                    shutil.copyfileobj(source, sink, 1 << 20)
                (self._folder / name).unlink()
        shutil.rmtree(self._folder)
        return path


def file_header(
    arrays: Mapping[str, tuple[str, tuple[int, ...]]], layout: Layout
) -> tuple[bytes, dict[str, int]]:
    """Return the start of a segment's file, and where each array begins; `arrays`: their dtypes and shapes.

    Offsets depend on the length of the header, which is fixed by white space at its end.
    """
    stated = {name: (dtype, list(shape), 0) for name, (dtype, shape) in arrays.items()}
    fields = {
        "format": layout.format,
        "rows": arrays["ids"][1][0],
        "bands": layout.bands,
        "width": layout.width,
        "covers": sorted(layout.covers),
        "arrays": stated,
    }
    length = len(json.dumps(fields)) + 20 * len(arrays)
    place = 16 + length
    for name in sorted(arrays):
        dtype, shape = arrays[name]
        place += -place % _ALIGN
        stated[name] = (dtype, list(shape), place)
        place += int(np.prod(shape)) * np.dtype(dtype).itemsize
    header = json.dumps(fields, sort_keys=True).encode().ljust(length)
    return _MAGIC + length.to_bytes(8, "little") + header, {name: each[2] for name, each in stated.items()}


def ranges(tables: Sequence[Keys], size: int) -> list[list[slice]]:
    """Cut tables at the same keys, so that those of one cut have about `size` entries; equal keys stay together."""
    total = sum(map(len, tables))
    if not total:
        return []
    longest = max(tables, key=len)
    step = max(1, len(longest) * size // total)
    bounds = np.unique(longest[step::step])
    cuts = [[0, *map(int, np.searchsorted(table, bounds)), len(table)] for table in tables]
    return [[slice(cut[place], cut[place + 1]) for cut in cuts] for place in range(len(bounds) + 1)]
