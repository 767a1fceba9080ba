"""Sealed records: those of test parts. They are left out of what is read, or their reading is logged at the split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ratoon.process.clock import Clock
from ratoon.storage.names import project_of, uuid7
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.ports import Record, SealedParts
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.datasets import Dataset
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.domain.splits import Split, SplitOpened, SplitReading


@dataclass(frozen=True)
class SealedReader:
    """Who reads a sealed record, for which reader and purpose; both empty: sealed records do not exist for the call."""

    reader: str = ""
    purpose: str = ""
    principal: str = ""
    is_permitted: bool = False
    """True if the role of the caller may read sealed records."""

    @property
    def opens(self) -> bool:
        """Return whether sealed records may be read."""
        return self.is_permitted and bool(self.reader and self.purpose)


@dataclass(frozen=True)
class Seals:
    """Ports of this module."""

    store: Store
    parts: SealedParts
    clock: Clock


def identities(record: Record) -> Sequence[str]:
    """Return what a record is recognised by in a test part."""
    return record.record_id, record.content_digest, record.attributes.get(COPY_OF, "")


def sealed_splits(tx: Transaction, project: str) -> list[Split]:
    """Return the splits of a project that have a test part."""
    datasets = [dataset.name for dataset in tx.all(Dataset, f"projects/{project_of(project)}")]
    splits = [split for dataset in datasets for split in tx.all(Split, dataset)]
    return [split for split in splits if split.state.readable and Part.TEST in split.parts]


def sealed_digests(tx: Transaction, project: str) -> tuple[str, ...]:
    """Return the digests of all test parts of a project."""
    splits = sealed_splits(tx, project)
    return tuple(sorted({split.parts[Part.TEST].readable_digest for split in splits}))


def unsealed(project: str, records: Sequence[Record], seals: Seals) -> list[Record]:
    """Return the records that are in no test part."""
    sealed = are_sealed(project, map(identities, records), seals)
    return [record for record, is_sealed in zip(records, sealed, strict=True) if not is_sealed]


def are_sealed(project: str, records: Iterable[Sequence[str]], seals: Seals) -> list[bool]:
    """Return for the identities of each record if it is in a test part of the project."""
    with seals.store.read() as tx:
        digests = sealed_digests(tx, project)
    return seals.parts.holds(digests, records)


def may_read(project: str, record: Sequence[str], reader: SealedReader, seals: Seals) -> bool:
    """Return whether a record may be read; the reading of a sealed one is logged at each split that seals it."""
    is_sealed = any(checked_sealed(project, [record], reader, seals))
    return reader.opens or not is_sealed


def checked_sealed(
    project: str, records: Sequence[Sequence[str]], reader: SealedReader, seals: Seals
) -> list[bool]:
    """Return for the identities of each record if it is sealed.

    If the reader may read them, one reading is logged at each split that seals any of them.
    """
    with seals.store.read() as tx:
        splits = sealed_splits(tx, project)
    sealed, sealing = [False] * len(records), list[str]()
    for split in splits:
        held = seals.parts.holds([split.parts[Part.TEST].readable_digest], records)
        if any(held):
            sealing.append(split.name)
            sealed = [before or now for before, now in zip(sealed, held, strict=True)]
    if sealing and reader.opens:
        with seals.store.write() as tx:
            for name in sealing:
                log_reading(tx, name, reader, seals.clock)
    return sealed


def log_reading(tx: Transaction, split: str, reader: SealedReader, clock: Clock) -> SplitReading:
    """Log the reading of a test part and count it."""
    now, before = clock.now(), tx.get(Split, split)
    reading = SplitReading(
        name=f"{split}/readings/{uuid7()}",
        create_time=now,
        update_time=now,
        split=split,
        part=Part.TEST,
        reader=reader.reader,
        purpose=reader.purpose,
        principal=reader.principal,
    )
    reading, _ = tx.create(reading)
    after = tx.save(replace(before, reading_count=before.reading_count + 1))
    tx.publish(SplitOpened(reader.reader), after)
    return reading
