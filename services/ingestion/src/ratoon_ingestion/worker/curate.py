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

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationResult, CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import SEGMENT, complete
from ratoon_ingestion.domain.curation import CurationConfig, Rejected
from ratoon_ingestion.worker.batches import CURATED, REJECTED, SKETCHES, VOTES
from ratoon_ingestion.worker.decontaminate import add_unchecked, with_contamination
from ratoon_ingestion.worker.deduplicate import Deduplicated, Vote, deduplicate, with_families
from ratoon_ingestion.worker.earlier import EarlierVersions, sketches_in_blocks
from ratoon_ingestion.worker.executor import Executor, executor_of
from ratoon_ingestion.worker.index.stored import index_store, layout_for
from ratoon_ingestion.worker.index.write import build
from ratoon_ingestion.worker.profile import REPLACED, Counts, profile_of, with_step
from ratoon_ingestion.worker.reading import SourceReader
from ratoon_ingestion.worker.references import with_models
from ratoon_ingestion.worker.spec import config_of, report_message, source_of
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.steps.apply import Report
from ratoon_ingestion.worker.steps.registry import check_installed
from ratoon_ingestion.worker.tree import merkle_root, write_json, write_records, write_rejected

JSON = dict[str, Any]


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
    check_installed(config.steps)
    with _workplace(scratch) as folder:
        settings = with_contamination(settings, spec.decontamination, store, folder)
        settings = with_models(settings, spec.step_sources, store, folder)
        reader = SourceReader(tuple(map(source_of, spec.sources)), store)
        rejected, reports = _curate_batches(
            executor_of(spec, store), settings, reader, folder / "curated.arrow", report
        )
        with pa.memory_map(str(folder / "curated.arrow")) as source, index_store(store, folder) as indexes:
            curated = pa.ipc.open_file(source).read_all()
            report(
                0.85, "Looking for duplicates", done=curated.num_rows, total=curated.num_rows, unit="records"
            )
            unique = with_families(curated, deduplicate(curated, config, folder))
            records = _records(curated, unique, key)
            earlier = EarlierVersions(spec, config, store, indexes)
            unique, places = earlier.without(curated, unique, _ids(records))
            records = records.take(pa.array(places, pa.int64()))
            report(0.95, "Writing records", done=len(unique.rows), total=len(unique.rows), unit="records")
            rejected = pa.concat_tables([rejected, pa.Table.from_batches([unique.rejected])])
            counts = _counted(reader.items, records, rejected, config, added_by(reports))
            result = _write(spec, config, folder / "tree", counts, records, rejected, unique.counts)
            result.artifact_digest = store.put_tree(folder / "tree")
            report(0.98, "Indexing records", done=len(unique.rows), total=len(unique.rows), unit="records")
            layout = layout_for(config.cluster_threshold, result.artifact_digest)
            sketches = sketches_in_blocks(curated, unique, _ids(records))
            result.index = earlier.index_with(build(sketches, layout, indexes.path()))
        add_unchecked(reports, settings)
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
    rejected: list[pa.RecordBatch] = []
    reports = [Report(step.name) for step in complete(settings.config.steps)]
    done, fraction = 0, 0.0

    def waits(message: str) -> None:
        report(fraction, message, done=done, unit="items")

    with pa.ipc.new_file(str(path), CURATED) as sink:
        for outcome in executor.curated(reader.batches(), settings, waits):
            sink.write_batch(outcome.accepted.select(CURATED.names))
            rejected.append(outcome.rejected)
            for total, of_batch in zip(reports, outcome.reports, strict=True):
                total.add(of_batch)
            done += outcome.accepted.num_rows + outcome.rejected.num_rows
            fraction = 0.8 * max(reader.share_done, done / (done + 1_000))
            report(fraction, f"Curated {done:,} items", done=done, unit="items")
    return pa.concat_tables([reader.rejected(), pa.Table.from_batches(rejected, schema=REJECTED)]), reports


def _records(curated: pa.Table, unique: Deduplicated, key: bytes) -> pa.Table:
    """The rows that stay, with their clusters; the second record of one source text gets an id of its own."""
    rows = pa.array(unique.rows, pa.int64())
    ids = curated.column("record_id").take(rows).to_pylist()
    occurrences: Counter[str] = Counter()
    names = []
    for record_id in ids:
        names.append(repeated(record_id, occurrences[record_id], key))
        occurrences[record_id] += 1
    table = curated.select([name for name in CURATED.names if name not in SKETCHES.names]).take(rows)
    table = table.set_column(
        table.schema.get_field_index("record_id"), "record_id", pa.array(names, pa.string())
    )
    table = _with_votes(table, [unique.votes.get(row) for row in unique.rows])
    return table.append_column("cluster", pa.array(unique.clusters, pa.string()))


def _ids(records: pa.Table) -> list[str]:
    ids: list[str] = records.column("record_id").to_pylist()
    return ids


def _with_votes(table: pa.Table, votes: Sequence[Sequence[Vote] | None]) -> pa.Table:
    """The records with the labels of those in conflict as votes, and no label of their own."""
    disputed = pa.array([each is not None for each in votes], pa.bool_())
    labels = pc.if_else(disputed, pa.scalar(None, pa.string()), table.column("source_label"))
    table = table.set_column(table.schema.get_field_index("source_label"), "source_label", labels)
    return table.append_column("label_votes", pa.array(votes, VOTES))


def repeated(record_id: str, occurrence: int, key: bytes) -> str:
    """The id of a further record of the same source text; `occurrence` 0 is the first."""
    if not occurrence:
        return record_id
    return hmac.new(key, f"{record_id}:{occurrence}".encode(), hashlib.sha256).hexdigest()


def _write(
    spec: CurationSpec,
    config: CurationConfig,
    tree: Path,
    counts: Counts,
    records: pa.Table,
    rejected: pa.Table,
    duplicates: dict[str, int],
) -> CurationResult:
    ids, digests = records.column("record_id").to_pylist(), records.column("content_digest").to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    write_records(tree, records, order)
    write_rejected(tree, rejected)
    profile = profile_of(records, counts, config, duplicates)
    write_json(tree, "profile.json", profile)
    totals: JSON = {
        "merkle_root": merkle_root([ids[row] for row in order], [digests[row] for row in order]),
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
            "sources": [asdict(source_of(source)) for source in spec.sources],
            "code_version": spec.code_version,
        },
    )
    result = CurationResult(**totals)
    result.profile.update(profile)
    return result


def _check_losses(counts: Counts, records: pa.Table, config: CurationConfig) -> None:
    """CharactersLost when too many of the texts hold characters that could not be decoded."""
    broken = sum(
        count for (_, reason), count in counts.rejected.items() if reason == Rejected.BROKEN_CHARACTERS
    )
    lost = broken + with_step(records, REPLACED)
    total = broken + records.num_rows
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


def _counted(items: int, records: pa.Table, rejected: pa.Table, config: CurationConfig, added: int) -> Counts:
    """The books, which must balance."""
    reasons = Counter(
        zip(rejected.column("step").to_pylist(), rejected.column("reason").to_pylist(), strict=True)
    )
    counts = Counts(items, records.num_rows, dict(reasons), added)
    if not counts.balanced:
        raise RecordsLost(
            f"{items} items were read, but {records.num_rows} records and {counts.rejected_total} "
            "rejections were written."
        )
    _check_losses(counts, records, config)
    if not counts.records:
        worst = ", ".join(f"{count} {reason} in {step}" for (step, reason), count in reasons.most_common(3))
        every = "The only item was" if items == 1 else f"All {items:,} items were"
        raise NothingLeft(
            f"{every} rejected ({worst}). Check the format, the columns and the encoding of the sources "
            "(`ratoon datasets import FILE --preview`), and the curation."
        )
    return counts
