"""Which records stand, word for word or nearly, among others: the guard between test and training parts.

The others are asked for in an index, so that none is read again. What is similar to a record that repeats one of them
is in its near-duplicate cluster, which the version states.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.conversations import wording
from ratoon_ingestion.worker.index.lookup import matches
from ratoon_ingestion.worker.index.segment import Layout, Segment
from ratoon_ingestion.worker.index.sketches import Sketches, joined, sketched
from ratoon_ingestion.worker.index.stored import IndexStore
from ratoon_ingestion.worker.index.write import build
from ratoon_ingestion.worker.names import Names, hexadecimals

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextBlock:
    """Records by id and content digest; `read` returns the columns `text` and `example` of some of them."""

    ids: Names
    digests: Names
    read: Callable[[Places], pa.Table]

    def __len__(self) -> int:
        return len(self.ids)

    def sketches(self, places: Places | None = None) -> Sketches:
        """Return the sketches of these places, or of all, computed from the texts."""
        rows = np.arange(len(self)) if places is None else places
        if not rows.size:
            return sketched([], [], [])
        ids, digests = hexadecimals(self.ids[rows]), hexadecimals(self.digests[rows])
        return sketched(ids, digests, _wordings(self.read(rows)))


def _wordings(table: pa.Table) -> list[str]:
    """Return the texts by which records are compared."""
    pairs = zip(table.column("text").to_pylist(), table.column("example").to_pylist(), strict=True)
    return [text if example is None else wording(from_json(example)) for text, example in pairs]


def indexed(
    blocks: Iterable[TextBlock], store: IndexStore, layout: Layout, known: Segment | None = None
) -> Segment:
    """Return an index segment of records; their texts are read as far as `known` lacks their sketches."""
    return build(sketches_of(blocks, known), layout, store.path())


def sketches_of(blocks: Iterable[TextBlock], known: Segment | None = None) -> Iterator[Sketches]:
    """Yield the sketches of records in blocks: those of the segment, and computed ones of records that it lacks."""
    for block in blocks:
        if known is None:
            yield block.sketches()
            continue
        rows = _rows(known, block.ids, block.digests)
        lacking = np.flatnonzero(rows < 0)
        both = joined([known.sketches(rows[rows >= 0]), block.sketches(lacking)])
        known.release()
        yield both.take(np.argsort(np.concatenate([np.flatnonzero(rows >= 0), lacking])))


def repeating(
    sketches: Iterable[Sketches], segments: Sequence[Segment], threshold: float
) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield which records of each block are, equal or are near duplicates of one in the segments."""
    for block in sketches:
        repeats = np.zeros(len(block), np.bool_)
        repeats[list(matches(block, segments, threshold))] = True
        yield repeats


def _rows(segment: Segment, ids: Names, digests: Names) -> npt.NDArray[np.int64]:
    """Return the row of each record in a segment, -1 for one that it lacks."""
    keys, known_ids, known_digests = (segment.array(name) for name in ("id_keys", "ids", "digests"))
    low = np.searchsorted(keys, ids[:, 0], "left")
    high = np.searchsorted(keys, ids[:, 0], "right")
    rows = np.full(len(ids), -1, np.int64)
    for step in range(int((high - low).max(initial=0))):
        places = np.minimum(low + step, max(len(segment) - 1, 0))
        same = (low + step < high) & (rows < 0)
        same &= (known_ids[places] == ids).all(axis=1) & (known_digests[places] == digests).all(axis=1)
        rows[same] = places[same]
    return rows
