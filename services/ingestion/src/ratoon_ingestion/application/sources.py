"""Handlers of sources: change, delete, and preview before the source exists."""

from ratoon.operations.job_machine import Phase
from ratoon.operations.job_procedure import JobRunner
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.curation import sources_of
from ratoon_ingestion.application.commands import PreviewSource, UpdateSource
from ratoon_ingestion.application.decontaminating import held_out_texts, step_sources
from ratoon_ingestion.application.handlers import PROJECT, SOURCE, check_no_erasure, check_uploaded
from ratoon_ingestion.application.joining import check_partner, joined_by, with_partner
from ratoon_ingestion.application.ports import Blobs, PreviewJob
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.errors import SourceInUse, StaleEtag
from ratoon_ingestion.domain.sources import Format, Source, changed, read_otherwise
from ratoon_ingestion.domain.work import State

_MAX_RECORDS = 50
_GONE = (State.FAILED, State.CANCELLED)


def update_source(command: UpdateSource, store: Store) -> Source:
    """Change a source. Once a version uses it, its settings for reading are fixed: record ids depend on them."""
    matched(command.name, SOURCE)
    with store.write() as tx:
        check_no_erasure(tx, command.name)
        before = tx.get(Source, command.name)
        _check_etag(before, command.etag)
        after = changed(before, command.changes)
        if after == before:
            return before
        check_partner(tx, after)
        if read_otherwise(before, after):
            _check_unused(
                tx,
                before,
                "Its settings for reading cannot be changed: import the data again under another id.",
            )
        return tx.save(after)


def delete_source(name: str, etag: str, store: Store) -> None:
    """Delete a source that no version uses."""
    matched(name, SOURCE)
    with store.write() as tx:
        check_no_erasure(tx, name)
        source = tx.get(Source, name)
        _check_etag(source, etag)
        _check_unused(tx, source, "A source cannot be deleted while a version of it exists.")
        if joining := joined_by(tx, source):
            raise SourceInUse(f"The rows of {joining} are joined with {name}. Delete {joining} first.")
        tx.delete(source)


def preview_job(command: PreviewSource, store: Store, blobs: Blobs, clock: Clock) -> PreviewJob:
    """Return the job that previews a blob."""
    matched(command.parent, PROJECT, "parent")
    if not 0 <= command.record_count <= _MAX_RECORDS:
        raise InvalidArgument(
            f"record_count is {command.record_count}; it must be from 1 to {_MAX_RECORDS}.",
            reason="BAD_RECORD_COUNT",
            field="record_count",
        )
    now = clock.now()
    source = Source(
        name=f"{command.parent}/sources/preview",
        create_time=now,
        update_time=now,
        format=command.format or Format.TEXT_ARCHIVE,
        digest=command.digest,
        display_name=command.file_name,
        labels_by_folder=command.labels_by_folder,
        columns=command.columns,
        encoding=command.encoding,
        sample_by=command.sample_by,
        archive_depth=command.archive_depth,
        rows=command.rows,
    )
    check_uploaded(source, blobs)
    with store.read() as tx:
        check_partner(tx, source)
        source = with_partner(tx, source)
        erasures = tx.all(Erasure, command.parent)
        held_out = held_out_texts(tx, command.curation, command.parent)
        read = step_sources(tx, command.curation, command.parent)
    excluded = tuple(sorted({record_id for erasure in erasures for record_id in erasure.record_ids}))
    count = command.record_count or 5
    return PreviewJob(source, command.format is None, count, excluded, command.curation, held_out, read)


def forget_job(job_id: str, phase: Phase, jobs: JobRunner[PreviewJob, object]) -> None:
    """Remove the files of a preview, which contain texts; stop it first while it runs."""
    if phase is Phase.RUNNING:
        jobs.stop(job_id)
    jobs.forget(job_id)


def _check_etag(source: Source, etag: str) -> None:
    if etag and etag != source.etag:
        raise StaleEtag(f"{source.name} was changed after you read it: read it again and retry.")


def _check_unused(tx: Transaction, source: Source, what_to_do: str) -> None:
    for dataset in tx.all(Dataset, parent_of(source.name)):
        for version in tx.all(DatasetVersion, dataset.name):
            if version.state in _GONE:
                continue
            if source.name in version.sources:
                raise SourceInUse(f"{version.name} was created from {source.name}. {what_to_do}")
            if source.name.rpartition("/")[2] in sources_of(version.curation.steps):
                raise SourceInUse(f"Steps of the curation of {version.name} read {source.name}. {what_to_do}")
