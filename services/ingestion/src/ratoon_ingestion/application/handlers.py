"""One function a use case: the message first, the ports after."""

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of, project_of, uuid7
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.commands import (
    CreateDataset,
    CreateErasure,
    CreateSource,
    CreateSplit,
    CreateVersion,
    OpenSplit,
)
from ratoon_ingestion.application.decontaminating import held_out_texts, step_sources
from ratoon_ingestion.application.joining import check_partner
from ratoon_ingestion.application.ports import Blobs
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion, VersionStarted, next_version_id
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.errors import (
    BadSplit,
    BlobMissing,
    ErasureUnderWay,
    NotReady,
    Redacted,
)
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import (
    Split,
    SplitOpened,
    SplitReading,
    check_folds,
    check_grouping,
    opened,
)
from ratoon_ingestion.domain.streams import Stream
from ratoon_ingestion.domain.work import State

PROJECT = "projects/*"
SOURCE = f"{PROJECT}/sources/*"
DATASET = f"{PROJECT}/datasets/*"
VERSION = f"{DATASET}/versions/*"
SPLIT = f"{DATASET}/splits/*"
READING = f"{SPLIT}/readings/*"
ERASURE = f"{PROJECT}/erasures/*"


def create_source(command: CreateSource, store: Store, blobs: Blobs, clock: Clock) -> Source:
    """Name a blob as a source; it must have been uploaded before."""
    matched(command.parent, PROJECT, "parent")
    now = clock.now()
    source = Source(
        name=f"{command.parent}/sources/{checked_id(command.source_id, 'source_id')}",
        create_time=now,
        update_time=now,
        format=command.format,
        digest=command.digest,
        display_name=command.display_name,
        licence=command.licence,
        labels_by_folder=command.labels_by_folder,
        columns=command.columns,
        encoding=command.encoding,
        sample_by=command.sample_by,
        archive_depth=command.archive_depth,
        rows=command.rows,
    )
    check_uploaded(source, blobs)
    with store.write() as tx:
        check_no_erasure(tx, command.parent)
        check_partner(tx, source)
        return tx.create(source, command.request_id)[0]


def create_dataset(command: CreateDataset, store: Store, clock: Clock) -> Dataset:
    """Begin a line of versions."""
    matched(command.parent, PROJECT, "parent")
    now = clock.now()
    name = f"{command.parent}/datasets/{checked_id(command.dataset_id, 'dataset_id')}"
    with store.write() as tx:
        return tx.create(Dataset(name, now, now, command.display_name), command.request_id)[0]


def create_version(
    command: CreateVersion, store: Store, operations: Operations, clock: Clock
) -> DatasetVersion:
    """Create a dataset version; its curation starts with the commit."""
    _check_sources(command)
    now = clock.now()
    with store.write() as tx:
        check_no_erasure(tx, command.parent)
        tx.get(Dataset, command.parent)
        for source in command.sources:
            tx.get(Source, source)
        project = f"projects/{project_of(command.parent)}"
        held_out_texts(tx, command.curation, project)
        step_sources(tx, command.curation, project)
        version = DatasetVersion(
            name=f"{command.parent}/versions/{version_id_of(tx, command.parent, command.version_id)}",
            create_time=now,
            update_time=now,
            sources=command.sources,
            curation=command.curation,
        )
        version, new = tx.create(version, command.request_id)
        if new:
            operations.begin(tx, version)
            tx.publish(VersionStarted(), version)
    return version


def create_split(command: CreateSplit, store: Store, operations: Operations, clock: Clock) -> Split:
    """Create a split of a READY version; the work starts with the commit."""
    matched(command.parent, DATASET, "parent")
    check_grouping(command.mode, command.group_attribute)
    check_folds(command.mode, command.folds)
    now = clock.now()
    split = Split(
        name=f"{command.parent}/splits/{checked_id(command.split_id, 'split_id')}",
        create_time=now,
        update_time=now,
        dataset_version=command.dataset_version,
        label_set_digest=command.label_set_digest,
        mode=command.mode,
        ratios=command.ratios,
        seed=command.seed,
        replay=command.replay,
        group_attribute=command.group_attribute,
        folds=command.folds,
    )
    with store.write() as tx:
        check_no_erasure(tx, command.parent)
        _check_split(tx, split)
        split, new = tx.create(split, command.request_id)
        if new:
            operations.begin(tx, split)
    return split


def open_split(command: OpenSplit, store: Store, clock: Clock) -> tuple[str, SplitReading]:
    """Hand out a part's digest. The reading commits before the digest leaves."""
    matched(command.name, SPLIT)
    now = clock.now()
    with store.write() as tx:
        before = tx.get(Split, command.name)
        split, digest = opened(before, command.part, command.reader, command.purpose)
        reading = SplitReading(
            name=f"{split.name}/readings/{uuid7()}",
            create_time=now,
            update_time=now,
            split=split.name,
            part=command.part,
            reader=command.reader,
            purpose=command.purpose,
            principal=command.principal,
        )
        reading, _ = tx.create(reading)
        tx.publish(SplitOpened(command.reader), tx.save(split))
    return digest, reading


def create_erasure(command: CreateErasure, store: Store, operations: Operations, clock: Clock) -> Erasure:
    """Create an erasure; from the commit on curations exclude its records, and the work starts."""
    matched(command.parent, PROJECT, "parent")
    now = clock.now()
    erasure = Erasure(
        name=f"{command.parent}/erasures/{checked_id(command.erasure_id, 'erasure_id')}",
        create_time=now,
        update_time=now,
        record_ids=tuple(dict.fromkeys(command.record_ids)),
        purpose=command.purpose,
        shared_attachments=command.shared_attachments,
    )
    with store.write() as tx:
        erasure, new = tx.create(erasure, command.request_id)
        if new:
            operations.begin(tx, erasure)
            for stream in tx.all(Stream, command.parent):
                operations.wake(tx, stream.name)
    return erasure


def check_uploaded(source: Source, blobs: Blobs) -> None:
    """Raise BlobMissing unless what the source names was uploaded."""
    if not blobs.exists(source.digest):
        raise BlobMissing(
            f"The blob {source.digest} was not uploaded. Upload it first: PUT /v1/blobs/{source.digest}."
        )
    blobs.check_if_tree(source.digest)


def check_no_erasure(tx: Transaction, parent: str) -> None:
    """Refuse changes during an erasure: it must read everything, and what it rewrites must not be read meanwhile."""
    for erasure in tx.all(Erasure, f"projects/{project_of(parent)}"):
        if not erasure.state.ended:
            raise ErasureUnderWay(f"{erasure.name} is in progress; retry once it has ended.")


def _check_sources(command: CreateVersion) -> None:
    matched(command.parent, DATASET, "parent")
    if not command.sources:
        raise InvalidArgument("sources is empty; name at least one.", reason="NO_SOURCES", field="sources")
    if len(set(command.sources)) < len(command.sources):
        raise InvalidArgument("A source is named twice.", reason="SOURCE_TWICE", field="sources")
    for source in command.sources:
        matched(source, SOURCE, "sources")
        check_same_project(source, command.parent, "sources")


def check_same_project(name: str, other: str, field: str) -> None:
    """Raise InvalidArgument for a resource of another project."""
    if project_of(name) != project_of(other):
        raise InvalidArgument(
            f"{name} belongs to another project than {other}.", reason="OTHER_PROJECT", field=field
        )


def version_id_of(tx: Transaction, dataset: str, chosen: str) -> str:
    """Return the chosen id of a new version, or the next number."""
    if chosen:
        return checked_id(chosen, "version_id")
    names = [version.name for version in tx.all(DatasetVersion, dataset)]
    names += tx.retired(DatasetVersion, dataset)
    return next_version_id(name.rpartition("/")[2] for name in names)


def _check_split(tx: Transaction, split: Split) -> None:
    """The version is this dataset's and READY; a replayed split is the project's and READY."""
    matched(split.dataset_version, VERSION, "dataset_version")
    if parent_of(split.dataset_version) != parent_of(split.name):
        raise BadSplit(f"{split.dataset_version} is not a version of {parent_of(split.name)}.")
    version = tx.get(DatasetVersion, split.dataset_version)
    if version.state is State.REDACTED:
        erased = "1 record was" if version.erased_count == 1 else f"{version.erased_count:,} records were"
        raise Redacted(
            f"{version.name} is incomplete: {erased} erased by {version.erasure}. Create a new version "
            "of its sources, which no longer contain the erased records, and split that version."
        )
    if version.state is not State.READY:
        raise NotReady(f"{version.name} is {version.state}; only a READY version can be split.")
    if split.replay.split:
        matched(split.replay.split, SPLIT, "replay.split")
        check_same_project(split.replay.split, split.name, "replay.split")
        older = tx.get(Split, split.replay.split)
        if not older.state.readable:
            raise NotReady(f"{older.name} is {older.state}; only a READY split can be replayed.")
