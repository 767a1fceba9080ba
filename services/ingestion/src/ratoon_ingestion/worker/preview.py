"""The beginning of a blob, read and curated as a source would be. Its result is shown once and not stored."""

import io
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.ipc

from ratoon.ingestion.v1.example_pb2 import Example
from ratoon.ingestion.v1.source_pb2 import PreviewedRecord, RejectedItem, SourcePreview, StepPreview
from ratoon.ingestion.v1.source_pb2 import Source as SourceMessage
from ratoon.jobs.v1.ingestion_jobs_pb2 import PreviewSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import AUGMENT
from ratoon.tasks.records import from_json, record_of
from ratoon_ingestion.attachment_messages import attachment_messages
from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, RecordKind, shortened
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.example_messages import example_message
from ratoon_ingestion.source_messages import sample_by_message
from ratoon_ingestion.worker.augmenting import augmented, synonyms_of
from ratoon_ingestion.worker.batches import CURATED, items_batch
from ratoon_ingestion.worker.compared import compared, curated_table
from ratoon_ingestion.worker.decontaminate import add_unchecked, with_contamination
from ratoon_ingestion.worker.detect import detected
from ratoon_ingestion.worker.readers import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    read_source,
)
from ratoon_ingestion.worker.readers.arrow import arrow_columns
from ratoon_ingestion.worker.readers.encodings import opened
from ratoon_ingestion.worker.readers.excel import excel_columns
from ratoon_ingestion.worker.readers.media import stored
from ratoon_ingestion.worker.readers.parquet import parquet_columns
from ratoon_ingestion.worker.readers.tables import table_columns
from ratoon_ingestion.worker.references import (
    SourcesOfSteps,
    add_model_counts,
    check_ready,
    sources_of_steps,
    with_models,
)
from ratoon_ingestion.worker.spec import config_of, source_of
from ratoon_ingestion.worker.stages import CuratedBatch, StageSettings, curate_batch
from ratoon_ingestion.worker.steps.apply import EXAMPLES, Change, Report, all_texts_of

_ITEMS, _FILES = 500, 100
"""Maximum number of rows of a table, and of mails or files, which take longer, to read."""
_BYTES = 8 << 20
_SECONDS = 5.0
_SCAN_BYTES = 8 << 20
_TEXT_CHARS = 500
_EXAMPLE_CHARS = 20_000
_CONTEXT_CHARS = 60
_REJECTIONS = 20
_LABELS = 200
_PIECE = 8 << 10
_ROWS = (Format.CSV, Format.JSONL, Format.PARQUET, Format.TEXT, Format.EXCEL, Format.ARROW)
_STREAMED = (Format.CSV, Format.JSONL, Format.MBOX, Format.TEXT, Format.WARC, Format.WIKIPEDIA)


def preview(spec: PreviewSpec, artifacts: str) -> SourcePreview:
    """What the blob becomes; `problem` says why nothing usable comes of it."""
    source = replace(source_of(spec.source), name=spec.file_name or "The file")
    store = _CountingStore(artifacts)
    result = SourcePreview(size_bytes=store.size(source.digest))
    if not spec.detect:
        result.format = _format(source)
    try:
        source = _with_format(spec, source, store)
        result.format = _format(source)
        result.sample_by = sample_by_message(source.format, source.sample_by)
        store.pieces = source.format in _STREAMED
        _add_columns(result, source, store)
        _read(result, spec, source, store)
    except SourceUnreadable as error:
        result.problem_reason, result.problem = error.reason, str(error)
    return result


def _format(source: SourceSpec) -> "SourceMessage.Format.ValueType":
    return SourceMessage.Format.Value(f"FORMAT_{source.format}")


def _with_format(spec: PreviewSpec, source: SourceSpec, store: ArtifactStore) -> SourceSpec:
    if not spec.detect:
        return source
    with store.open(source.digest) as stream:
        return replace(source, format=detected(stream, spec.file_name))


def _add_columns(result: SourcePreview, source: SourceSpec, store: ArtifactStore) -> None:
    if source.format is Format.PARQUET:
        with store.open(source.digest) as stream:
            result.columns.extend(parquet_columns(source, stream))
    elif source.format is Format.ARROW:
        with store.open(source.digest) as stream:
            result.columns.extend(arrow_columns(source, stream))
    elif source.format is Format.EXCEL:
        result.columns.extend(excel_columns(source, store, Limits()))
    elif source.format in (Format.CSV, Format.JSONL):
        names, encoding = table_columns(source, store, Limits(scan_bytes=_SCAN_BYTES))
        result.columns.extend(names)
        result.encoding, result.encoding_from = encoding.codec, encoding.how.value
    elif source.format is Format.TEXT:
        with opened(source, store, Limits(scan_bytes=_SCAN_BYTES)) as (_, encoding):
            result.encoding, result.encoding_from = encoding.codec, encoding.how.value


def _read(result: SourcePreview, spec: PreviewSpec, source: SourceSpec, store: "_CountingStore") -> None:
    items: list[Item] = []
    rejections: list[Rejection] = []
    complete, until, counts = True, time.monotonic() + _SECONDS, Counter[str]()
    try:
        for read in read_source(source, store, Limits(scan_bytes=_SCAN_BYTES), counts):
            is_media = isinstance(read, Item) and read.kind is Kind.MEDIA
            entry = stored(read, store) if is_media and isinstance(read, Item) else read
            (items if isinstance(entry, Item) else rejections).append(entry)  # type: ignore[arg-type]
            if _enough(source, items, rejections, until):
                complete = False
                break
    except SourceUnreadable as error:
        result.problem_reason, result.problem = error.reason, str(error)
    result.row_counts.update(counts)
    count = len(items) + len(rejections)
    config = config_of(spec.curation) if spec.HasField("curation") else CurationConfig()
    key, excluded = bytes.fromhex(spec.record_key), frozenset(spec.excluded)
    settings = StageSettings(key, config, excluded)
    check_ready(config.steps, spec.embedding_model)
    with tempfile.TemporaryDirectory() as scratch:
        plain = ArtifactStore(store.url)
        settings = with_contamination(settings, spec.decontamination, plain, Path(scratch))
        settings = with_models(settings, source.name, spec.step_sources, plain, Path(scratch))
        outcome = curate_batch(items_batch(source, items), settings)
        outcome = _compared(outcome, settings, spec.embedding_model, Path(scratch))
        _add_copies(outcome, settings, sources_of_steps(settings, spec.step_sources, plain))
        add_unchecked(outcome.reports, settings)
        add_model_counts(outcome.reports, settings)
    rejected = [*(_unread(each) for each in rejections), *_rejected(outcome.rejected)]
    labels = Counter(item.label for item in items if item.label and not _is_answered(item))
    if not result.problem and not outcome.accepted.num_rows:
        result.problem_reason, result.problem = "NO_RECORDS", _nothing(rejected)
    result.records.extend(_records(outcome.accepted, spec.record_count, store))
    result.label_counts.update(labels.most_common(_LABELS))
    result.unlabelled_count = sum(not item.label for item in items)
    result.item_count, result.record_count = count, outcome.accepted.num_rows
    result.layout_counts.update(Counter(item.layout for item in items if item.layout))
    result.kind_counts.update(Counter(map(_kind, outcome.accepted.column("attributes").to_pylist())))
    result.rejected_counts.update(Counter(each.reason for each in rejected))
    result.rejections.extend(rejected[:_REJECTIONS])
    result.steps.extend(map(_step_preview, outcome.reports))
    result.complete = complete
    result.estimated_item_count = count if complete else _estimated(store, count, result.size_bytes)


def _compared(
    outcome: CuratedBatch, settings: StageSettings, embedding_model: str, folder: Path
) -> CuratedBatch:
    """Run the steps that compare all records over those that were read."""
    path = folder / "curated.arrow"
    with pa.ipc.new_file(str(path), CURATED) as sink:
        sink.write_batch(outcome.accepted.select(CURATED.names))
    left, gone = compared(path, settings, outcome.reports, embedding_model)
    accepted = pa.RecordBatch.from_pylist(curated_table(left).to_pylist(), schema=CURATED)
    rejected = pa.concat_tables([pa.Table.from_batches([outcome.rejected]), gone]).combine_chunks()
    rejections = rejected.to_batches()[0] if rejected.num_rows else outcome.rejected
    return replace(outcome, accepted=accepted, rejected=rejections)


def _add_copies(outcome: CuratedBatch, settings: StageSettings, sources: SourcesOfSteps) -> None:
    """Add to the report of the step `augment` the copies that a split would make of the first records."""
    step = next((step for step in settings.config.steps if step.name == AUGMENT), None)
    if step is None or not outcome.accepted.num_rows:
        return
    report = next(each for each in outcome.reports if each.name == AUGMENT)
    columns = ["record_id", "text", "source_path", "attributes", "example", "chars", "content_digest"]
    rows = pa.Table.from_batches([outcome.accepted.select(columns)])
    before = {row["record_id"]: all_texts_of(row) for row in rows.to_pylist()}
    copies = augmented(rows, step, synonyms_of(step, sources), before.keys(), settings.key, 0).to_pylist()
    report.counts["augmented"] = len(copies)
    for copy in copies[:EXAMPLES]:
        original = dict(copy["attributes"])[COPY_OF]
        change = Change(original, copy["source_path"], before[original], all_texts_of(copy))
        report.changes.append(change)


def _enough(source: SourceSpec, items: list[Item], rejections: list[Rejection], until: float) -> bool:
    max_items = _ITEMS if source.format in _ROWS else _FILES
    if len(items) >= max_items or len(rejections) >= _ITEMS or time.monotonic() > until:
        return True
    return sum(len(item.payload) for item in items) > _BYTES


def _estimated(store: "_CountingStore", count: int, size: int) -> int:
    """Items of the whole, by the share of its bytes that was read."""
    if not store.consumed:
        return 0
    return max(count, round(count * size / store.consumed))


def _is_answered(item: Item) -> bool:
    """Whether an item has answers of its own, which are no labels."""
    return item.kind.is_example and bool(from_json(item.payload.decode()).answers)


def _kind(attributes: Sequence[tuple[str, str]]) -> str:
    return dict(attributes).get(KIND_ATTRIBUTE, RecordKind.TEXT)


def _records(accepted: pa.RecordBatch, limit: int, store: ArtifactStore) -> Iterator[PreviewedRecord]:
    for row in accepted.slice(0, limit).to_pylist():
        yield PreviewedRecord(
            source_path=row["source_path"],
            text=row["text"][:_TEXT_CHARS],
            chars=row["chars"],
            label=(row["source_label"] or "")[:_TEXT_CHARS],
            language=row["language"],
            received_time=row["received_time"],
            attributes=dict(row["attributes"]),
            example=_example(row),
            attachments=attachment_messages(store, dict(row["attributes"])),
        )


def _example(row: Mapping[str, Any]) -> Example | None:
    """The conversation of a row and its answers; None for a text with at most a label."""
    if KIND_ATTRIBUTE not in dict(row["attributes"]):
        return None
    record = record_of(row["text"], row["source_label"], row["example"])
    return example_message(shortened(record, _TEXT_CHARS, _EXAMPLE_CHARS))


def _step_preview(report: Report) -> StepPreview:
    return StepPreview(
        name=report.name,
        record_count=report.received,
        changed_count=report.changed,
        removed_counts=dict(sorted(report.removed.items())),
        changes=[
            StepPreview.Change(source_path=change.source_path, before=before, after=after)
            for change in report.changes
            for before, after in [_differences(change.before, change.after)]
        ],
        seconds=report.seconds,
        counts=report.stated_counts,
    )


def _differences(before: str, after: str) -> tuple[str, str]:
    """Return the part in which two texts differ, with what stands just before it."""
    start = _shared(before, after)
    end = min(_shared(before[::-1], after[::-1]), min(len(before), len(after)) - start)
    begin = max(0, start - _CONTEXT_CHARS)
    return (
        before[begin : len(before) - end][:_TEXT_CHARS],
        after[begin : len(after) - end][:_TEXT_CHARS],
    )


def _shared(left: str, right: str) -> int:
    """Return the number of characters that two texts begin with alike."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(left), len(right)))


def _unread(rejection: Rejection) -> RejectedItem:
    return RejectedItem(
        source_path=rejection.path, step="read", reason=rejection.reason.value, detail=rejection.detail
    )


def _rejected(batch: pa.RecordBatch) -> Iterator[RejectedItem]:
    names = ["source_path", "step", "reason", "detail", "text_start"]
    for row in batch.select(names).to_pylist():
        yield RejectedItem(**row)


def _nothing(rejected: Sequence[RejectedItem]) -> str:
    worst = Counter((each.reason, each.step) for each in rejected).most_common(3)
    reasons = ", ".join(f"{count} {reason} in {step}" for (reason, step), count in worst)
    detail = next((each.detail for each in rejected if each.detail), "")
    return (
        f"None of the items that were read becomes a record ({reasons}{'; ' if detail else ''}{detail}). "
        "Check the format, the columns and the encoding."
    )


class _CountingStore(ArtifactStore):
    """The artifact store; `consumed` is how many bytes of the blob opened last were read, if it is read in `pieces`."""

    consumed = 0
    pieces = False

    def open(self, digest: str) -> BinaryIO:
        """A blob, read in small pieces."""
        self.consumed = 0
        stream = super().open(digest)
        return cast(BinaryIO, _Counting(stream, self)) if self.pieces else stream


class _Counting(io.RawIOBase):
    def __init__(self, stream: BinaryIO, store: _CountingStore) -> None:
        self._stream, self._store = stream, store

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """As blobs are."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """The next bytes: all that are left, or at most a piece."""
        data = self._stream.read(size if size < 0 else min(size, _PIECE))
        self._store.consumed += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """The next piece."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the blob."""
        self._stream.close()
        super().close()
