"""The labels of a label set by record id, in files that are mapped into memory."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.index.sketches import gathered
from ratoon_ingestion.worker.names import Names, Numbers, hexadecimal, is_first, names_of, order_of
from ratoon_ingestion.worker.stored_records import stored_records

_SELECTION, _ACTIVE = "selection", "ACTIVE"
"""Column of a label set, and its value for records that a labelling queue drew by uncertainty."""


class AmbiguousLabels(Exception):
    """A label set gives one record two labels."""

    code, reason = "FAILED_PRECONDITION", "LABEL_SET_AMBIGUOUS"


class SortedNames:
    """Names in ascending order, each with the place at which it first stood."""

    def __init__(self, names: Names) -> None:
        order = order_of(names)
        order = order[is_first(names, order)]
        self._names, self.places = names, order
        self._keys = np.ascontiguousarray(names[order, 0])

    def find(self, names: Names) -> Numbers:
        """Return the place of each of some names, -1 for one that is absent."""
        low = np.searchsorted(self._keys, names[:, 0], "left")
        high = np.searchsorted(self._keys, names[:, 0], "right")
        places = np.full(len(names), -1, np.int64)
        for step in range(int((high - low).max(initial=0))):
            rows = np.flatnonzero((low + step < high) & (places < 0))
            candidates = self.places[low[rows] + step]
            same = (self._names[candidates] == names[rows]).all(axis=1)
            places[rows[same]] = candidates[same]
        return places

    def __contains__(self, name: object) -> bool:
        """Return whether a name, in hexadecimal digits, is among these."""
        return isinstance(name, str) and bool(self.find(names_of([name]))[0] >= 0)


class TextFile:
    """A column of texts or nulls, in files that are mapped into memory once all are added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sink = path.open("wb")
        self._lengths: list[npt.NDArray[np.int64]] = []
        self._valid: list[npt.NDArray[np.bool_]] = []

    def add(self, texts: pa.ChunkedArray) -> None:
        """Add texts."""
        for chunk in texts.cast(pa.large_string()).chunks:
            offsets = np.frombuffer(chunk.buffers()[1], np.int64)[
                chunk.offset : chunk.offset + len(chunk) + 1
            ]
            if len(chunk) and chunk.buffers()[2] is not None:
                self._sink.write(memoryview(chunk.buffers()[2])[offsets[0] : offsets[-1]])
            self._lengths.append(np.diff(offsets))
            self._valid.append(chunk.is_valid().to_numpy(zero_copy_only=False))

    def finish(self) -> None:
        """Map the texts into memory."""
        self._sink.close()
        lengths = np.concatenate([np.zeros(1, np.int64), *self._lengths, np.zeros(1, np.int64)])
        self._lengths = []
        self._offsets = np.cumsum(lengths)
        self._is_valid = np.concatenate([*self._valid, np.zeros(1, np.bool_)])
        self._flat: npt.NDArray[Any] = (
            np.memmap(self._path, np.uint8, "r") if self._offsets[-1] else np.empty(0, np.uint8)
        )

    def take(self, places: Numbers) -> pa.Array:
        """Return the texts at some places; null at -1."""
        rows = np.where(places < 0, len(self._is_valid) - 1, places)  # an empty text stands at the end
        flat, offsets = gathered(self._flat, self._offsets, rows)
        is_null = ~self._is_valid[rows]
        buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(flat))]
        texts = pa.Array.from_buffers(pa.string(), len(places), buffers)
        return pc.if_else(pa.array(is_null), pa.scalar(None, pa.string()), texts)


class Labels:
    """The labels of a label set."""

    def __init__(self, store: ArtifactStore, digest: str, folder: Path) -> None:
        """Read a label set; AmbiguousLabels if it gives a record two labels."""
        table = stored_records(store, digest)
        self._texts = TextFile(folder / "labels")
        ids: Names = np.empty((len(table), 4), np.uint64)
        self._active = np.zeros(len(table), np.bool_)
        columns = ["record_id", "label", *({_SELECTION} & table.names)]
        for start, block in table.blocks(columns):
            rows = slice(start, start + block.num_rows)
            ids[rows] = names_of(block.column("record_id").to_pylist())
            self._texts.add(block.column("label"))
            if _SELECTION in block.column_names:
                drawn = block.column(_SELECTION).to_pylist()
                self._active[rows] = [each == _ACTIVE for each in drawn]
        self._texts.finish()
        self._names = SortedNames(ids)
        self._check(ids)

    def places(self, ids: Names) -> Numbers:
        """Return the place of each record in the label set, -1 for one that it lacks."""
        return self._names.find(ids)

    def at(self, places: Numbers) -> pa.Array:
        """Return the labels at some places; null at -1."""
        return self._texts.take(places)

    def drawn_actively(self, places: Numbers) -> npt.NDArray[np.bool_]:
        """Return which of some places were labelled because a model was uncertain: none of them is tested on."""
        drawn: npt.NDArray[np.bool_] = self._active[places] & (places >= 0)
        return drawn

    def _check(self, ids: Names) -> None:
        firsts = self.places(ids)
        again = np.flatnonzero(firsts != np.arange(len(ids)))
        for row in again.tolist():
            one, other = self.at(np.array([firsts[row], row])).to_pylist()
            if one != other:
                raise AmbiguousLabels(
                    f"The label set gives record {hexadecimal(ids[row])} the labels {one!r} and {other!r}. "
                    "Resolve the conflict first."
                )
