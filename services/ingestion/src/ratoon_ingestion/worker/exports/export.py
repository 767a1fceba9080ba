"""An export: reads shards a few rows at a time, and writes one file after the other."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.ingestion.v1.export_pb2 import ExportedFile
from ratoon.jobs.v1.dataset_jobs_pb2 import ExportResult, ExportSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.attachments import digests_of
from ratoon_ingestion.worker.batches import RECORDS
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.exports.attachments import IMAGE, Attachments, with_features
from ratoon_ingestion.worker.exports.cards import SPLIT_NAMES, About, croissant, dataset_card
from ratoon_ingestion.worker.exports.columns import FLAT, flat
from ratoon_ingestion.worker.exports.sink import Sink
from ratoon_ingestion.worker.exports.tables import (
    JsonLines,
    LabelStudioTasks,
    Writer,
    csv_writer,
    parquet_writer,
)
from ratoon_ingestion.worker.exports.tokens import TokenWriter, encoder
from ratoon_ingestion.worker.parts import PART
from ratoon_ingestion.worker.sealed import IDENTITIES, Unsealed
from ratoon_ingestion.worker.tree import SHARD_RECORDS

_BATCH_ROWS = 500
_WHOLE = "train"
"""Name of the records of a version, which has no parts: readers expect a part for training."""
_JSON_COLUMNS = [
    (name, "string") for name in ("id", "text", "label", "language", "source", "license", "time")
]


@dataclass(frozen=True)
class _Layout:
    """Files of a format of tables."""

    path: str
    """Path of a file, from `part`, `shard` and `shards`."""
    write: Writer
    encoding: str
    columns: Callable[[], Sequence[tuple[str, str]]]
    """Returns the columns once the files are written."""


@dataclass(frozen=True)
class _Part:
    """Records that are exported together."""

    name: str
    blobs: Sequence[str]
    rows: int
    schema: pa.Schema


def export(spec: ExportSpec, store: ArtifactStore, scratch: Path, report: Progress) -> ExportResult:
    """Write the files; returns the tree, its files, and the numbers of records and tokens."""
    folder = scratch / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _exported(spec, store, folder, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exported(spec: ExportSpec, store: ArtifactStore, folder: Path, report: Progress) -> ExportResult:
    unsealed = Unsealed(store, spec.sealed_parts)
    sink, parts = Sink(store, folder), _parts(spec, store, unsealed)
    reader = _Reader(store, sum(part.rows for part in parts), report, unsealed)
    tokens = 0
    if spec.format in ("MEGATRON", "TOKENS"):
        tokens = _write_tokens(spec, parts, reader, sink, store, folder)
    else:
        attachments = Attachments(store, _attached(store, unsealed, parts))
        _write_tables(spec, parts, reader, sink, attachments)
    return ExportResult(
        artifact_digest=sink.tree(), files=sink.files, records=sum(part.rows for part in parts), tokens=tokens
    )


def _attached(store: ArtifactStore, unsealed: Unsealed, parts: Sequence[_Part]) -> set[str]:
    """Return the digests that the exported records refer to."""
    digests = set[str]()
    for blob in (blob for part in parts for blob in part.blobs):
        with store.open(blob) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(columns=list(IDENTITIES), use_threads=False):
                digests |= digests_of(unsealed(batch).column("attributes"))
    return digests


def _parts(spec: ExportSpec, store: ArtifactStore, unsealed: Unsealed) -> list[_Part]:
    if spec.version:
        blobs = [file.sha256 for file in store.tree(spec.version) if file.path.startswith("records-")]
        count = partial(_unsealed_rows, store, unsealed) if spec.sealed_parts else partial(_rows, store)
        return [_Part(_WHOLE, blobs, sum(map(count, blobs)), RECORDS)]
    return [
        _Part(SPLIT_NAMES[each.part], [each.digest], _rows(store, each.digest), PART) for each in spec.parts
    ]


def _rows(store: ArtifactStore, digest: str) -> int:
    with store.open(digest) as stream:
        return int(pq.ParquetFile(stream).metadata.num_rows)


def _unsealed_rows(store: ArtifactStore, unsealed: Unsealed, digest: str) -> int:
    with store.open(digest) as stream:
        batches = pq.ParquetFile(stream).iter_batches(columns=list(IDENTITIES), use_threads=False)
        return sum(unsealed(batch).num_rows for batch in batches)


class _Reader:
    """Reads parts in batches, and reports how far it is."""

    def __init__(self, store: ArtifactStore, total: int, report: Progress, unsealed: Unsealed) -> None:
        self._store, self._total, self._report, self._unsealed = store, total, report, unsealed
        self._done = 0

    def batches(self, part: _Part) -> Iterator[pa.RecordBatch]:
        """Batches with the columns of the part's schema; those that an older release did not write are null."""
        for blob in part.blobs:
            with self._store.open(blob) as stream:
                file = pq.ParquetFile(stream)
                for batch in map(
                    self._unsealed, file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
                ):
                    yield _conform(batch, part.schema)
                    self._done += batch.num_rows
                    self._report(
                        0.98 * self._done / max(1, self._total),
                        "Writing files",
                        done=self._done,
                        total=self._total,
                        unit="records",
                    )

    def shards(self, part: _Part) -> Iterator[Iterator[pa.RecordBatch]]:
        """The batches of one file after the other."""
        batches = self.batches(part)
        rest: list[pa.RecordBatch] = []
        for _ in range(_shard_count(part)):
            yield _limited(chain(tuple(rest), batches), SHARD_RECORDS, rest)


def _shard_count(part: _Part) -> int:
    return max(1, -(-part.rows // SHARD_RECORDS))


def _limited(
    batches: Iterator[pa.RecordBatch], count: int, rest: list[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Batches with this many rows in all; the part of the last one that is too much is left in `rest`."""
    left = count
    for batch in batches:
        yield batch.slice(0, left)
        if batch.num_rows >= left:
            rest[:] = [batch.slice(left)] if batch.num_rows > left else []
            return
        left -= batch.num_rows
    rest.clear()


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    present = batch.schema.names
    arrays = [
        batch.column(field.name).cast(field.type)
        if field.name in present
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _write_tables(
    spec: ExportSpec, parts: Sequence[_Part], reader: _Reader, sink: Sink, attachments: Attachments
) -> None:
    layout = _layout(spec, parts[0].schema, attachments)
    for part in parts:
        for shard, batches in enumerate(reader.shards(part)):
            path = layout.path.format(part=part.name, shard=shard, shards=_shard_count(part))
            with sink.file(path) as local:
                layout.write(local, batches)
    has_column = spec.format == "HUGGING_FACE" and attachments.has_images
    tables = sink.files
    attachments.store(sink, images=not has_column)
    if spec.format == "LABEL_STUDIO":
        return
    _describe(
        spec, parts, layout, sink, tables, FLAT.append(pa.field("image", IMAGE)) if has_column else FLAT
    )


def _layout(spec: ExportSpec, schema: pa.Schema, attachments: Attachments) -> _Layout:
    name = "{part}-{shard:05d}-of-{shards:05d}"
    flat_columns = [(field.name, str(field.type)) for field in FLAT]
    match spec.format:
        case "PARQUET":
            plain = [(field.name, str(field.type)) for field in schema if not pa.types.is_nested(field.type)]
            writer = parquet_writer(schema, lambda batch: batch)
            return _Layout(f"{name}.parquet", writer, "application/x-parquet", lambda: plain)
        case "HUGGING_FACE":
            writer = (
                attachments.with_images(FLAT, flat)
                if attachments.has_images
                else parquet_writer(with_features(FLAT), flat)
            )
            return _Layout(f"data/{name}.parquet", writer, "application/x-parquet", lambda: flat_columns)
        case "CSV":
            return _Layout(f"{name}.csv", csv_writer(spec.escape_formulas), "text/csv", lambda: flat_columns)
        case "LABEL_STUDIO":
            tasks = LabelStudioTasks(attachments)
            return _Layout(f"{name}.json", tasks, "application/json", tasks.columns)
    lines = JsonLines(attachments)
    return _Layout(f"{name}.jsonl", lines, "application/jsonlines", lines.columns)


def _describe(
    spec: ExportSpec,
    parts: Sequence[_Part],
    layout: _Layout,
    sink: Sink,
    files: Sequence[ExportedFile],
    columns: pa.Schema,
) -> None:
    about = About(spec.title, spec.date, list(spec.licenses), {part.name: part.rows for part in parts})
    write = partial(_write_text, sink)
    write("croissant.json", croissant(about, files, layout.encoding, layout.columns()))
    if spec.format == "HUGGING_FACE":
        write("README.md", dataset_card(about, columns))


def _write_text(sink: Sink, path: str, text: str) -> None:
    with sink.file(path) as local:
        local.write_text(text, encoding="utf-8")


def _write_tokens(
    spec: ExportSpec,
    parts: Sequence[_Part],
    reader: _Reader,
    sink: Sink,
    store: ArtifactStore,
    folder: Path,
) -> int:
    writer = TokenWriter(
        sink, folder, encoder(store, spec.tokenizer, spec.end_token), spec.format == "MEGATRON"
    )
    for part in parts:
        writer.write(part.name, reader.batches(part))
    writer.describe(spec.tokenizer)
    return writer.tokens
