"""New records against the earlier versions of their dataset: what stands there, word for word or nearly, goes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, Rejected
from ratoon_ingestion.worker.deduplicate import Deduplicated, rejections
from ratoon_ingestion.worker.index.lookup import Match, matches
from ratoon_ingestion.worker.index.segment import Segment
from ratoon_ingestion.worker.index.sketches import Sketches, sketches_of
from ratoon_ingestion.worker.index.stored import IndexStore, StoredSegment, layout_for
from ratoon_ingestion.worker.index.write import BLOCK
from ratoon_ingestion.worker.leakage import indexed
from ratoon_ingestion.worker.stored_records import read_version, texts_of

_SKETCHES = ["content_digest", "shingles", "simhash", "answers"]


class EarlierVersions:
    """The earlier versions of a dataset that a curation compares with; none unless it excludes their records.

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
                texts = texts_of(read_version(store, digest))
                self._stored.append(indexes.stored(indexed(texts, indexes, layout)))

    def without(
        self, curated: pa.Table, unique: Deduplicated, record_ids: list[str]
    ) -> tuple[Deduplicated, list[int]]:
        """Return what stays without repeated records, and the places at which it stood."""
        if not self._stored:
            return unique, list(range(len(unique.rows)))
        matched = self._matches(curated, unique, record_ids)
        places = [place for place in range(len(unique.rows)) if place not in matched]
        gone = {unique.rows[place]: _reason(match) for place, match in matched.items()}
        names = {unique.rows[place]: record_ids[place] for place in matched}
        left = replace(
            unique,
            rows=tuple(unique.rows[place] for place in places),
            clusters=tuple(unique.clusters[place] for place in places),
            rejected=_appended(unique.rejected, rejections(curated, names, gone)),
            counts={**unique.counts, **_counts(matched)},
            votes={row: votes for row, votes in unique.votes.items() if row not in gone},
        )
        return left, places

    def index_with(self, own: Segment) -> str:
        """Store the index of the earlier versions and the new one; returns its digest."""
        return self._indexes.grown(self._stored, own)

    def _matches(self, curated: pa.Table, unique: Deduplicated, record_ids: list[str]) -> Mapping[int, Match]:
        threshold = self._config.cluster_threshold
        segments = [self._indexes.usable(each.segment, threshold) for each in self._stored]
        matched: dict[int, Match] = {}
        for place, block in enumerate(sketches_in_blocks(curated, unique, record_ids)):
            for row, match in matches(block, segments, threshold, same_answers=True).items():
                if match.is_equal or self._config.near_duplicate_threshold:
                    matched[place * BLOCK + row] = match
        return matched


def sketches_in_blocks(curated: pa.Table, unique: Deduplicated, record_ids: list[str]) -> Iterator[Sketches]:
    """Yield the sketches of the records that stay."""
    for start in range(0, len(unique.rows), BLOCK):
        rows = pa.array(unique.rows[start : start + BLOCK], pa.int64())
        yield sketches_of(record_ids[start : start + BLOCK], curated.select(_SKETCHES).take(rows))


def _reason(match: Match) -> tuple[CurationStep, Rejected, str]:
    if match.is_equal:
        return CurationStep.EXACT_DUPLICATE, Rejected.EXACT_DUPLICATE, match.record_id
    return CurationStep.NEAR_DUPLICATE, Rejected.NEAR_DUPLICATE, match.record_id


def _counts(matched: Mapping[int, Match]) -> dict[str, int]:
    equal = Counter(match.is_equal for match in matched.values())
    return {"earlier_equal": equal[True], "earlier_near": equal[False]}


def _appended(one: pa.RecordBatch, other: pa.RecordBatch) -> pa.RecordBatch:
    table = pa.Table.from_batches([one, other]).combine_chunks()
    return table.to_batches()[0] if table.num_rows else one
