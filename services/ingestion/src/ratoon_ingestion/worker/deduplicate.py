"""Which curated records stay when duplicates go, which cluster each is in, and why the others left.

Nothing depends on the order of the records. A page that its crawler cut gives way to one that is whole. Duplicates whose
labels differ are a conflict: the record that stays has no label of its own but all of theirs, as votes, from which a
guideline or a person decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.tasks.labels import label_key
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, Rejected
from ratoon_ingestion.domain.assignment import Units
from ratoon_ingestion.domain.conversations import SEGMENT_OF
from ratoon_ingestion.worker.batches import REJECTED, START_CHARS
from ratoon_ingestion.worker.duplicates import near_duplicates

_CUT = pa.array(["length", "time", "disconnect", "unspecified"])
"""Values of the attribute `truncated`: why a crawler cut a page (WARC 1.1, section 5.13)."""
Vote = dict[str, Any]
"""A label that a duplicate carried, its source and its time."""


@dataclass(frozen=True)
class Deduplicated:
    """Rows that stay, the cluster of each, rejections of the rest, counts, votes of rows in conflict."""

    rows: tuple[int, ...]
    clusters: tuple[str, ...]
    rejected: pa.RecordBatch
    counts: dict[str, int]
    votes: Mapping[int, Sequence[Vote]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Columns:
    record_id: list[str]
    digest: list[str]
    label: list[str | None]
    source: list[str]
    path: list[str]
    answers: list[str]
    """Digests of the answers, tools and system messages of examples; empty for texts."""
    cut: list[bool | None]
    """Whether a crawler cut the page."""

    def key(self, row: int) -> tuple[str, ...]:
        """Where a row stands, whatever the order it was read in."""
        return self.digest[row], self.record_id[row], self.label[row] or "", self.source[row], self.path[row]

    def choice(self, rows: Iterable[int]) -> int:
        """The row that stays: of the labelled ones, else of those that are whole, else of all, the first by its key."""
        return min(rows, key=lambda row: (self.label[row] is None, bool(self.cut[row]), self.key(row)))

    def differ(self, rows: Iterable[int]) -> bool:
        """Whether rows carry labels that are not spellings of one. Each answer of an example is right."""
        labels = (self.label[row] for row in rows if not self.answers[row])
        return len({label_key(label) for label in labels if label is not None}) > 1

    def conflicts(self, groups: Iterable[list[int]]) -> int:
        """Groups whose members carry different labels."""
        return sum(map(self.differ, groups))


@dataclass
class _Retired:
    """Rows that go, with step, reason and the row that stays for them; and what each row that stays stands for."""

    gone: dict[int, tuple[CurationStep, Rejected, int]] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)

    def retire(
        self, groups: Iterable[list[int]], columns: _Columns, step: CurationStep, reason: Rejected
    ) -> None:
        """Let one row of each group stay."""
        for group in groups:
            if len(group) < 2:
                continue
            stays = columns.choice(group)
            self.members[stays] = [member for row in group for member in self.members.pop(row, [row])]
            self.gone.update((row, (step, reason, stays)) for row in group if row != stays)


def deduplicate(curated: pa.Table, config: CurationConfig, scratch: Path | None = None) -> Deduplicated:
    """Exact duplicates by content digest, then near duplicates by wording among what stays.

    Examples with other answers to one prompt, or other system messages, stay, in one cluster. `scratch`: a directory
    for files of the search.
    """
    names = ("record_id", "content_digest", "source_label", "source", "source_path", "answers")
    cut = pc.is_in(pc.map_lookup(curated.column("attributes"), "truncated", "first"), _CUT)
    columns = _Columns(*(curated.column(name).to_pylist() for name in names), cut.to_pylist())
    ordered = sorted(range(curated.num_rows), key=columns.key)
    equal = _grouped(ordered, lambda row: columns.digest[row])
    retired = _Retired()
    if config.exact_duplicates:
        retired.retire(equal, columns, CurationStep.EXACT_DUPLICATE, Rejected.EXACT_DUPLICATE)
    left = [row for row in ordered if row not in retired.gone]
    simhashes = curated.column("simhash").to_numpy()[left]
    threshold, shingles = config.cluster_threshold, curated.column("shingles")
    similar = near_duplicates(shingles, simhashes, threshold, np.array(left, np.int64), scratch)
    alike = _grouped(range(len(left)), similar.roots.tolist().__getitem__)
    wordings = [[left[place] for place in places] for places in alike]
    clusters = {row: min(columns.record_id[member] for member in rows) for rows in wordings for row in rows}
    if config.near_duplicate_threshold:
        same = [group for rows in wordings for group in _grouped(rows, lambda row: columns.answers[row])]
        retired.retire(same, columns, CurationStep.NEAR_DUPLICATE, Rejected.NEAR_DUPLICATE)
    rows = tuple(row for row in left if row not in retired.gone)
    votes = {
        row: _votes(curated, columns, members)
        for row, members in retired.members.items()
        if columns.differ(members)
    }
    counts = {
        "exact_groups": sum(len(group) > 1 for group in equal),
        "exact_label_conflicts": columns.conflicts(equal),
        "near_clusters": sum(len(group) > 1 for group in wordings),
        "near_label_conflicts": columns.conflicts(wordings),
        "records_in_conflict": len(votes),
        **{f"pairs_{name}": count for name, count in similar.candidates.items()},
    }
    ids = {row: columns.record_id[row] for row in retired.gone}
    gone = {
        row: (step, reason, columns.record_id[stays]) for row, (step, reason, stays) in retired.gone.items()
    }
    rejected = rejections(curated, ids, gone)
    return Deduplicated(rows, tuple(clusters[row] for row in rows), rejected, counts, votes)


def _votes(curated: pa.Table, columns: _Columns, members: Iterable[int]) -> list[Vote]:
def with_families(curated: pa.Table, unique: Deduplicated) -> Deduplicated:
    """Return the records with one cluster for all segments of a text, and for all that is similar to one of them."""
    attributes = curated.column("attributes").take(pa.array(unique.rows, pa.int64())).to_pylist()
    parents = [dict(row or ()).get(SEGMENT_OF, "") for row in attributes]
    if not any(parents):
        return unique
    units = Units()
    for parent, cluster in zip(parents, unique.clusters, strict=True):
        if parent:
            units.join(f"text:{parent}", f"cluster:{cluster}")
    named: dict[str, str] = {}
    for cluster in sorted(set(unique.clusters)):
        named.setdefault(units.name(f"cluster:{cluster}"), cluster)
    clusters = tuple(named[units.name(f"cluster:{cluster}")] for cluster in unique.clusters)
    return replace(unique, clusters=clusters)


    """The labels of duplicates, in an order of their own."""
    labelled = [row for row in members if columns.label[row] is not None]
    times: list[datetime | None] = curated.column("received_time").take(pa.array(labelled)).to_pylist()
    votes = [
        {"label": columns.label[row], "source": columns.source[row], "time": time}
        for row, time in zip(labelled, times, strict=True)
    ]
    return sorted(votes, key=lambda vote: (vote["label"], vote["source"], str(vote["time"])))


def _grouped(rows: Iterable[int], key: Callable[[int], object]) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def rejections(
    curated: pa.Table, ids: Mapping[int, str], gone: Mapping[int, tuple[CurationStep, Rejected, str]]
) -> pa.RecordBatch:
    """Rejections of rows with these record ids: the step, the reason, and the id of the record that stays."""
    rows = sorted(gone)
    places = curated.select(["source", "source_path", "text"]).take(pa.array(rows, pa.int64()))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([ids[row] for row in rows], pa.string()),
            pa.array(places.column("source").to_pylist(), pa.string()),
            pa.array(places.column("source_path").to_pylist(), pa.string()),
            pa.array([gone[row][0].value for row in rows], pa.string()),
            pa.array([gone[row][1].value for row in rows], pa.string()),
            pa.array([f"stays: {gone[row][2]}" for row in rows], pa.string()),
            pc.utf8_slice_codeunits(places.column("text"), 0, START_CHARS).combine_chunks(),
        ],
        schema=REJECTED,
    )
