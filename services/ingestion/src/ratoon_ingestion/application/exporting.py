"""Exports: creation, the job behind them, opening, deletion, and what an erasure does to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from json import loads

from ratoon.operations.job_machine import step
from ratoon.operations.job_procedure import JobProcedure, JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched, parent_of, project_of
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import DATASET, SPLIT, VERSION, check_no_erasure
from ratoon_ingestion.application.ports import Blobs
from ratoon_ingestion.application.procedures import POLL_INTERVAL_S
from ratoon_ingestion.application.sealing import SealedReader, log_reading, sealed_digests
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Plan
from ratoon_ingestion.domain.errors import BadExport, BlobMissing, NotReady, ResourceInUse
from ratoon_ingestion.domain.exports import (
    Export,
    Exported,
    check_export,
    check_reading,
    check_ready,
    exported,
    redacted,
)
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Split
from ratoon_ingestion.domain.work import State

EXPORT = f"{DATASET}/exports/*"
_DEFAULT_PARTS = (Part.TRAIN, Part.VALIDATION)


@dataclass(frozen=True)
class CreateExport:
    """Create this export, whose name is still `parent` (a dataset)."""

    export: Export
    export_id: str
    request_id: str = ""


@dataclass(frozen=True)
class OpenExport:
    """Hand out the files of an export to `reader` for `purpose`; `principal` requested it."""

    name: str
    reader: str
    purpose: str
    principal: str


@dataclass(frozen=True)
class ExportJob:
    """An export, and the digests of what it reads."""

    export: Export
    version_digest: str
    parts: tuple[tuple[Part, str], ...]
    licenses: tuple[str, ...]
    sealed_parts: tuple[str, ...] = ()
    """Test parts whose records are left out of a version."""


Exports = JobRunner[ExportJob, Exported]


def create_export(
    command: CreateExport, principal: str, store: Store, operations: Operations, blobs: Blobs, clock: Clock
) -> Export:
    """Create an export; the work starts with the commit. A reading of the test part commits with it."""
    parent = command.export.name
    matched(parent, DATASET, "parent")
    now = clock.now()
    name = f"{parent}/exports/{checked_id(command.export_id, 'export_id')}"
    export = replace(command.export, name=name, create_time=now, update_time=now)
    if export.split and not export.parts:
        export = replace(export, parts=_DEFAULT_PARTS)
    check_export(export)
    if export.tokenizer_digest and not blobs.exists(export.tokenizer_digest):
        raise BlobMissing(f"There is no artifact {export.tokenizer_digest}. Upload the tokenizer first.")
    with store.write() as tx:
        check_no_erasure(tx, parent)
        tx.get(Dataset, parent)
        _check_origin(tx, export)
        export, new = tx.create(export, command.request_id)
        if new:
            if export.is_sealed:
                log_reading(tx, export.split, SealedReader(export.reader, export.purpose, principal), clock)
            operations.begin(tx, export)
    return export


def _check_origin(tx: Transaction, export: Export) -> None:
    """The version or split is of the dataset of the export, and readable."""
    name = export.split or export.dataset_version
    matched(name, *((SPLIT, "split") if export.split else (VERSION, "dataset_version")))
    if parent_of(name) != parent_of(export.name):
        raise BadExport(f"{name} does not belong to {parent_of(export.name)}.")
    origin = tx.get(Split, name) if export.split else tx.get(DatasetVersion, name)
    if not origin.state.readable:
        raise NotReady(f"{name} is {origin.state}; it can be exported once it is READY.")


def open_export(command: OpenExport, store: Store, clock: Clock) -> Export:
    """Return the export with its files. A reading of the test part commits before the digests leave."""
    matched(command.name, EXPORT)
    with store.write() as tx:
        export = tx.get(Export, command.name)
        check_ready(export)
        check_reading(export, command.reader, command.purpose)
        if export.is_sealed:
            log_reading(
                tx, export.split, SealedReader(command.reader, command.purpose, command.principal), clock
            )
    return export


def delete_export(export: Export, tx: Transaction) -> Sequence[str]:
    """Delete an export that has ended; ResourceInUse in any other state. Returns the blobs that go with it."""
    check_no_erasure(tx, export.name)
    if not export.state.ended:
        raise ResourceInUse(f"{export.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(export)
    return _without_others(tx, [export])


def remove_blobs(digests: Sequence[str], blobs: Blobs) -> None:
    """Delete the blobs of an export that is deleted: an erasure would not find them any more."""
    for digest in digests:
        blobs.delete(digest)


def export_procedure(store: Store, jobs: Exports) -> JobProcedure[Export, ExportJob, Exported]:
    """Return the procedure behind CreateExport."""
    return JobProcedure(
        Export, "export", jobs, partial(export_job, store), partial(step, complete=exported), POLL_INTERVAL_S
    )


def export_job(store: Store, export: Export) -> ExportJob:
    """Return the input of an export."""
    with store.read() as tx:
        split = tx.get(Split, export.split) if export.split else None
        version = tx.get(DatasetVersion, split.dataset_version if split else export.dataset_version)
        sealed = () if split else sealed_digests(tx, export.name)
    licenses = loads(version.profile_json or "{}").get("licences", {})
    return ExportJob(
        export=export,
        version_digest="" if split else version.readable_digest,
        parts=tuple((part, split.parts[part].readable_digest) for part in export.parts) if split else (),
        licenses=tuple(sorted(filter(None, licenses))),
        sealed_parts=sealed,
    )


def exports_of(tx: Transaction, project: str) -> list[Export]:
    """Return all exports of a project."""
    datasets = tx.all(Dataset, f"projects/{project_of(project)}")
    return [export for dataset in datasets for export in tx.all(Export, dataset.name)]


def affected_exports(tx: Transaction, erasure: str, plan: Plan) -> list[Export]:
    """Return the exports whose files may hold records that an erasure erases, those that it redacted included."""
    replaced = {*plan.versions, *plan.splits}
    return [
        export
        for export in exports_of(tx, erasure)
        if export.erasure == erasure
        or (export.state is State.READY and (export.split or export.dataset_version) in replaced)
    ]


def redact_exports(tx: Transaction, erasure: str, plan: Plan) -> None:
    """Let exports that may hold erased records have no files; a repetition changes nothing."""
    for export in affected_exports(tx, erasure, plan):
        if export.state is State.READY:
            left, event = redacted(export, erasure)
            tx.publish(event, tx.save(left))


def exported_blobs(tx: Transaction, erasure: str, plan: Plan) -> Sequence[str]:
    """Return the digests of the files that go, without those of other exports and of sources."""
    return _without_others(tx, affected_exports(tx, erasure, plan))


def _without_others(tx: Transaction, exports: Sequence[Export]) -> list[str]:
    """Return the blobs of exports that no other export and no source names."""
    names = {export.name for export in exports}
    others = (each for each in tx.every(Export) if each.name not in names and each.state is State.READY)
    named = {digest for export in others for digest in export.blobs}
    named |= {source.digest for source in tx.every(Source)}
    return [digest for export in exports for digest in export.blobs if digest not in named]
