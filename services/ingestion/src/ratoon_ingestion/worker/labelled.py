"""The labelled records of a version as columns of numbers, by which a split assigns them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, RecordKind, is_preference
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.arrays import blocks as slices_of
from ratoon_ingestion.worker.assignment import NO_TIME, Columns, Flags
from ratoon_ingestion.worker.batches import TIME
from ratoon_ingestion.worker.label_sets import Labels, SortedNames
from ratoon_ingestion.worker.leakage import TextBlock
from ratoon_ingestion.worker.names import Names, Numbers, coded, hexadecimals, names_of, order_of
from ratoon_ingestion.worker.parts import PART, ROWS, is_free, kinds
from ratoon_ingestion.worker.stored_records import StoredRecords

_READ = ["record_id", "source_label", "cluster", "received_time", "attributes"]
_PREFERENCES = pa.array([kind.value for kind in RecordKind if is_preference({KIND_ATTRIBUTE: kind})])
_NAME = "^[0-9a-f]{64}$"
_ABSENT = -2


@dataclass(frozen=True)
class Labelled:
    """The labelled records of a version in the order of their ids."""

    version: StoredRecords
    labels: Labels | None
    rows: Numbers
    """Row of each record in the version."""
    ids: Names
    columns: Columns
    training_only: Flags
    originals: Numbers
    """Row here of the record that each one repeats; -1: it repeats none; -2: that record is absent."""
    unlabelled: int
    """Records of the version without a label."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Numbers) -> pa.Table:
        """Return some records, schema PART."""
        names = [*(name for name in PART.names if name != "label"), "source_label"]
        table = self.version.take(self.rows[rows], names)
        labels, _ = _labels(table, self.labels)
        return table.append_column("label", labels).select(PART.names).cast(PART)

    def texts(self) -> Iterator[TextBlock]:
        """Yield the records by which others are compared, in blocks; their texts are read when they are needed."""
        size = self.version.block_rows
        for start in range(0, len(self), size):
            rows = self.rows[start : start + size]
            table = self.version.take(rows, ["record_id", "content_digest"])
            yield self.version.text_block(rows, table)

    def blocks(self) -> Iterator[tuple[Numbers, pa.Table]]:
        """Yield all records in blocks, and their rows here."""
        size = min(ROWS, self.version.block_rows)
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield rows, self.take(rows)


def labelled_records(
    version: StoredRecords, labels: Labels | None, group_attribute: str, arrays: Arrays
) -> Labelled:
    """Return the records with a label: that of the label set; without one, of the source, which may be none."""
    total, count = len(version), 0
    ids, clusters = arrays(total, np.uint64, 4), arrays(total, np.uint64, 4)
    groups = arrays(total, np.uint64, 4) if group_attribute else None
    rows, times, codes = (arrays(total, np.int64) for _ in range(3))
    active = arrays(total, np.bool_)
    repeats: list[tuple[Numbers, Names]] = []
    absent: list[Numbers] = []
    names = {"": 0}
    for start, block in version.blocks(_READ):
        column, places = _labels(block, labels)
        stays = np.ones(block.num_rows, np.bool_) if labels is None else column.is_valid().to_numpy()
        chosen = np.flatnonzero(stays)
        table, label = block.take(pa.array(chosen)), column.take(pa.array(chosen))
        mine = slice(count, count + len(chosen))
        rows[mine] = start + chosen
        ids[mine] = names_of(table.column("record_id").to_pylist())
        clusters[mine] = names_of(table.column("cluster").to_pylist())
        microseconds = table.column("received_time").cast(TIME).cast(pa.int64())
        times[mine] = pc.fill_null(microseconds, NO_TIME).to_numpy()
        codes[mine] = _codes(pc.if_else(is_free(label, kinds(table)), "", pc.fill_null(label, "")), names)
        if groups is not None:
            groups[mine] = _hashes(pc.map_lookup(table.column("attributes"), group_attribute, "last"))
        if labels is not None:
            active[mine] = labels.drawn_actively(places[chosen])
        original = pc.map_lookup(table.column("attributes"), COPY_OF, "last")
        is_name = _flags(pc.match_substring_regex(original, _NAME))
        has_other = _flags(pc.not_equal(original, "")) & ~is_name
        repeats.append(
            (count + np.flatnonzero(is_name), names_of(original.filter(pa.array(is_name)).to_pylist()))
        )
        absent.append(count + np.flatnonzero(has_other))
        count = mine.stop
    originals: Numbers = arrays(count, np.int64)
    originals[:] = -1
    originals[np.concatenate([*absent, np.empty(0, np.int64)])] = _ABSENT
    used = slice(0, count)
    if any(len(each) for each, _ in repeats):
        matching = SortedNames(ids[used]).find(np.concatenate([each for _, each in repeats]))
        originals[np.concatenate([each for each, _ in repeats])] = np.where(matching < 0, _ABSENT, matching)
    cluster_codes, distinct = coded(clusters[used], arrays)
    label_names, renumbered = _in_order(names)
    label_codes: Numbers = arrays.taken(renumbered, codes[used])
    group_codes: Numbers = arrays(count, np.int64)
    group_codes[:] = -1
    if groups is not None:
        group_codes = coded(groups[used], arrays)[0]
        group_codes[~groups[used].any(axis=1)] = -1

    def cluster_names(chosen: Numbers) -> Iterator[str]:
        for begin in range(0, len(chosen), ROWS):
            yield from hexadecimals(clusters[distinct[chosen[begin : begin + ROWS]]])

    columns = Columns(
        clusters=cluster_codes,
        names=cluster_names,
        labels=label_codes,
        label_names=label_names,
        times=times[used],
        groups=group_codes,
    )
    records = Labelled(
        version, labels, rows[used], ids[used], columns, active[used], originals, total - count
    )
    return _sorted(records, arrays)


def _sorted(records: Labelled, arrays: Arrays) -> Labelled:
    """Return the records in the order of their ids, in which all releases write them."""
    order = order_of(records.ids, arrays=arrays)
    if all((order[part] == np.arange(part.start, part.stop)).all() for part in slices_of(len(order))):
        return records
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    originals = records.originals[order]
    originals[originals >= 0] = places[originals[originals >= 0]]
    return Labelled(
        records.version,
        records.labels,
        records.rows[order],
        records.ids[order],
        records.columns.take(order),
        records.training_only[order],
        originals,
        records.unlabelled,
    )


def _labels(table: pa.Table, labels: Labels | None) -> tuple[pa.ChunkedArray, Numbers]:
    """Return the label of each record, and its place in the label set. Preferences bring their own.

    A repetition has the label of its original.
    """
    own = table.column("source_label")
    if labels is None:
        return own, np.full(table.num_rows, -1, np.int64)
    original = pc.map_lookup(table.column("attributes"), COPY_OF, "last")
    is_name = pc.fill_null(pc.match_substring_regex(original, _NAME), False)
    places = labels.places(names_of(pc.if_else(is_name, original, table.column("record_id")).to_pylist()))
    places[_flags(original.is_valid()) & ~_flags(is_name)] = -1
    brings_its_own = _flags(pc.is_in(kinds(table), _PREFERENCES)) & (places < 0)
    column = pc.if_else(pa.array(brings_its_own), own, pa.chunked_array([labels.at(places)]))
    return column, places


def _codes(labels: pa.ChunkedArray, names: dict[str, int]) -> Numbers:
    """Return the index of each label in `names`, which grows."""
    encoded = labels.combine_chunks().dictionary_encode()
    numbers = [names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()]
    codes: Numbers = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
    return codes


def _in_order(names: dict[str, int]) -> tuple[list[str], Numbers]:
    """Return the labels in ascending order, and the place of each index among them."""
    ordered = sorted(names)
    places = np.empty(len(names), np.int64)
    places[[names[name] for name in ordered]] = np.arange(len(ordered))
    return ordered, places


def _hashes(values: pa.ChunkedArray) -> Names:
    """Return a name for each value; zeros for none."""
    digests = (hashlib.sha256(each.encode()).digest() if each else bytes(32) for each in values.to_pylist())
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 4)


def _flags(values: pa.ChunkedArray) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy()
    return flags
