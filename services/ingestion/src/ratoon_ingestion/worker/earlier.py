"""New records against the earlier versions of their dataset: which of them stand there, word for word or nearly."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.arrays import blocks
from ratoon_ingestion.worker.curated import Curated
from ratoon_ingestion.worker.index.lookup import matches
from ratoon_ingestion.worker.index.segment import Segment
from ratoon_ingestion.worker.index.sketches import Sketches, spans
from ratoon_ingestion.worker.index.stored import IndexStore, StoredSegment, layout_for
from ratoon_ingestion.worker.leakage import indexed
from ratoon_ingestion.worker.names import Names, Numbers, names_of
from ratoon_ingestion.worker.stored_records import version_records


@dataclass(frozen=True)
class Repeated:
    """Places of records that an earlier version has, the ids there, and whether they are equal or near duplicates."""

    places: Numbers
    ids: Names
    is_equal: npt.NDArray[np.bool_]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        equal = int(self.is_equal.sum())
        return {"earlier_equal": equal, "earlier_near": len(self.places) - equal}


class EarlierVersions:
    """The earlier versions of a dataset that a curation compares with; none unless it excludes or marks their records.

    A version of a release without indexes is read and indexed here, once: the new version's index takes that over.
    Examples of such a version are matched by their content alone.
    """

    def __init__(
        self, spec: CurationSpec, config: CurationConfig, store: ArtifactStore, indexes: IndexStore
    ) -> None:
        self._config, self._indexes = config, indexes
        self._stored: list[StoredSegment] = indexes.covering(spec.earlier_indexes, spec.earlier_versions)
        covered = {digest for each in self._stored for digest in each.covers}
        for digest in spec.earlier_versions:
            if digest not in covered:
                layout = layout_for(config.cluster_threshold, digest)
                texts = version_records(store, digest).texts()
                self._stored.append(indexes.stored(indexed(texts, indexes, layout)))

    def __bool__(self) -> bool:
        return bool(self._stored)

    def repeated(self, records: Curated, rows: Numbers, ids: Names) -> Repeated:
        """Return which of these rows, under these ids, an earlier version has."""
        threshold = self._config.cluster_threshold
        segments = [self._indexes.usable(each.segment, threshold) for each in self._stored]
        places, names, equal = [np.empty(0, np.int64)], [np.empty((0, 4), np.uint64)], [np.empty(0, np.bool_)]
        start = 0
        for block in sketches_in_blocks(records, rows, ids) if segments else ():
            matched = matches(block, segments, threshold, same_answers=True)
            if not self._config.near_duplicate_threshold:
                matched = {row: match for row, match in matched.items() if match.is_equal}
            order = sorted(matched)
            places.append(np.array(order, np.int64) + start)
            start += len(block)
            names.append(names_of([matched[row].record_id for row in order]))
            equal.append(np.array([matched[row].is_equal for row in order], np.bool_))
        return Repeated(np.concatenate(places), np.concatenate(names), np.concatenate(equal))

    def index_with(self, own: Segment) -> str:
        """Store the index of the earlier versions and the new one; returns its digest."""
        return self._indexes.grown(self._stored, own)


def sketches_in_blocks(records: Curated, rows: Numbers, ids: Names) -> Iterator[Sketches]:
    """Yield the sketches of the records that stay."""
    for block in blocks(len(rows)):
        for part in spans(records.shingles.counts[rows[block]]):
            chosen = slice(block.start + part.start, block.start + part.stop)
            yield records.sketches(rows[chosen], ids[chosen])
