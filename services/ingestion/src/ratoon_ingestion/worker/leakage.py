"""Which records stand, word for word or nearly, among others: the guard between test and training parts.

The others are asked for in an index, so that none is read again. What is similar to a record that repeats one of them
is in its near-duplicate cluster, which the version states.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ratoon_ingestion.worker.index.write import BLOCK, build
from ratoon_ingestion.worker.names import Names, names_of


class Wordings:
    """Texts by which records are compared; each is read when its sketch is needed."""

    def __init__(self, texts: pa.ChunkedArray, examples: pa.ChunkedArray, rows: Sequence[int]) -> None:
        self._texts, self._examples, self._rows = texts, examples, rows

    def take(self, rows: Iterable[int]) -> "Wordings":
        """Return these rows, without reading them."""
        return Wordings(self._texts, self._examples, [self._rows[row] for row in rows])

    def read(self) -> list[str]:
        """Return the texts of all rows."""
        return [self._read(row) for row in self._rows]

    def _read(self, row: int) -> str:
        example = self._examples[row].as_py()
        text: str = self._texts[row].as_py() if example is None else wording(from_json(example))
        return text


@dataclass(frozen=True)
class Texts:
    """Records by id, content digest, text and cluster, in equal order."""

    record_ids: Sequence[str]
    digests: Sequence[str]
    texts: Wordings
    clusters: Sequence[str]

    def __len__(self) -> int:
        return len(self.record_ids)

    def take(self, rows: Sequence[int]) -> "Texts":
        """Return these rows."""
        ids, digests, clusters = (
            [column[row] for row in rows] for column in (self.record_ids, self.digests, self.clusters)
        )
        return Texts(ids, digests, self.texts.take(rows), clusters)

    def sketches(self) -> Iterator[Sketches]:
        """Yield their sketches, computed from the texts, in blocks."""
        for start in range(0, len(self), BLOCK):
            block = self.take(range(start, min(start + BLOCK, len(self))))
            yield sketched(block.record_ids, block.digests, block.texts.read())

    def with_clusters(self, record_ids: set[str]) -> set[str]:
        """Return these ids and those of all records that share a cluster with one."""
        rows = list(zip(self.record_ids, self.clusters, strict=True))
        clusters = {cluster for record_id, cluster in rows if record_id in record_ids}
        return record_ids | {record_id for record_id, cluster in rows if cluster in clusters}


def indexed(texts: Texts, store: IndexStore, layout: Layout, known: Segment | None = None) -> Segment:
    """Return an index segment of records; their texts are read as far as `known` lacks their sketches."""
    sketches = texts.sketches() if known is None else known_sketches(texts, known)
    return build(sketches, layout, store.path())


def known_sketches(texts: Texts, segment: Segment) -> Iterator[Sketches]:
    """Yield the sketches of records in blocks: those of the segment, and computed ones of records that it lacks."""
    for start in range(0, len(texts), BLOCK):
        block = texts.take(range(start, min(start + BLOCK, len(texts))))
        rows = _rows(segment, names_of(block.record_ids), names_of(block.digests))
        lacking = np.flatnonzero(rows < 0)
        missing = block.take(lacking.tolist())
        both = joined(
            [
                segment.sketches(rows[rows >= 0]),
                sketched(missing.record_ids, missing.digests, missing.texts.read()),
            ]
        )
        order = np.concatenate([np.flatnonzero(rows >= 0), lacking])
        segment.release()
        yield both.take(np.argsort(order))


def repeating(
    texts: Texts, sketches: Iterator[Sketches], segments: Sequence[Segment], threshold: float
) -> dict[str, str]:
    """Return the id of the match of each record that is, equals or is a near duplicate of one in the segments."""
    matched: dict[str, str] = {}
    start = 0
    for block in sketches:
        for row, match in matches(block, segments, threshold).items():
            matched[texts.record_ids[start + row]] = match.record_id
        start += len(block)
    return matched


def first_without_match(
    texts: Texts,
    order: Sequence[str],
    count: int,
    excluded: Callable[[Texts], set[str]],
) -> list[str]:
    """Return the first `count` ids of an order that are not excluded; no more texts are compared than that needs.

    A record is excluded with its whole cluster.
    """
    rows = {record_id: row for row, record_id in enumerate(texts.record_ids)}
    mates = _by_cluster(texts)
    chosen: list[str] = []
    for start in range(0, len(order), max(count, 1_000)):
        ids = order[start : start + max(count, 1_000)]
        compared = texts.take(sorted({mate for name in ids for mate in mates[texts.clusters[rows[name]]]}))
        gone = compared.with_clusters(excluded(compared))
        chosen += [name for name in ids if name not in gone]
        if len(chosen) >= count:
            break
    return chosen[:count]


def _by_cluster(texts: Texts) -> Mapping[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, cluster in enumerate(texts.clusters):
        rows[cluster].append(row)
    return rows


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
