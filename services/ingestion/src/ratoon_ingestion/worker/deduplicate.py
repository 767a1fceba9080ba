"""Which curated records stay when duplicates go, which cluster each is in, and why the others left."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, Rejected
from ratoon_ingestion.worker.batches import REJECTED, START_CHARS
from ratoon_ingestion.worker.duplicates import near_duplicates


@dataclass(frozen=True)
class Deduplicated:
    """Rows that stay (ascending), the cluster of each, rejections of the rest, counts for the profile."""

    rows: tuple[int, ...]
    clusters: tuple[str, ...]
    rejected: pa.RecordBatch
    counts: dict[str, int]


@dataclass(frozen=True)
class _Columns:
    record_id: list[str]
    digest: list[str]
    label: list[str | None]

    def choice(self, rows: Iterable[int]) -> int:
        """The row that stays: the first labelled one, else the first."""
        return min(rows, key=lambda row: (self.label[row] is None, row))

    def conflicts(self, groups: Iterable[list[int]]) -> int:
        """Groups whose members carry different labels."""
        return sum(len({self.label[row] for row in rows} - {None}) > 1 for rows in groups)


def deduplicate(curated: pa.Table, config: CurationConfig) -> Deduplicated:
    """Exact duplicates by content digest, then near duplicates by wording among what stays."""
    columns = _Columns(
        curated.column("record_id").to_pylist(),
        curated.column("content_digest").to_pylist(),
        curated.column("source_label").to_pylist(),
    )
    equal = _grouped(range(len(columns.digest)), lambda row: columns.digest[row])
    gone: dict[int, tuple[CurationStep, Rejected, int]] = {}
    if config.exact_duplicates:
        _retire(gone, equal, columns, CurationStep.EXACT_DUPLICATE, Rejected.EXACT_DUPLICATE)
    left = [row for row in range(len(columns.digest)) if row not in gone]
    shingles = curated.column("shingles").take(pa.array(left, pa.int64()))
    simhashes = curated.column("simhash").take(pa.array(left, pa.int64())).to_pylist()
    similar = near_duplicates(shingles, simhashes, config.cluster_threshold)
    alike = _grouped(range(len(left)), lambda place: similar.roots[place])
    wordings = [[left[place] for place in places] for places in alike]
    names = {row: min(columns.record_id[member] for member in rows) for rows in wordings for row in rows}
    if config.near_duplicate_threshold:
        _retire(gone, wordings, columns, CurationStep.NEAR_DUPLICATE, Rejected.NEAR_DUPLICATE)
    rows = tuple(row for row in left if row not in gone)
    counts = {
        "exact_groups": sum(len(group) > 1 for group in equal),
        "exact_label_conflicts": columns.conflicts(equal),
        "near_clusters": sum(len(group) > 1 for group in wordings),
        "near_label_conflicts": columns.conflicts(wordings),
        **{f"pairs_{name}": count for name, count in similar.candidates.items()},
    }
    return Deduplicated(rows, tuple(names[row] for row in rows), _rejections(curated, columns, gone), counts)


def _grouped(rows: Iterable[int], key: Callable[[int], object]) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _retire(
    gone: dict[int, tuple[CurationStep, Rejected, int]],
    groups: Iterable[list[int]],
    columns: _Columns,
    step: CurationStep,
    reason: Rejected,
) -> None:
    for group in groups:
        if len(group) > 1:
            stays = columns.choice(group)
            gone.update((row, (step, reason, stays)) for row in group if row != stays)


def _rejections(
    curated: pa.Table, columns: _Columns, gone: dict[int, tuple[CurationStep, Rejected, int]]
) -> pa.RecordBatch:
    rows = sorted(gone)
    places = curated.select(["source", "source_path", "text"]).take(pa.array(rows, pa.int64()))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([columns.record_id[row] for row in rows], pa.string()),
            pa.array(places.column("source").to_pylist(), pa.string()),
            pa.array(places.column("source_path").to_pylist(), pa.string()),
            pa.array([gone[row][0].value for row in rows], pa.string()),
            pa.array([gone[row][1].value for row in rows], pa.string()),
            pa.array([f"stays: {columns.record_id[gone[row][2]]}" for row in rows], pa.string()),
            pc.utf8_slice_codeunits(places.column("text"), 0, START_CHARS).combine_chunks(),
        ],
        schema=REJECTED,
    )
