"""A mixture: a dataset version composed of records of others, and its plan.

A first pass reads what the choice of records depends on; a plan ends there. A build reads the chosen records, finds
near duplicates among them, so that a split keeps those of different versions on one side, and writes them in record id
order. Repetitions are records of their own with an id of the same family, so that an erasure removes all of them.
Memory holds a few numbers a record: columns stand in files that are mapped into memory, records in an Arrow file.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from google.protobuf.json_format import MessageToDict

from ratoon.ingestion.v1.mixture_pb2 import MixturePlan
from ratoon.jobs.v1.dataset_jobs_pb2 import MixtureSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationResult
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.assignment import order_key
from ratoon_ingestion.domain.conversations import wording
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.mixtures import (
    COPY_OF,
    Cell,
    Component,
    LeftOut,
    Mixture,
    Unit,
    amounts,
    cell_of,
    repetitions,
)
from ratoon_ingestion.mixture_messages import mixture_of
from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.attachments import with_attachments
from ratoon_ingestion.worker.batches import RECORDS, REJECTED
from ratoon_ingestion.worker.curate import Progress, repeated
from ratoon_ingestion.worker.deduplicate import mapped_table
from ratoon_ingestion.worker.duplicates import Clusters, near_duplicates
from ratoon_ingestion.worker.label_sets import SortedNames
from ratoon_ingestion.worker.names import Names, Numbers, coded, hexadecimals, in_digits, names_of, order_of
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.profile import Counts, ProfileBuilder
from ratoon_ingestion.worker.shingle_sets import ShingleSets, placed
from ratoon_ingestion.worker.shingles import shingled, simhashes
from ratoon_ingestion.worker.sorted_records import in_order, positions_of
from ratoon_ingestion.worker.stored_batches import StoredBatches, mapped_batches
from ratoon_ingestion.worker.stored_records import version_records
from ratoon_ingestion.worker.tree import RecordWriter, merkle_root, write_json, write_rejected
from ratoon_ingestion.worker.words import spaced_text

_LIGHT = ("record_id", "content_digest", "source", "source_label", "language", "tokens")
_BATCH_ROWS = 2_000
_SPILLED = pa.schema(
    [*RECORDS, pa.field("shingles", pa.list_(pa.uint64())), pa.field("simhash", pa.uint64())]
)
_LEFT_OUT = {reason: -1 - place for place, reason in enumerate(LeftOut)}
"""Numbers in place of a cell's, for records that are not used."""

Ints = npt.NDArray[np.int64]


class MixtureNotFeasible(Exception):
    """The components cannot give what the mixture asks for."""

    code, reason = "FAILED_PRECONDITION", "MIXTURE_NOT_FEASIBLE"


@dataclass(frozen=True)
class _Rows:
    """Columns over the records of all components, in the order in which they are read."""

    component: npt.NDArray[np.int16]
    cell: npt.NDArray[np.int32]
    """Index of the cell, or a number of `_LEFT_OUT`."""
    tokens: npt.NDArray[np.int32]
    keys: npt.NDArray[np.uint64]
    """Order in which records are drawn."""
    ids: Names
    digests: Names
    cells: Sequence[Cell]


@dataclass(frozen=True)
class _Choice:
    """Number of times that each row occurs, and the plan that says so."""

    counts: npt.NDArray[np.int32]
    plan: MixturePlan


def plan_mixture(spec: MixtureSpec, store: ArtifactStore, report: Progress) -> MixturePlan:
    """Return what the mixture consists of; `problem` says why it cannot be built."""
    mixture = mixture_of(spec.mixture)
    with tempfile.TemporaryDirectory(prefix="ratoon-mixture-") as folder:
        return _chosen(mixture, _read(mixture, spec.digests, store, Arrays(Path(folder)), report)).plan


def mix(spec: MixtureSpec, store: ArtifactStore, scratch: Path, report: Progress) -> CurationResult:
    """Build the version; MixtureNotFeasible when the components lack something."""
    mixture = mixture_of(spec.mixture)
    folder = scratch / "work"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tree").mkdir(parents=True)
    try:
        arrays = Arrays(folder)
        rows = _read(mixture, spec.digests, store, arrays, report)
        choice = _chosen(mixture, rows)
        if choice.plan.problem:
            raise MixtureNotFeasible(choice.plan.problem)
        _spill(spec, mixture, rows, choice, store, folder / "records.arrow", report)
        path = folder / "records.arrow"
        spilled = _spilled(mapped_batches(path), mapped_table(path), arrays)
        return _write(spec, choice.plan, spilled, folder, store, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _batches(store: ArtifactStore, digest: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Batches of a version; columns that an older release did not write are null."""
    records = version_records(store, digest)
    present = [name for name in columns if name in records.names]
    for _, table in records.blocks(present, _BATCH_ROWS):
        arrays = [
            table.column(name) if name in present else pa.nulls(table.num_rows, RECORDS.field(name).type)
            for name in columns
        ]
        yield pa.Table.from_arrays(arrays, names=list(columns))


def _of_component(component: Component, batch: pa.Table) -> pa.Table:
    if not component.source:
        return batch
    return batch.filter(pc.equal(batch.column("source"), component.source))


def _read(
    mixture: Mixture, digests: Sequence[str], store: ArtifactStore, arrays: Arrays, report: Progress
) -> _Rows:
    total = sum(len(version_records(store, digest)) for digest in digests)
    rows = _Rows(
        component=arrays(total, np.int16),
        cell=arrays(total, np.int32),
        tokens=arrays(total, np.int32),
        keys=arrays(total, np.uint64),
        ids=arrays(total, np.uint64, 4),
        digests=arrays(total, np.uint64, 4),
        cells=[],
    )
    cells: dict[Cell, int] = {}
    done = 0
    for place, component in enumerate(mixture.components):
        cached: dict[tuple[str, str | None], int] = {}
        for batch in _batches(store, digests[place], _LIGHT):
            table = _of_component(component, batch)
            mine = slice(done, done + table.num_rows)
            ids = table.column("record_id").to_pylist()
            rows.component[mine] = place
            rows.tokens[mine] = np.maximum(table.column("tokens").to_numpy(), 1)
            rows.keys[mine] = np.array([_key(mixture.seed, each) for each in ids], np.uint64)
            rows.ids[mine] = names_of(ids)
            rows.digests[mine] = names_of(table.column("content_digest").to_pylist())
            rows.cell[mine] = _cells(mixture, place, table, cells, cached)
            done = mine.stop
        report(0.3 * (place + 1) / len(mixture.components), "Reading records", done=done, unit="records")
    columns = {name: column[:done] for name, column in vars(rows).items() if name != "cells"}
    return _Rows(**columns, cells=list(cells))


def _key(seed: int, record_id: str) -> int:
    return int.from_bytes(order_key(seed, record_id)[:8], "big")


def _cells(
    mixture: Mixture,
    place: int,
    rows: pa.Table,
    cells: dict[Cell, int],
    cached: dict[tuple[str, str | None], int],
) -> Ints:
    pairs = zip(rows.column("language").to_pylist(), rows.column("source_label").to_pylist(), strict=True)
    numbers = []
    for pair in pairs:
        if (number := cached.get(pair)) is None:
            cell = cell_of(mixture, place, pair[0] or "", pair[1])
            number = _LEFT_OUT[cell] if isinstance(cell, LeftOut) else cells.setdefault(cell, len(cells))
            cached[pair] = number
        numbers.append(number)
    return np.array(numbers, np.int64)


def _chosen(mixture: Mixture, rows: _Rows) -> _Choice:
    versions = {
        name: place for place, name in enumerate({each.dataset_version: None for each in mixture.components})
    }
    version = np.array([versions[each.dataset_version] for each in mixture.components])[rows.component]
    duplicate = _repeats_earlier(rows.ids, version) | _repeats_earlier(rows.digests, version)
    cell = np.where(duplicate, _LEFT_OUT[LeftOut.DUPLICATE], rows.cell)
    sizes = rows.tokens if mixture.unit is Unit.TOKENS else np.ones_like(rows.tokens)
    available = np.bincount(cell[cell >= 0], weights=sizes[cell >= 0], minlength=len(rows.cells))
    result = amounts(mixture, {each: int(available[place]) for place, each in enumerate(rows.cells)})
    counts = np.zeros(len(cell), np.int32)
    for place, each in enumerate(rows.cells):
        if target := result.targets.get(each, 0.0):
            members = np.flatnonzero(cell == place)
            drawn = members[np.argsort(rows.keys[members], kind="stable")]
            times, more = repetitions(_numbers(sizes, drawn), int(sizes[drawn].sum(dtype=np.int64)), target)
            counts[drawn] = times
            counts[drawn[:more]] += 1
    return _Choice(counts, _plan(mixture, rows, cell, counts, result.max_budget, result.problem))


def _numbers(sizes: npt.NDArray[np.int32], rows: Ints) -> Iterator[int]:
    for start in range(0, len(rows), _BATCH_ROWS):
        yield from sizes[rows[start : start + _BATCH_ROWS]].tolist()


def _repeats_earlier(names: Names, version: Ints) -> npt.NDArray[np.bool_]:
    """Return whether an earlier version has the same name."""
    codes, first = coded(names)
    repeats: npt.NDArray[np.bool_] = version[first[codes]] != version
    return repeats


def _plan(
    mixture: Mixture, rows: _Rows, cell: Ints, counts: npt.NDArray[np.int32], max_budget: float, problem: str
) -> MixturePlan:
    tokens = rows.tokens * counts.astype(np.int64)
    sizes = tokens if mixture.unit is Unit.TOKENS else counts
    total = int(sizes.sum())
    usable = cell != _LEFT_OUT[LeftOut.DUPLICATE]
    plan = MixturePlan(
        record_count=int(counts.sum()),
        token_count=int(tokens.sum()),
        max_budget=int(max_budget + 1e-6),
        problem=problem,
        left_out_counts=_left_out(cell, counts),
    )
    for place, component in enumerate(mixture.components):
        mine = rows.component == place
        present = int((mine & usable).sum())
        plan.components.add(
            dataset_version=component.dataset_version,
            source=component.source,
            available_records=present,
            available_tokens=int(rows.tokens[mine & usable].sum()),
            record_count=int(counts[mine].sum()),
            token_count=int(tokens[mine].sum()),
            share=float(sizes[mine].sum() / total) if total else 0.0,
            repeats=float(counts[mine].sum() / present) if present else 0.0,
            max_repeats=int(counts[mine].max(initial=0)),
        )
    for place, each in enumerate(rows.cells):
        if mixture.language_shares:
            plan.language_tokens[each.language] += int(tokens[cell == place].sum())
        if mixture.by_label:
            plan.label_records[each.label] += int(counts[cell == place].sum())
    return plan


def _left_out(cell: Ints, counts: npt.NDArray[np.int32]) -> dict[str, int]:
    left = {reason.value: int((cell == number).sum()) for reason, number in _LEFT_OUT.items()}
    left[LeftOut.NOT_SAMPLED.value] = int(((cell >= 0) & (counts == 0)).sum())
    return {reason: count for reason, count in left.items() if count}


def _spill(
    spec: MixtureSpec,
    mixture: Mixture,
    rows: _Rows,
    choice: _Choice,
    store: ArtifactStore,
    path: Path,
    report: Progress,
) -> None:
    """Write the chosen records, and what near duplicates are found by, to an Arrow file."""
    names = _Names(bytes.fromhex(spec.record_key), SortedNames(rows.ids))
    start = 0
    with pa.ipc.new_file(str(path), _SPILLED) as sink:
        for place, component in enumerate(mixture.components):
            for batch in _batches(store, spec.digests[place], RECORDS.names):
                mine = _of_component(component, batch)
                counts = choice.counts[start : start + mine.num_rows]
                start += mine.num_rows
                sink.write_table(_with_sketches(_repeated_rows(mine, counts, names)))
                fraction = 0.3 + 0.4 * start / len(choice.counts)
                report(fraction, "Taking records", done=start, total=len(choice.counts), unit="records")


@dataclass(frozen=True)
class _Names:
    """Ids of repetitions, which no record of the components has."""

    key: bytes
    present: SortedNames

    def of_copies(self, record_id: str, count: int) -> list[str]:
        """Return the ids of this many further occurrences."""
        names: list[str] = []
        occurrence = 1
        while len(names) < count:
            name = repeated(record_id, occurrence, self.key)
            if name not in self.present:
                names.append(name)
            occurrence += 1
        return names


def _repeated_rows(batch: pa.Table, counts: npt.NDArray[np.int32], names: _Names) -> pa.Table:
    """The rows of a batch, each as often as it occurs; repetitions have ids of their own and name their record."""
    places = np.repeat(np.arange(batch.num_rows), counts)
    rows = batch.take(pa.array(places, pa.int64()))
    if counts.max(initial=0) < 2:
        return rows
    ids, attributes = rows.column("record_id").to_pylist(), rows.column("attributes").to_pylist()
    row = 0
    for place in np.flatnonzero(counts):
        copies = names.of_copies(ids[row], int(counts[place]) - 1) if counts[place] > 1 else []
        for offset, name in enumerate(copies, 1):
            attributes[row + offset] = [*attributes[row], (COPY_OF, ids[row])]
            ids[row + offset] = name
        row += int(counts[place])
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    columns["record_id"] = pa.array(ids, pa.string())
    columns["attributes"] = pa.array(attributes, RECORDS.field("attributes").type)
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _with_sketches(batch: pa.Table) -> pa.Table:
    texts = [
        text if example is None else wording(from_json(example))
        for text, example in zip(
            batch.column("text").to_pylist(), batch.column("example").to_pylist(), strict=True
        )
    ]
    shingles, offsets = shingled([spaced_text(comparable(text)) for text in texts])
    arrays = [batch.column(name).cast(RECORDS.field(name).type) for name in RECORDS.names]
    arrays.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), shingles))
    arrays.append(pa.array(simhashes(shingles, offsets)))
    return pa.Table.from_arrays(arrays, schema=_SPILLED)


@dataclass(frozen=True)
class _Spilled:
    """The chosen records, their ids and content digests, and the index of the cluster that each had in its version."""

    records: pa.Table
    ids: Names
    digests: Names
    clusters: Numbers
    shingles: ShingleSets


def _spilled(batches: StoredBatches, records: pa.Table, arrays: Arrays) -> _Spilled:
    count = len(batches)
    ids, digests, clusters = (arrays(count, np.uint64, 4) for _ in range(3))
    sets = ShingleSets(batches.numbers, arrays(count, np.int64), arrays(count, np.int32))
    for start, batch in batches:
        mine = slice(start, start + batch.num_rows)
        for target, name in ((ids, "record_id"), (digests, "content_digest"), (clusters, "cluster")):
            target[mine] = names_of(batch.column(name).to_pylist())
        sets.starts[mine], sets.counts[mine] = placed(batch.column("shingles"), sets.flat)
    return _Spilled(records, ids, digests, coded(clusters)[0], sets)


def _clusters(spilled: _Spilled, threshold: float, folder: Path) -> Numbers:
    """Return the row whose id names the cluster of each record.

    Near duplicates share one, and so do those that shared one in their version.
    """
    records = spilled.records
    similar = near_duplicates(
        spilled.shingles, records.column("simhash").to_numpy(), threshold, scratch=folder
    )
    joined = Clusters(similar.roots.data)
    order = np.argsort(spilled.clusters, kind="stable")
    former = spilled.clusters[order]
    for place in np.flatnonzero(former[1:] == former[:-1]).tolist():
        joined.join(int(order[place]), int(order[place + 1]))
    roots = joined.roots()
    by_id = order_of(spilled.ids)[::-1]
    names = np.empty(len(roots), np.int64)
    names[roots[by_id]] = by_id  # the smallest id of a cluster comes last
    return names[roots]


def _write(
    spec: MixtureSpec,
    plan: MixturePlan,
    spilled: _Spilled,
    folder: Path,
    store: ArtifactStore,
    report: Progress,
) -> CurationResult:
    count, tree = len(spilled.ids), folder / "tree"
    report(0.75, "Looking for near duplicates", done=0, total=count, unit="records")
    clusters = _clusters(spilled, spec.threshold, folder)
    report(0.9, "Writing records", done=count, total=count, unit="records")
    builder, writer = ProfileBuilder(folder), RecordWriter(tree)
    positions = positions_of(spilled.ids)
    size = spilled.records.select(RECORDS.names).nbytes
    for table in in_order(_completed(spilled, clusters, positions), count, RECORDS, folder, size):
        builder.add(table)
        writer.add(table)
    writer.finish()
    write_rejected(tree, REJECTED.empty_table())
    profile = _profile(builder, plan, clusters)
    write_json(tree, "profile.json", profile)
    order = np.argsort(positions)
    root = merkle_root(in_digits(spilled.ids, order), in_digits(spilled.digests, order))
    write_json(tree, "manifest.json", _manifest(spec, root, count))
    result = CurationResult(
        artifact_digest=with_attachments(store, store.put_tree(tree), builder.attachments),
        merkle_root=root,
        items=count,
        records=count,
        rejected=0,
    )
    result.profile.update(profile)
    return result


def _completed(
    spilled: _Spilled, clusters: Numbers, positions: Numbers
) -> Iterator[tuple[Numbers, pa.Table]]:
    """Yield the positions of records, and the records with their clusters."""
    start = 0
    for batch in spilled.records.select(RECORDS.names).to_batches():
        mine = slice(start, start + batch.num_rows)
        names = pa.array(hexadecimals(spilled.ids[clusters[mine]]), pa.string())
        column = batch.schema.get_field_index("cluster")
        yield (
            positions[mine],
            pa.Table.from_batches([batch]).set_column(column, RECORDS.field("cluster"), names),
        )
        start = mine.stop


def _profile(builder: ProfileBuilder, plan: MixturePlan, clusters: Numbers) -> dict[str, Any]:
    sizes = np.bincount(clusters) if len(clusters) else np.zeros(0, np.int64)
    duplicates = {"near_clusters": int((sizes > 1).sum())}
    counts = Counts(builder.records, builder.records, {})
    profile = builder.result(counts, CurationConfig(), duplicates)
    rules = dict.fromkeys(profile["rules"], "as in the versions of the mixture")
    return {**profile, "rules": rules, "mixture": _json(plan)}


def _manifest(spec: MixtureSpec, root: str, count: int) -> dict[str, Any]:
    return {
        "merkle_root": root,
        "counts": {"items": count, "records": count, "rejected": 0},
        "mixture": _json(spec.mixture),
        "digests": list(spec.digests),
        "code_version": spec.code_version,
    }


def _json(message: Any) -> Mapping[str, Any]:
    written: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return written
