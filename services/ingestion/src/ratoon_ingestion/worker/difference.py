"""The difference of two versions, and of a split of each: a merge of files that stand in record id order.

Each step takes the rows of all files up to one record id, so that memory does not grow with the versions.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.ingestion.v1.difference_pb2 import RecordDifference
from ratoon.ingestion.v1.split_pb2 import Part
from ratoon.jobs.v1.dataset_jobs_pb2 import DifferenceResult, DifferenceSpec, PartBlob
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.curate import Progress

_BATCH_ROWS = 50_000
_COMPARED = ("record_id", "content_digest", "source_label")
_ADDED, _REMOVED, _CHANGED, _MOVED = (
    RecordDifference.KIND_ADDED,
    RecordDifference.KIND_REMOVED,
    RecordDifference.KIND_CHANGED,
    RecordDifference.KIND_MOVED,
)


def difference(spec: DifferenceSpec, store: ArtifactStore, report: Progress) -> DifferenceResult:
    """Count the differences, or, with a limit, return those after a record."""
    kinds = {RecordDifference.Kind.Value(f"KIND_{each}") for each in spec.kinds}
    page = _Page(spec.after, spec.limit, frozenset(kinds))
    counts: Counter[str] = Counter()
    unchanged = done = 0
    with ExitStack() as stack:
        sides = _Side(spec.base, spec.base_parts, store, stack), _Side(spec.version, spec.parts, store, stack)
        for base, version in _windows(*sides, after=page.after):
            if spec.limit:
                page.take(_differences(base, version))
                if page.more:
                    break
                continue
            counts.update(_counted(base, version))
            unchanged += base.rows.num_rows - _changed_count(base, version)
            done += base.rows.num_rows + version.rows.num_rows
            report(0.5, "Comparing records", done=done, unit="records")
    unchanged -= counts["REMOVED"]
    return DifferenceResult(counts=counts, unchanged=unchanged, records=page.records, more=page.more)


@dataclass(frozen=True)
class _Window:
    """Rows of one side up to a record id, in record id order, and the part of each record."""

    rows: pa.Table
    parts: pa.Table


class _Sorted:
    """Reads files in record id order, up to one id after the other."""

    def __init__(
        self, blobs: Sequence[str], columns: Sequence[str], store: ArtifactStore, stack: ExitStack
    ) -> None:
        self._batches = self._read(blobs, columns, store)
        stack.callback(self._batches.close)
        self._head: pa.Table | None = None
        self._schema = pa.schema({name: pa.string() for name in columns})

    @property
    def bound(self) -> str | None:
        """Return the last id of the rows that are read; None at the end."""
        if self._head is None:
            batch = next(self._batches, None)
            self._head = None if batch is None else pa.Table.from_batches([batch])
        return None if self._head is None else self._head.column("record_id")[-1].as_py()

    def take(self, bound: str) -> pa.Table:
        """Return the rows up to an id."""
        taken = [self._schema.empty_table()]
        while (last := self.bound) is not None and self._head is not None:
            if last <= bound:
                taken.append(self._head)
                self._head = None
                continue
            mask = pc.less_equal(self._head.column("record_id"), bound)
            taken.append(self._head.filter(mask))
            self._head = self._head.filter(pc.invert(mask))
            break
        return pa.concat_tables(taken)

    def skip(self, after: str) -> None:
        """Drop the rows up to an id."""
        while (last := self.bound) is not None and self._head is not None:
            if last > after:
                self._head = self._head.filter(pc.greater(self._head.column("record_id"), after))
                return
            self._head = None

    @staticmethod
    def _read(
        blobs: Sequence[str], columns: Sequence[str], store: ArtifactStore
    ) -> Generator[pa.RecordBatch, None, None]:
        for blob in blobs:
            with store.open(blob) as stream:
                file = pq.ParquetFile(stream)
                for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False):
                    if batch.num_rows:
                        yield batch


class _Side:
    """A version, and the parts of a split of it."""

    def __init__(
        self, version: str, parts: Sequence[PartBlob], store: ArtifactStore, stack: ExitStack
    ) -> None:
        shards = [file.sha256 for file in store.tree(version) if file.path.startswith("records-")]
        self.records = _Sorted(shards, _COMPARED, store, stack)
        self._parts = [
            (Part.Value(f"PART_{each.part}"), _Sorted([each.digest], ["record_id"], store, stack))
            for each in parts
        ]

    def skip(self, after: str) -> None:
        """Drop all rows up to an id."""
        for each in (self.records, *(part for _, part in self._parts)):
            each.skip(after)

    def take(self, bound: str) -> _Window:
        """Return the rows up to an id."""
        parts = [
            (table := rows.take(bound)).append_column("part", pa.array([part] * table.num_rows, pa.int32()))
            for part, rows in self._parts
        ]
        empty = pa.schema({"record_id": pa.string(), "part": pa.int32()}).empty_table()
        return _Window(self.records.take(bound), pa.concat_tables([empty, *parts]))


def _windows(base: _Side, version: _Side, after: str) -> Iterator[tuple[_Window, _Window]]:
    if after:
        base.skip(after)
        version.skip(after)
    while bounds := [each for side in (base, version) if (each := side.records.bound) is not None]:
        bound = min(bounds)
        yield base.take(bound), version.take(bound)


def _matched(base: _Window, version: _Window) -> pa.Int32Array:
    """Return the row of the base for each row of the version; null if it is added."""
    ids = base.rows.column("record_id").combine_chunks()
    return pc.index_in(version.rows.column("record_id").combine_chunks(), value_set=ids)


def _changes(base: _Window, version: _Window) -> tuple[pa.Table, pa.Table]:
    """Return the rows of the version that changed, and those of the base."""
    place = _matched(base, version)
    both = version.rows.filter(pc.is_valid(place))
    before = base.rows.take(place.drop_null())
    differs = pc.or_(*(_differs(both, before, name) for name in _COMPARED[1:]))
    return both.filter(differs), before.filter(differs)


def _differs(left: pa.Table, right: pa.Table, name: str) -> pa.ChunkedArray:
    values = [pc.fill_null(table.column(name), "\0") for table in (left, right)]
    return pc.not_equal(*values)


def _changed_count(base: _Window, version: _Window) -> int:
    """Return the number of records with other content or another label."""
    return int(_changes(base, version)[0].num_rows)


def _counted(base: _Window, version: _Window) -> dict[str, int]:
    place = _matched(base, version)
    common = len(place) - place.null_count
    counts = {
        "ADDED": place.null_count,
        "REMOVED": base.rows.num_rows - common,
        "CHANGED": _changed_count(base, version),
        "MOVED": len(_moves(base, version)),
    }
    return {kind: count for kind, count in counts.items() if count}


def _moves(base: _Window, version: _Window) -> "dict[str, tuple[Part.ValueType, Part.ValueType]]":
    """Return the parts of each record that both splits have, in different ones."""
    before = dict(zip(base.parts["record_id"].to_pylist(), base.parts["part"].to_pylist(), strict=True))
    after = zip(version.parts["record_id"].to_pylist(), version.parts["part"].to_pylist(), strict=True)
    return {
        record_id: (before[record_id], part)
        for record_id, part in after
        if before.get(record_id, part) != part
    }


def _differences(base: _Window, version: _Window) -> list[RecordDifference]:
    place = _matched(base, version)
    added = version.rows.filter(pc.is_null(place)).column("record_id").to_pylist()
    ids = base.rows.column("record_id")
    gone = pc.invert(pc.is_in(ids, value_set=version.rows.column("record_id").combine_chunks()))
    changed = _changes(base, version)[0].column("record_id").to_pylist()
    differences = [
        *(RecordDifference(record_id=each, kind=_ADDED) for each in added),
        *(RecordDifference(record_id=each, kind=_REMOVED) for each in ids.filter(gone).to_pylist()),
        *(RecordDifference(record_id=each, kind=_CHANGED) for each in changed),
        *(
            RecordDifference(record_id=each, kind=_MOVED, base_part=before, part=after)
            for each, (before, after) in _moves(base, version).items()
        ),
    ]
    return sorted(differences, key=lambda each: (each.record_id, each.kind))


class _Page:
    """Differences after a record, up to a limit. All of one record are on one page."""

    def __init__(self, after: str, limit: int, kinds: frozenset[int]) -> None:
        self.after, self._limit, self._kinds = after, limit, kinds
        self.records: list[RecordDifference] = []
        self.more = False

    def take(self, differences: Sequence[RecordDifference]) -> None:
        """Add differences until the page is full."""
        for each in differences:
            if self._kinds and each.kind not in self._kinds:
                continue
            if len(self.records) >= self._limit and each.record_id != self.records[-1].record_id:
                self.more = True
                return
            self.records.append(each)
