"""The report of a profile: one pass over the columns of a version, and a sample of its texts.

Records stand in the order of their ids, which are keyed hashes: the first ones are a random sample.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.ingestion.v1.profile_pb2 import ProfileReport
from ratoon.jobs.v1.dataset_jobs_pb2 import ReportResult, ReportSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, has_free_text
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.reports.columns import NumberColumn, ValueColumn, numbers_of
from ratoon_ingestion.worker.reports.labels import Labels
from ratoon_ingestion.worker.reports.sketch import Comoments, Floats, HashSample
from ratoon_ingestion.worker.reports.texts import MAX_CHARS, Sampled, TooFew, difficulty, topics
from ratoon_ingestion.worker.sealed import IDENTITIES, Unsealed
from ratoon_ingestion.worker.stored_records import NotADatasetVersion

_BATCH_ROWS = 20_000
_COLUMNS = (
    *IDENTITIES,
    "source_label",
    "source",
    "licence",
    "language",
    "tokens",
    "chars",
    "cluster",
    "received_time",
)
_VALUES = {"language": "language", "source": "source", "licence": "license"}
"""Columns of values, and how a report names them."""
_MAX_ATTRIBUTES = 64
_NUMERIC_SHARE, _MIN_NUMBERS = 0.95, 10
"""An attribute is numeric if this share of its values are numbers, and this many of them differ."""
_COVERED = 0.8
"""Share of records with an attribute from which it is correlated with other columns."""
_SAMPLED, _EXAMPLES = 5_000, 12
_POINTS, _MAX_SCATTERS = 400, 4
_MAX_CLUSTERS, _LARGEST = 2_000_000, 10
_SIZES = 3


def report_of(spec: ReportSpec, store: ArtifactStore, report: Progress) -> ReportResult:
    """Write the report of a version; returns its digest, and how many records it describes and leaves out."""
    shards = [file.sha256 for file in store.tree(spec.version) if file.path.startswith("records-")]
    if not shards:
        raise NotADatasetVersion(f"The artifact {spec.version} contains no records.")
    unsealed, labels = Unsealed(store, spec.sealed_parts), Labels(store, spec.label_set)
    total = sum(_rows(store, shard) for shard in shards)
    columns = Columns()
    read = 0
    for batch in _batches(store, shards, _COLUMNS):
        read += batch.num_rows
        columns.add(unsealed(batch), labels)
        report(0.7 * read / max(1, total), "Reading records", done=read, total=total, unit="records")
    written = columns.report()
    written.sealed_count = total - columns.records
    report(0.72, "Reading texts")
    sample = list(_sample(store, shards, unsealed, labels))
    written.examples.extend(each.example() for each in sample[:_EXAMPLES])
    written.duplicate_clusters.CopyFrom(_clusters(columns.clusters, store, shards, unsealed))
    report(0.8, "Searching topics")
    try:
        written.topics.extend(topics(sample, spec.topics))
    except TooFew as reason:
        written.notes.append(str(reason))
    report(0.9, "Measuring the difficulty")
    try:
        written.difficulty.CopyFrom(difficulty(sample))
    except TooFew as reason:
        written.notes.append(str(reason))
    digest = store.put_bytes(json.dumps(to_json(written), ensure_ascii=False).encode())
    return ReportResult(report_digest=digest, records=columns.records, sealed=written.sealed_count)


def _rows(store: ArtifactStore, digest: str) -> int:
    with store.open(digest) as stream:
        return int(pq.ParquetFile(stream).metadata.num_rows)


def _batches(
    store: ArtifactStore, shards: Sequence[str], columns: Sequence[str], size: int = _BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some shards, about `size` at a time: row groups are small."""
    for shard in shards:
        with store.open(shard) as stream:
            waiting: list[pa.RecordBatch] = []
            for batch in pq.ParquetFile(stream).iter_batches(size, columns=list(columns), use_threads=False):
                waiting.append(batch)
                if sum(each.num_rows for each in waiting) >= size:
                    yield pa.concat_batches(waiting)
                    waiting = []
            if waiting:
                yield pa.concat_batches(waiting)


class Columns:
    """The columns of all records that are added."""

    def __init__(self) -> None:
        self.records = 0
        self.clusters = HashSample(_MAX_CLUSTERS)
        self._numbers = {
            name: NumberColumn(name) for name in ("characters", "tokens", "characters_per_token")
        }
        self._values = {name: ValueColumn(name) for name in (*_VALUES.values(), "label")}
        self._label_number = NumberColumn("label")
        self._attributes: dict[str, tuple[NumberColumn, ValueColumn]] = {}
        self._left_out = Counter[str]()
        self._comoments: Comoments | None = None
        self._points: list[tuple[str, str, Floats]] = []

    def add(self, batch: pa.RecordBatch, labels: Labels) -> None:
        """Add records: the columns of `_COLUMNS`."""
        if not batch.num_rows:
            return
        self.records += batch.num_rows
        ids = batch.column("record_id").to_pylist()
        attributes = _attributes(batch)
        own = _own_labels(batch) if labels.are_empty else labels.of(ids)
        series = pl.Series("label", own, pl.String)
        numbers = self._add_fixed(batch, ids, own, series)
        numbers |= self._add_attributes(attributes, ids, own, series)
        self._add_label_numbers(series, ids)
        self._correlate(numbers, ids, own)
        clusters = pl.Series(batch.column("cluster")).drop_nulls()
        self.clusters.add(clusters.filter(clusters != "").hash().to_numpy())

    def _add_fixed(
        self, batch: pa.RecordBatch, ids: Sequence[str], own: Sequence[str | None], series: pl.Series
    ) -> dict[str, Floats]:
        chars, tokens = (
            pl.Series(batch.column(name)).cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in ("chars", "tokens")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(tokens > 0, chars / tokens, np.nan)
        numbers = {"characters": chars, "tokens": tokens, "characters_per_token": ratio}
        for name, values in numbers.items():
            self._numbers[name].add(values, ids, own, np.isnan(values))
        for column, name in _VALUES.items():
            texts = pl.Series(batch.column(column))
            self._values[name].add(texts.set(texts == "", None), series)
        self._values["label"].add(series, series)
        return numbers

    def _add_attributes(
        self, attributes: pl.DataFrame, ids: Sequence[str], own: Sequence[str | None], series: pl.Series
    ) -> dict[str, Floats]:
        numbers: dict[str, Floats] = {}
        for (key,), rows in attributes.group_by("key", maintain_order=True):
            name = f"attributes.{key}"
            if name not in self._attributes:
                if len(self._attributes) >= _MAX_ATTRIBUTES:
                    self._left_out[name] += len(rows)
                    continue
                self._attributes[name] = NumberColumn(name), ValueColumn(name)
            places = rows["row"].to_numpy()
            values = np.full(len(ids), np.nan)
            values[places] = parsed = numbers_of(rows["value"])
            is_missing = np.ones(len(ids), np.bool_)
            is_missing[places] = False
            number, value = self._attributes[name]
            number.add(values, ids, own, is_missing)
            value.add(rows["value"], series.gather(rows["row"]))
            if np.isfinite(parsed).mean() >= _NUMERIC_SHARE:
                numbers[name] = values
        return numbers

    def _add_label_numbers(self, labels: pl.Series, ids: Sequence[str]) -> None:
        values = numbers_of(labels)
        self._label_number.add(values, ids, [None] * len(ids), labels.is_null().to_numpy())

    def _correlate(self, numbers: dict[str, Floats], ids: Sequence[str], own: Sequence[str | None]) -> None:
        if self._comoments is None:
            covered = [name for name, values in numbers.items() if np.isfinite(values).mean() >= _COVERED]
            self._comoments = Comoments(covered)
        empty = np.full(len(ids), np.nan)
        rows = np.column_stack([numbers.get(name, empty) for name in self._comoments.names])
        self._comoments.add(rows)
        missing = _POINTS - len(self._points)
        self._points += [(ids[row], own[row] or "", rows[row]) for row in range(min(missing, len(ids)))]

    def report(self) -> ProfileReport:
        """Return what the columns say."""
        numeric, valued = list(self._numbers.values()), list(self._values.values())
        notes = []
        if _is_numeric(self._label_number, self._values["label"]):
            numeric.append(self._label_number)
        for number, value in (self._attributes[name] for name in sorted(self._attributes)):
            if _is_numeric(number, value):
                number.missing = self.records - value.values
                numeric.append(number)
            else:
                valued.append(value)
        if self._left_out:
            notes.append(
                f"{len(self._left_out)} attributes are left out; the report has the first {_MAX_ATTRIBUTES}."
            )
        crossed = [table for column in valued if column.name != "label" and (table := column.crossed())]
        written = ProfileReport(
            record_count=self.records,
            numeric_columns=[column.stated() for column in numeric],
            value_columns=[column.stated(self.records) for column in valued],
            cross_tables=sorted(crossed, key=lambda table: -table.association),
            notes=notes,
        )
        if self._comoments is not None and self._comoments.count > 1:
            written.correlation.CopyFrom(self._comoments.matrix())
            written.scatters.extend(self._scatters(written.correlation))
        return written

    def _scatters(self, matrix: ProfileReport.CorrelationMatrix) -> list[ProfileReport.Scatter]:
        names = list(matrix.names)
        pairs = [(one, other) for one in range(len(names)) for other in range(one + 1, len(names))]
        pairs.sort(key=lambda pair: -abs(matrix.coefficients[pair[0] * len(names) + pair[1]]))
        return [
            ProfileReport.Scatter(
                x=names[one],
                y=names[other],
                points=[
                    ProfileReport.Point(x=row[one], y=row[other], label=label, record_id=record_id)
                    for record_id, label, row in self._points
                    if np.isfinite(row[[one, other]]).all()
                ],
            )
            for one, other in pairs[:_MAX_SCATTERS]
        ]


def _is_numeric(number: NumberColumn, value: ValueColumn) -> bool:
    count = number.sketch.count + number.infinite
    numbers = number.sketch.count
    return value.distinct >= _MIN_NUMBERS and count > 0 and numbers >= _NUMERIC_SHARE * value.values


def _attributes(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return the attributes of all records, one a row, with the row of the record."""
    column = batch.column("attributes")
    offsets = column.offsets.to_numpy()
    rows = np.repeat(np.arange(batch.num_rows), np.diff(offsets))
    keys, values = (
        each.slice(int(offsets[0]), int(offsets[-1] - offsets[0])) for each in (column.keys, column.items)
    )
    frame = pl.DataFrame(
        {"row": rows, "key": pl.Series(keys, dtype=pl.String), "value": pl.Series(values, dtype=pl.String)}
    )
    return frame.filter(pl.col("value").is_not_null())


def _own_labels(batch: pa.RecordBatch) -> list[str | None]:
    """Return the labels of the sources, without those that are texts of their own, such as answers."""
    labels: list[str | None] = batch.column("source_label").to_pylist()
    column = batch.column("attributes")
    if KIND_ATTRIBUTE not in column.keys.unique().to_pylist():
        return [label or None for label in labels]
    free = [has_free_text(dict(row or ())) for row in column.to_pylist()]
    return [None if is_free else label or None for label, is_free in zip(labels, free, strict=True)]


def _sample(
    store: ArtifactStore, shards: Sequence[str], unsealed: Unsealed, labels: Labels
) -> Iterator[Sampled]:
    """Yield the first records with their texts, cut."""
    columns, left = (*IDENTITIES, "source_label", "cluster", "text"), _SAMPLED
    for batch in map(unsealed, _batches(store, shards, columns, size=500)):
        batch = batch.slice(0, left)
        ids = batch.column("record_id").to_pylist()
        own = _own_labels(batch) if labels.are_empty else labels.of(ids)
        texts = pl.Series(batch.column("text")).str.slice(0, MAX_CHARS).to_list()
        for row in zip(ids, texts, own, batch.column("cluster").to_pylist(), strict=True):
            yield Sampled(*row)
        left -= batch.num_rows
        if not left:
            return


def _clusters(
    sample: HashSample, store: ArtifactStore, shards: Sequence[str], unsealed: Unsealed
) -> ProfileReport.DuplicateClusters:
    hashes, counts = sample.counts()
    repeated = counts > 1
    sizes: Counter[str] = Counter()
    for size, count in zip(*np.unique(counts[repeated], return_counts=True), strict=True):
        sizes[_size_range(int(size))] += int(count / sample.share)
    order = np.argsort(-counts, kind="stable")[:_LARGEST]
    largest = {int(hashes[place]): int(counts[place]) for place in order if counts[place] > 1}
    stated = ProfileReport.DuplicateClusters(
        cluster_count=int(repeated.sum() / sample.share),
        record_count=int(counts[repeated].sum() / sample.share),
        sizes=sizes,
    )
    members = _first_members(np.array(sorted(largest), np.uint64), store, shards, unsealed) if largest else {}
    stated.largest.extend(
        ProfileReport.Cluster(
            cluster=members[number][0],
            record_count=count,
            example=ProfileReport.ExampleRecord(record_id=members[number][1]),
        )
        for number, count in largest.items()
        if number in members
    )
    return stated


def _first_members(
    sought: npt.NDArray[np.uint64], store: ArtifactStore, shards: Sequence[str], unsealed: Unsealed
) -> dict[int, tuple[str, str]]:
    """Return the cluster and the first record of each hash of a cluster."""
    members: dict[int, tuple[str, str]] = {}
    for batch in map(unsealed, _batches(store, shards, (*IDENTITIES, "cluster"))):
        clusters = pl.Series(batch.column("cluster")).fill_null("")
        hashes = clusters.hash().to_numpy()
        for row in np.flatnonzero(np.isin(hashes, sought)):
            members.setdefault(
                int(hashes[row]), (clusters[int(row)], batch.column("record_id")[int(row)].as_py())
            )
        if len(members) == len(sought):
            break
    return members


def _size_range(size: int) -> str:
    """Return the range of sizes of a cluster: `2`, `3`, `4-7`, `8-15`, and so on."""
    if size <= _SIZES:
        return str(size)
    lowest = 1 << (size.bit_length() - 1)
    return f"{lowest}-{2 * lowest - 1}"
