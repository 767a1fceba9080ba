"""Replay: records of an older training part, none of which is tested on here or was anywhere."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon_ingestion.domain.assignment import order_key
from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.assignment import Flags, sharing
from ratoon_ingestion.worker.augmenting import AUGMENTED
from ratoon_ingestion.worker.batches import ATTRIBUTES
from ratoon_ingestion.worker.index.segment import Segment
from ratoon_ingestion.worker.label_sets import SortedNames
from ratoon_ingestion.worker.leakage import TextBlock, repeating, sketches_of
from ratoon_ingestion.worker.names import Names, Numbers, coded, hexadecimals, names_of
from ratoon_ingestion.worker.parts import PART, ROWS
from ratoon_ingestion.worker.stored_records import StoredRecords

_MIN_COMPARED = 1_000
"""Records that are compared at a time, if fewer are to be chosen."""


class Pool:
    """The records of an older training part that are no augmented copies."""

    def __init__(self, part: StoredRecords, arrays: Arrays) -> None:
        self._part = part
        total, count = len(part), 0
        rows, ids = arrays(total, np.int64), arrays(total, np.uint64, 4)
        digests, clusters = arrays(total, np.uint64, 4), arrays(total, np.uint64, 4)
        for start, block in part.blocks(["record_id", "content_digest", "cluster", "attributes"]):
            copied = pc.map_lookup(block.column("attributes"), AUGMENTED, "last")
            chosen = np.flatnonzero(copied.is_null().to_numpy())
            mine, table = slice(count, count + len(chosen)), block.take(pa.array(chosen))
            rows[mine] = start + chosen
            for target, name in ((ids, "record_id"), (digests, "content_digest"), (clusters, "cluster")):
                target[mine] = names_of(table.column(name).to_pylist())
            count = mine.stop
        self._rows: Numbers = rows[:count]
        self.ids: Names = ids[:count]
        """The ids of the records."""
        self._digests: Names = digests[:count]
        self._clusters = coded(clusters[:count])[0]

    def take(self, places: Numbers) -> pa.Table:
        """Return some records, schema PART, marked as replayed."""
        rows = self._part.take(self._rows[places], PART.names).cast(PART)
        marked = [
            [*((name, value) for name, value in row if name != "replayed"), ("replayed", "yes")]
            for row in rows.column("attributes").to_pylist()
        ]
        return rows.set_column(PART.get_field_index("attributes"), "attributes", pa.array(marked, ATTRIBUTES))

    def chosen(
        self, trained: Names, count: int, seed: int, segments: list[Segment], threshold: float
    ) -> Numbers:
        """Return the places of at most `count` records, none of which stands in `trained` or in the segments.

        A record is left out with its whole cluster. No more texts are compared than that needs.
        """
        order = self._order(np.flatnonzero(SortedNames(trained).find(self.ids) < 0), seed)
        by_cluster = np.argsort(self._clusters, kind="stable")
        bounds = np.searchsorted(self._clusters[by_cluster], np.arange(self._clusters.max(initial=-1) + 2))
        accepted: list[Numbers] = [np.empty(0, np.int64)]
        size = max(count, _MIN_COMPARED)
        for start in range(0, len(order), size):
            places = order[start : start + size]
            held = np.unique(self._clusters[places])
            mates = np.sort(np.concatenate([by_cluster[bounds[each] : bounds[each + 1]] for each in held]))
            gone = sharing(self._repeats(mates, segments, threshold), self._clusters[mates])
            accepted.append(places[~np.isin(places, mates[gone])])
            if sum(map(len, accepted)) >= count:
                break
        return np.sort(np.concatenate(accepted)[:count])

    def _order(self, places: Numbers, seed: int) -> Numbers:
        keys = np.empty(len(places), np.uint64)
        for start in range(0, len(places), ROWS):
            names = hexadecimals(self.ids[places[start : start + ROWS]])
            digests = (order_key(seed, f"replay:{name}")[:8] for name in names)
            keys[start : start + ROWS] = [int.from_bytes(each, "big") for each in digests]
        return places[np.argsort(keys, kind="stable")]

    def _repeats(self, places: Numbers, segments: list[Segment], threshold: float) -> Flags:
        def read(block: Numbers) -> pa.Table:
            return self._part.take(self._rows[block], ["text", "example"])

        def block_of(part: Numbers) -> TextBlock:
            return TextBlock(self.ids[part], self._digests[part], lambda chosen: read(part[chosen]))

        blocks = (block_of(places[start : start + ROWS]) for start in range(0, len(places), ROWS))
        flags: list[npt.NDArray[np.bool_]] = list(repeating(sketches_of(blocks), segments, threshold))
        return np.concatenate([*flags, np.empty(0, np.bool_)])
