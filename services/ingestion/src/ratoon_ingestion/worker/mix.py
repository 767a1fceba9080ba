"""A mixture: a dataset version composed of records of others, and its plan.

A first pass reads what the choice of records depends on; a plan ends there. A build reads the chosen records, finds
near duplicates among them, so that a split keeps those of different versions on one side, and writes them in record id
order. Repetitions are records of their own with an id of the same family, so that an erasure removes all of them.
"""

import shutil
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq
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
from ratoon_ingestion.worker.batches import RECORDS, REJECTED
from ratoon_ingestion.worker.curate import Progress, repeated
from ratoon_ingestion.worker.duplicates import Clusters, near_duplicates
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.profile import Counts, profile_of
from ratoon_ingestion.worker.shingles import shingled, simhashes
from ratoon_ingestion.worker.tree import merkle_root, write_json, write_records, write_rejected
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

    component: Ints
    cell: Ints
    """Index of the cell, or a number of `_LEFT_OUT`."""
    tokens: Ints
    keys: npt.NDArray[np.uint64]
    """Order in which records are drawn."""
    ids: npt.NDArray[np.bytes_]
    digests: npt.NDArray[np.bytes_]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class _Choice:
    """Number of times that each row occurs, and the plan that says so."""

    counts: Ints
    plan: MixturePlan


def plan_mixture(spec: MixtureSpec, store: ArtifactStore, report: Progress) -> MixturePlan:
    """Return what the mixture consists of; `problem` says why it cannot be built."""
    mixture = mixture_of(spec.mixture)
    return _chosen(mixture, _read(mixture, spec.digests, store, report)).plan


def mix(spec: MixtureSpec, store: ArtifactStore, scratch: Path, report: Progress) -> CurationResult:
    """Build the version; MixtureNotFeasible when the components lack something."""
    mixture = mixture_of(spec.mixture)
    rows = _read(mixture, spec.digests, store, report)
    choice = _chosen(mixture, rows)
    if choice.plan.problem:
        raise MixtureNotFeasible(choice.plan.problem)
    folder = scratch / "work"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tree").mkdir(parents=True)
    try:
        _spill(spec, mixture, rows, choice, store, folder / "records.arrow", report)
        with pa.memory_map(str(folder / "records.arrow")) as source:
            return _write(
                spec, choice.plan, pa.ipc.open_file(source).read_all(), folder / "tree", store, report
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shards(store: ArtifactStore, digest: str) -> list[str]:
    return [file.sha256 for file in store.tree(digest) if file.path.startswith("records-")]


def _batches(store: ArtifactStore, digest: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of a version; columns that an older release did not write are null."""
    for shard in _shards(store, digest):
        with store.open(shard) as stream:
            file = pq.ParquetFile(stream)
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=present, use_threads=False):
                arrays = [
                    batch.column(name)
                    if name in present
                    else pa.nulls(batch.num_rows, RECORDS.field(name).type)
                    for name in columns
                ]
                yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _of_component(component: Component, batch: pa.RecordBatch) -> pa.RecordBatch:
    if not component.source:
        return batch
    return batch.filter(pc.equal(batch.column("source"), component.source))


def _read(mixture: Mixture, digests: Sequence[str], store: ArtifactStore, report: Progress) -> _Rows:
    cells: dict[Cell, int] = {}
    columns: dict[str, list[Any]] = {
        name: [] for name in ("component", "cell", "tokens", "keys", "ids", "digests")
    }
    done = 0
    for place, component in enumerate(mixture.components):
        cached: dict[tuple[str, str | None], int] = {}
        for batch in _batches(store, digests[place], _LIGHT):
            rows = _of_component(component, batch)
            ids = rows.column("record_id").to_pylist()
            columns["component"].append(np.full(len(ids), place))
            columns["tokens"].append(np.maximum(rows.column("tokens").to_numpy(zero_copy_only=False), 1))
            columns["keys"].append(np.array([_key(mixture.seed, each) for each in ids], np.uint64))
            columns["ids"].append(_halves(ids))
            columns["digests"].append(_halves(rows.column("content_digest").to_pylist()))
            columns["cell"].append(_cells(mixture, place, rows, cells, cached))
            done += len(ids)
        report(0.3 * (place + 1) / len(mixture.components), "Reading records", done=done, unit="records")
    joined: dict[str, Any] = {
        name: np.concatenate(arrays) if arrays else np.empty(0, np.int64) for name, arrays in columns.items()
    }
    return _Rows(**joined, cells=list(cells))


def _key(seed: int, record_id: str) -> int:
    return int.from_bytes(order_key(seed, record_id)[:8], "big")


def _halves(hexes: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """The first 16 bytes of digests: enough to tell them apart."""
    return np.array([bytes.fromhex(each[:32]) for each in hexes], "S16")


def _cells(
    mixture: Mixture,
    place: int,
    rows: pa.RecordBatch,
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
    counts = np.zeros(len(cell), np.int64)
    for place, each in enumerate(rows.cells):
        if target := result.targets.get(each, 0.0):
            members = np.flatnonzero(cell == place)
            drawn = members[np.argsort(rows.keys[members], kind="stable")]
            counts[drawn] = repetitions(sizes[drawn].tolist(), target)
    return _Choice(counts, _plan(mixture, rows, cell, counts, result.max_budget, result.problem))


def _repeats_earlier(keys: npt.NDArray[np.bytes_], version: Ints) -> npt.NDArray[np.bool_]:
    """Return whether an earlier version has the same key."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    repeats: npt.NDArray[np.bool_] = version[first[inverse]] != version
    return repeats


def _plan(
    mixture: Mixture, rows: _Rows, cell: Ints, counts: Ints, max_budget: float, problem: str
) -> MixturePlan:
    tokens = rows.tokens * counts
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


def _left_out(cell: Ints, counts: Ints) -> dict[str, int]:
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
    names = _Names(bytes.fromhex(spec.record_key), np.unique(rows.ids))
    start = 0
    with pa.ipc.new_file(str(path), _SPILLED) as sink:
        for place, component in enumerate(mixture.components):
            for batch in _batches(store, spec.digests[place], RECORDS.names):
                mine = _of_component(component, batch)
                counts = choice.counts[start : start + mine.num_rows]
                start += mine.num_rows
                sink.write_batch(_with_sketches(_repeated_rows(mine, counts, names)))
                fraction = 0.3 + 0.4 * start / len(choice.counts)
                report(fraction, "Taking records", done=start, total=len(choice.counts), unit="records")


@dataclass(frozen=True)
class _Names:
    """Ids of repetitions, which no record of the components has."""

    key: bytes
    present: npt.NDArray[np.bytes_]

    def of_copies(self, record_id: str, count: int) -> list[str]:
        """Return the ids of this many further occurrences."""
        names: list[str] = []
        occurrence = 1
        while len(names) < count:
            name = repeated(record_id, occurrence, self.key)
            if not self._has(name):
                names.append(name)
            occurrence += 1
        return names

    def _has(self, name: str) -> bool:
        half = np.bytes_(bytes.fromhex(name[:32]))
        place = int(np.searchsorted(self.present, half))
        return place < len(self.present) and bool(self.present[place] == half)


def _repeated_rows(batch: pa.RecordBatch, counts: Ints, names: _Names) -> pa.RecordBatch:
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
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _with_sketches(batch: pa.RecordBatch) -> pa.RecordBatch:
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
    return pa.RecordBatch.from_arrays(arrays, schema=_SPILLED)


def _clusters(records: pa.Table, threshold: float) -> list[str]:
    """The cluster of each record: near duplicates share one, and so do those that shared one in their version."""
    similar = near_duplicates(records.column("shingles"), records.column("simhash").to_numpy(), threshold)
    joined = Clusters(array("q", similar.roots.tolist()))
    first: dict[str, int] = {}
    for row, cluster in enumerate(records.column("cluster").to_pylist()):
        joined.join(first.setdefault(cluster, row), row)
    ids = records.column("record_id").to_pylist()
    names: dict[int, str] = {}
    for row, record_id in enumerate(ids):
        root = joined.root(row)
        names[root] = min(names.get(root, record_id), record_id)
    return [names[joined.root(row)] for row in range(len(ids))]


def _write(
    spec: MixtureSpec,
    plan: MixturePlan,
    records: pa.Table,
    tree: Path,
    store: ArtifactStore,
    report: Progress,
) -> CurationResult:
    report(0.75, "Looking for near duplicates", done=0, total=records.num_rows, unit="records")
    clusters = _clusters(records, spec.threshold)
    records = records.select(RECORDS.names)
    records = records.set_column(
        records.schema.get_field_index("cluster"), "cluster", pa.array(clusters, pa.string())
    )
    report(0.9, "Writing records", done=records.num_rows, total=records.num_rows, unit="records")
    ids, digests = records.column("record_id").to_pylist(), records.column("content_digest").to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    write_records(tree, records, order)
    write_rejected(tree, REJECTED.empty_table())
    profile = _profile(records, plan, clusters)
    write_json(tree, "profile.json", profile)
    root = merkle_root([ids[row] for row in order], [digests[row] for row in order])
    write_json(tree, "manifest.json", _manifest(spec, root, len(ids)))
    result = CurationResult(
        artifact_digest=store.put_tree(tree), merkle_root=root, items=len(ids), records=len(ids), rejected=0
    )
    result.profile.update(profile)
    return result


def _profile(records: pa.Table, plan: MixturePlan, clusters: Sequence[str]) -> dict[str, Any]:
    sizes = Counter(clusters)
    duplicates = {"near_clusters": sum(count > 1 for count in sizes.values())}
    counts = Counts(records.num_rows, records.num_rows, {})
    profile = profile_of(records, counts, CurationConfig(), duplicates)
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
