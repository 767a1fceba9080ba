"""A curation: from sources to the tree of a dataset version.

Sources are read here, batches curated by the executor, curated batches spilled to an Arrow file that is mapped
into memory. The duplicate search goes over it; records leave in record id order. Nothing depends on the number
of processes.
"""

import hashlib
import hmac
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationResult, CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import SEGMENT, complete
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep, EarlierRecords, Rejected
from ratoon_ingestion.worker.attachments import with_attachments
from ratoon_ingestion.worker.batches import CURATED, REJECTED
from ratoon_ingestion.worker.compared import compared
from ratoon_ingestion.worker.curated import Curated
from ratoon_ingestion.worker.decontaminate import add_unchecked, with_contamination
from ratoon_ingestion.worker.deduplicate import (
    EXACT,
    NEAR,
    Deduplicated,
    deduplicated,
    mapped_table,
    rejections,
    spooled,
    with_families,
)
from ratoon_ingestion.worker.earlier import EarlierVersions, sketches_in_blocks
from ratoon_ingestion.worker.executor import Executor, executor_of
from ratoon_ingestion.worker.index.stored import index_store, layout_for
from ratoon_ingestion.worker.index.write import build
from ratoon_ingestion.worker.names import (
    Names,
    Numbers,
    hexadecimal,
    hexadecimals,
    in_digits,
    is_first,
    names_of,
    order_of,
)
from ratoon_ingestion.worker.profile import REPLACED, Counts, ProfileBuilder
from ratoon_ingestion.worker.readers import SourceSpec
from ratoon_ingestion.worker.reading import SourceReader
from ratoon_ingestion.worker.references import add_model_counts, check_ready, with_models
from ratoon_ingestion.worker.sorted_records import Staying, in_id_order
from ratoon_ingestion.worker.spec import config_of, report_message, source_of
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.steps.apply import Report
from ratoon_ingestion.worker.stored_batches import mapped_batches
from ratoon_ingestion.worker.tree import RecordWriter, merkle_root, write_json, write_rejected, writing

JSON = dict[str, Any]

_REJECTED_BATCHES = 64
"""Batches whose rejections are written at a time."""


class Progress(Protocol):
    """Reports the progress of a job."""

    def __call__(
        self, fraction: float, message: str, *, done: int = 0, total: int = 0, unit: str = ""
    ) -> None:
        """Fraction 0..1, a sentence, done of total units (0: not known yet)."""
        ...


class RecordsLost(Exception):
    """The books do not balance: a defect of ours, and never a version."""

    code, reason = "INTERNAL", "RECORDS_LOST"


class CharactersLost(Exception):
    """Too many texts hold characters that could not be decoded."""

    code, reason = "FAILED_PRECONDITION", "CHARACTERS_LOST"


class NothingLeft(Exception):
    """Every item was rejected."""

    code, reason = "FAILED_PRECONDITION", "NO_RECORDS"


def curate(spec: CurationSpec, store: ArtifactStore, scratch: Path, report: Progress) -> CurationResult:
    """Make the version; returns the digest of its tree, the Merkle root, the counts and the profile."""
    key, config = bytes.fromhex(spec.record_key), config_of(spec.curation)
    settings = StageSettings(key, config, frozenset(spec.excluded))
    check_ready(config.steps, spec.embedding_model)
    with _workplace(scratch) as folder:
        settings = with_contamination(settings, spec.decontamination, store, folder)
        settings = with_models(settings, spec.version, spec.step_sources, store, folder)
        reader = SourceReader(tuple(map(source_of, spec.sources)), store, folder=folder)
        rejected, reports = _curate_batches(
            executor_of(spec, store, folder), settings, reader, folder / "curated.arrow", report
        )
        with index_store(store, folder) as indexes:
            path, gone = compared(folder / "curated.arrow", settings, reports, spec.embedding_model)
            rejected = pa.concat_tables([rejected, gone])
            records = Curated(mapped_batches(path), folder)
            report(0.85, "Looking for duplicates", done=len(records), total=len(records), unit="records")
            unique = with_families(records, deduplicated(records, config, folder))
            earlier = EarlierVersions(spec, config, store, indexes)
            staying, rejected = _staying(records, unique, rejected, earlier, spec, folder)
            report(0.95, "Writing records", done=len(staying.rows), total=len(staying.rows), unit="records")
            counts = Counts(reader.items, len(staying.rows), _reasons(rejected), added_by(reports))
            result, attachments = _write(spec, folder, counts, records, staying, rejected, unique.counts)
            result.artifact_digest = with_attachments(store, store.put_tree(folder / "tree"), attachments)
            report(0.98, "Indexing records", done=len(staying.rows), total=len(staying.rows), unit="records")
            layout = layout_for(config.cluster_threshold, result.artifact_digest)
            sketches = sketches_in_blocks(records, staying.rows, staying.ids)
            result.index = earlier.index_with(build(sketches, layout, indexes.path()))
        add_unchecked(reports, settings)
        add_model_counts(reports, settings)
    if reader.row_counts:
        result.step_reports.append(report_message(Report("rows", reader.items, counts=reader.row_counts)))
    result.step_reports.extend(map(report_message, reports))
    return result


@contextmanager
def _workplace(scratch: Path) -> Iterator[Path]:
    """A directory for intermediate files; the files of a killed attempt are removed."""
    folder = scratch / "work"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tree").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _curate_batches(
    executor: Executor, settings: StageSettings, reader: SourceReader, path: Path, report: Progress
) -> tuple[pa.Table, list[Report]]:
    """Curate all batches into an Arrow file; returns what was rejected on the way, and what each step did."""
    reports = [Report(step.name) for step in complete(settings.config.steps)]
    done, fraction = 0, 0.0

    def waits(message: str) -> None:
        report(fraction, message, done=done, unit="items")

    rejected, gone = path.with_name("rejected.arrow"), list[pa.RecordBatch]()
    with pa.ipc.new_file(str(path), CURATED) as sink, pa.ipc.new_file(str(rejected), REJECTED) as other:
        for outcome in executor.curated(reader.batches(), settings, waits):
            sink.write_batch(outcome.accepted.select(CURATED.names))
            gone.append(outcome.rejected)
            if len(gone) == _REJECTED_BATCHES:
                _write_as_one(gone, other)
            for total, of_batch in zip(reports, outcome.reports, strict=True):
                total.add(of_batch)
            done += outcome.accepted.num_rows + outcome.rejected.num_rows
            fraction = 0.8 * max(reader.share_done, done / (done + 1_000))
            report(fraction, f"Curated {done:,} items", done=done, unit="items")
        _write_as_one(gone, other)
    return pa.concat_tables([reader.rejected(), mapped_table(rejected)]), reports


def _write_as_one(batches: list[pa.RecordBatch], sink: pa.ipc.RecordBatchFileWriter) -> None:
    """Write rejections as one batch, of which a table holds less than of many, and clear the list."""
    sink.write_table(pa.Table.from_batches(batches, REJECTED).combine_chunks())
    batches.clear()


def _staying(
    records: Curated,
    unique: Deduplicated,
    rejected: pa.Table,
    earlier: EarlierVersions,
    spec: CurationSpec,
    folder: Path,
) -> tuple[Staying, pa.Table]:
    """The records that stay, and all rejections; those of earlier versions are excluded or marked."""
    ids = _own_ids(records, unique.rows, bytes.fromhex(spec.record_key))
    rejected = pa.concat_tables([rejected, unique.rejected])
    if not earlier:
        return Staying(unique.rows, ids, unique.clusters, unique.votes), rejected
    repeats = earlier.repeated(records, unique.rows, ids)
    unique.counts.update(repeats.counts)
    rows = unique.rows[repeats.places]
    if config_of(spec.curation).earlier_versions is EarlierRecords.MARK:
        names = zip(rows.tolist(), repeats.is_equal.tolist(), hexadecimals(repeats.ids), strict=True)
        marks = {row: {f"earlier_{'equal' if is_equal else 'near'}": name} for row, is_equal, name in names}
        return Staying(unique.rows, ids, unique.clusters, unique.votes, marks), rejected
    place_of = dict(zip(rows.tolist(), range(len(rows)), strict=True))

    def reason(row: int) -> tuple[CurationStep, Rejected, str]:
        kind = EXACT if repeats.is_equal[place_of[row]] else NEAR
        return *kind, hexadecimal(repeats.ids[place_of[row]])

    def own_id(row: int) -> str:
        return hexadecimal(ids[repeats.places[place_of[row]]])

    gone = spooled(rejections(records, rows, reason, own_id), folder, "earlier")
    stays = np.ones(len(unique.rows), np.bool_)
    stays[repeats.places] = False
    votes = {row: each for row, each in unique.votes.items() if row not in place_of}
    staying = Staying(unique.rows[stays], ids[stays], unique.clusters[stays], votes)
    return staying, pa.concat_tables([rejected, gone])


def _own_ids(records: Curated, rows: Numbers, key: bytes) -> Names:
    """The ids of the rows that stay; the second record of one source text gets an id of its own."""
    ids: Names = records.arrays.taken(records.ids, rows)
    order = order_of(ids, arrays=records.arrays)
    again = ~is_first(ids, order)
    occurrence = 0
    for place in np.flatnonzero(again).tolist():
        occurrence = occurrence + 1 if again[place - 1] else 1
        own = repeated(hexadecimal(records.ids[rows[order[place]]]), occurrence, key)
        ids[order[place]] = names_of([own])[0]
    return ids


def repeated(record_id: str, occurrence: int, key: bytes) -> str:
    """The id of a further record of the same source text; `occurrence` 0 is the first."""
    if not occurrence:
        return record_id
    return hmac.new(key, f"{record_id}:{occurrence}".encode(), hashlib.sha256).hexdigest()


def _write(
    spec: CurationSpec,
    folder: Path,
    counts: Counts,
    records: Curated,
    staying: Staying,
    rejected: pa.Table,
    duplicates: dict[str, int],
) -> tuple[CurationResult, set[str]]:
    """Write the tree; return the result, and the digests of the files that its records refer to."""
    config, tree = config_of(spec.curation), folder / "tree"
    _check_counted(counts, config)
    builder, writer = ProfileBuilder(folder), RecordWriter(tree)
    with writing(writer, spec.processes) as write:
        for table in in_id_order(records, staying, folder):
            builder.add(table)
            write(table)
    _check_losses(counts, builder, config)
    write_rejected(tree, rejected)
    profile = builder.result(counts, config, duplicates)
    write_json(tree, "profile.json", profile)
    order = order_of(staying.ids, arrays=records.arrays)
    totals: JSON = {
        "merkle_root": merkle_root(
            in_digits(staying.ids, order),
            in_digits(records.digests, records.arrays.taken(staying.rows, order)),
        ),
        "items": counts.items,
        "records": counts.records,
        "rejected": counts.rejected_total,
    }
    write_json(
        tree,
        "manifest.json",
        {
            "merkle_root": totals["merkle_root"],
            "counts": {name: totals[name] for name in ("items", "records", "rejected")},
            "config": config.stated(),
            "sources": [_stated(source_of(source)) for source in spec.sources],
            "code_version": spec.code_version,
        },
    )
    result = CurationResult(**totals)
    result.profile.update(profile)
    return result, builder.attachments


def _stated(source: SourceSpec) -> JSON:
    """Return a source as the manifest names it; settings of newer releases only if they are set."""
    newer = {"withdrawn", "rows", "whole_rows"}
    return {name: value for name, value in asdict(source).items() if value or name not in newer}


def _check_losses(counts: Counts, profile: ProfileBuilder, config: CurationConfig) -> None:
    """CharactersLost when too many of the texts hold characters that could not be decoded."""
    broken = sum(
        count for (_, reason), count in counts.rejected.items() if reason == Rejected.BROKEN_CHARACTERS
    )
    lost = broken + profile.steps[REPLACED]
    total = broken + profile.records
    if lost > config.max_replaced_share * total:
        raise CharactersLost(
            f"{lost:,} of {total:,} texts hold characters that could not be decoded, more than "
            f"{config.max_replaced_share:.0%} of them. Name the sources' encoding (such as gb18030 or windows-1252), "
            "save them as UTF-8, or raise `max_replaced_share` of the curation."
        )


def added_by(reports: Sequence[Report]) -> int:
    """Return how many records the step `segment` added to those that it received."""
    counts = (report.counts for report in reports if report.name == SEGMENT)
    return sum(each["segments"] - each["segmented"] for each in counts)


def _reasons(rejected: pa.Table) -> Counter[tuple[str, str]]:
    """Count the rejections of each step and reason."""
    return Counter(
        pair
        for batch in rejected.to_batches()
        for pair in zip(batch.column("step").to_pylist(), batch.column("reason").to_pylist(), strict=True)
    )


def _check_counted(counts: Counts, config: CurationConfig) -> None:
    """Check the books, which must balance, and that a record is left."""
    if not counts.balanced:
        raise RecordsLost(
            f"{counts.items} items were read, but {counts.records} records and {counts.rejected_total} "
            "rejections were written."
        )
    if not counts.records:
        _check_losses(counts, ProfileBuilder(), config)
        reasons = Counter(counts.rejected).most_common(3)
        worst = ", ".join(f"{count} {reason} in {step}" for (step, reason), count in reasons)
        every = "The only item was" if counts.items == 1 else f"All {counts.items:,} items were"
        raise NothingLeft(
            f"{every} rejected ({worst}). Check the format, the columns and the encoding of the sources "
            "(`ratoon datasets import FILE --preview`), and the curation."
        )
