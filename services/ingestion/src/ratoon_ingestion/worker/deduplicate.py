"""Which curated records stay when duplicates go, which cluster each is in, and why the others left.

Nothing depends on the order of the records. A page that its crawler cut gives way to any other. Duplicates whose labels
differ are a conflict: the record that stays has no label of its own but all of theirs, as votes, from which a guideline
or a person decides. Memory holds a few numbers a record.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ratoon_ingestion.domain.conversations import SEGMENT_OF
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, Rejected
from ratoon_ingestion.worker.arrays import Arrays, Flags, Groups, Numbers, blocks, equal_rows
from ratoon_ingestion.worker.batches import REJECTED, START_CHARS
from ratoon_ingestion.worker.curated import Curated
from ratoon_ingestion.worker.duplicates import near_duplicates
from ratoon_ingestion.worker.names import hexadecimal, hexadecimals, is_first

_BLOCK = 10_000
"""Records of which all columns are read at a time."""
Vote = dict[str, Any]
"""A label that a duplicate carried, its source and its time."""

EXACT = CurationStep.EXACT_DUPLICATE, Rejected.EXACT_DUPLICATE
NEAR = CurationStep.NEAR_DUPLICATE, Rejected.NEAR_DUPLICATE


@dataclass(frozen=True)
class Deduplicated:
    """Rows that stay, the row whose id names each one's cluster, rejections of the rest, counts, votes of conflicts."""

    rows: Numbers
    clusters: Numbers
    rejected: pa.Table
    counts: dict[str, int]
    votes: Mapping[int, Sequence[Vote]] = field(default_factory=dict)


class _Retired:
    """Rows that go, each with the row that stays for it, and whether it has the same digest."""

    def __init__(self, records: Curated) -> None:
        self._records = records
        self.stays: Numbers = records.arrays.numbers(len(records))
        self.is_equal: Flags = records.arrays(len(records), np.bool_)
        self.gone: Flags = records.arrays(len(records), np.bool_)

    def retire(self, groups: Iterable[Numbers], *, equal: bool) -> None:
        """Let one row of each group stay: the first of those that go before the others."""
        for group in groups:
            stays = group[np.argmin(self._records.priority[group])]
            self.stays[group] = stays
            self.is_equal[group] = equal
            self.gone[group] = True
            self.gone[stays] = False

    def represented(self) -> Iterable[Numbers]:
        """Return the rows that each row stands for, itself among them, if there are others."""
        arrays = self._records.arrays
        return equal_rows(arrays.taken(self.stays, self.stays), arrays)


def deduplicate(table: pa.Table, config: CurationConfig, scratch: Path | None = None) -> Deduplicated:
    """Exact duplicates by content digest, then near duplicates by wording among what stays.

    Examples with other answers to one prompt, or other system messages, stay, in one cluster. `scratch`: a directory
    for files of the search, among them that of the rejections.
    """
    records = Curated(table, scratch)
    return deduplicated(records, config, scratch)


def deduplicated(records: Curated, config: CurationConfig, scratch: Path | None = None) -> Deduplicated:
    """Return what `deduplicate` does, of records whose columns are read already."""
    order, arrays = records.in_order(), records.arrays
    equal = Groups(order, is_first(records.digests, order))
    retired = _Retired(records)
    if config.exact_duplicates:
        retired.retire(equal, equal=True)
    left = arrays.where(~arrays.taken(retired.gone, order), order)
    similar = near_duplicates(
        records.shingles,
        arrays.taken(records.simhashes, left),
        config.cluster_threshold,
        left,
        scratch,
    )
    alike = equal_rows(similar.roots, arrays)

    def wordings() -> Iterator[Numbers]:
        return (left[group] for group in alike)

    clusters = arrays.numbers(len(records))
    for group in wordings():
        clusters[group] = min(group.tolist(), key=lambda row: tuple(records.ids[row].tolist()))
    if config.near_duplicate_threshold:
        same = (part for group in wordings() for part in _parts(group, records.answers))
        retired.retire(same, equal=False)
    gone = retired.gone
    rows = arrays.where(~arrays.taken(gone, left), left)
    disputed = {
        int(group[retired.stays[group] == group][0]): group
        for group in retired.represented()
        if _differ(records, group)
    }
    counts = {
        "exact_groups": len(equal),
        "exact_label_conflicts": sum(_differ(records, group) for group in equal),
        "near_clusters": len(alike),
        "near_label_conflicts": sum(_differ(records, group) for group in wordings()),
        "records_in_conflict": len(disputed),
        **{f"pairs_{name}": count for name, count in similar.candidates.items()},
    }

    def reason(row: int) -> tuple[CurationStep, Rejected, str]:
        step = EXACT if retired.is_equal[row] else NEAR
        return *step, hexadecimal(records.ids[retired.stays[row]])

    rejected = spooled(rejections(records, np.flatnonzero(gone), reason), scratch, "duplicates")
    return Deduplicated(rows, arrays.taken(clusters, rows), rejected, counts, _votes(records, disputed))


def with_families(records: Curated, unique: Deduplicated) -> Deduplicated:
    """Return the records with one cluster for all segments of a text, and for all that is similar to one of them."""
    parents: dict[str, int] = {}
    joined: dict[int, int] = {}

    def root(cluster: int) -> int:
        while (parent := joined.get(cluster, cluster)) != cluster:
            cluster = parent
        return cluster

    for rows, names in _segments(records, unique):
        for row, name in zip(rows, names, strict=True):
            one, other = root(parents.setdefault(name, row)), root(row)
            if one != other:
                low, high = sorted((one, other), key=lambda each: tuple(records.ids[each].tolist()))
                joined[high] = low
    if not joined:
        return unique
    target = np.arange(len(records))
    for cluster in joined:
        target[cluster] = root(cluster)
    return replace(unique, clusters=target[unique.clusters])


def _segments(records: Curated, unique: Deduplicated) -> Iterator[tuple[list[int], list[str]]]:
    """Yield the clusters of segments that stay, and the texts that they are of."""
    cluster_of = records.arrays(len(records), np.int64)
    cluster_of[:] = -1
    for part in blocks(len(unique.rows)):
        cluster_of[unique.rows[part]] = unique.clusters[part]
    for start, batch in records.batches:
        parents = pc.map_lookup(batch.column("attributes"), SEGMENT_OF, "first")
        places = np.flatnonzero(parents.is_valid().to_numpy(zero_copy_only=False))
        places = places[cluster_of[start + places] >= 0]
        if places.size:
            yield cluster_of[start + places].tolist(), parents.take(pa.array(places)).to_pylist()


def _votes(records: Curated, disputed: Mapping[int, Numbers]) -> dict[int, list[Vote]]:
    """The labels of duplicates, in an order of their own."""
    if not disputed:
        return {}
    stays = {int(row): stayer for stayer, group in disputed.items() for row in group.tolist()}
    votes: dict[int, list[Vote]] = {stayer: [] for stayer in disputed}
    for rows, block in records.blocks(np.array(list(stays), np.int64), _BLOCK):
        columns = (block.column(name).to_pylist() for name in ("source_label", "source", "received_time"))
        for row, label, source, time in zip(rows.tolist(), *columns, strict=True):
            if label is not None:
                votes[stays[row]].append({"label": label, "source": source, "time": time})
    return {
        row: sorted(each, key=lambda vote: (vote["label"], vote["source"], str(vote["time"])))
        for row, each in votes.items()
    }


def _differ(records: Curated, group: Numbers) -> bool:
    """Whether rows carry labels that are not spellings of one. Each answer of an example is right."""
    labels = records.labels[group]
    return len(np.unique(labels[labels != 0])) > 1


def _parts(group: Numbers, keys: npt.NDArray[np.uint64]) -> Iterator[Numbers]:
    """Yield the members of a group with equal keys, if there are several, in their order."""
    values = keys[group]
    if (values == values[0]).all():
        yield group
        return
    for places in equal_rows(values, Arrays()):
        yield group[places]


def rejections(
    records: Curated,
    rows: Numbers,
    reason: Callable[[int], tuple[CurationStep, Rejected, str]],
    ids: Callable[[int], str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield rejections of rows: the step, the reason, and the id of the record that stays; `ids` of their own."""
    for block_rows, block in records.blocks(rows, _BLOCK):
        reasons = [reason(row) for row in block_rows.tolist()]
        names = (
            hexadecimals(records.ids[block_rows])
            if ids is None
            else [ids(row) for row in block_rows.tolist()]
        )
        starts = pc.utf8_slice_codeunits(block.column("text"), 0, START_CHARS)
        yield from pa.Table.from_arrays(
            [
                pa.array(names, pa.string()),
                block.column("source"),
                block.column("source_path"),
                pa.array([step.value for step, _, _ in reasons], pa.string()),
                pa.array([each.value for _, each, _ in reasons], pa.string()),
                pa.array([f"stays: {stays}" for _, _, stays in reasons], pa.string()),
                starts,
            ],
            schema=REJECTED,
        ).to_batches()


def spooled(batches: Iterable[pa.RecordBatch], scratch: Path | None, name: str) -> pa.Table:
    """Return rejections as a table that is mapped from a file in `scratch`, without one from memory."""
    if scratch is None:
        return pa.Table.from_batches(batches, REJECTED)
    path = scratch / f"{name}.arrow"
    with pa.ipc.new_file(str(path), REJECTED) as sink:
        for batch in batches:
            sink.write_batch(batch)
    return mapped_table(path)


def mapped_table(path: Path) -> pa.Table:
    """Return the table in an Arrow file, mapped into memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
