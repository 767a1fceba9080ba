"""Read versions: records page by page, and the lineage of one record. Sealed records are left out."""

import re
from collections.abc import Sequence
from dataclasses import replace

from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import matched
from ratoon.storage.paging import Page, PageTokens, page_size
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import PROJECT, VERSION
from ratoon_ingestion.application.ports import Lineage, Record, Records, RejectedItem
from ratoon_ingestion.application.sealing import (
    SealedReader,
    Seals,
    are_sealed,
    checked_sealed,
    identities,
    may_read,
    sealed_digests,
    unsealed,
)
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure, Placement, check_record_id
from ratoon_ingestion.domain.errors import NoSuchRecord, NotReady
from ratoon_ingestion.domain.splits import Split

_OTHER = re.compile(r"stays: ([0-9a-f]{64})")
"""The record that an item repeats, in the detail of its rejection."""
MAX_CHECKED = 1_000
"""Records of a request that are checked at most."""
_TEST_PARTS, _SUBSTRING = "test_parts", "SUBSTRING_DUPLICATE"


def list_records(
    parent: str, size: int, token: str, seals: Seals, records: Records, tokens: PageTokens
) -> Page[Record]:
    """The records of a version in record id order, without sealed ones; a page may be short."""
    digest = _readable(parent, seals.store).readable_digest
    listing = f"records:{parent}"
    position = tokens.open(listing, token) or [""]
    last, more, shown = position[0], True, list[Record]()
    while more and not shown:
        page, more = records.after(digest, last, page_size(size))
        last = page[-1].record_id if page else last
        shown = unsealed(parent, page, seals)
    return Page(shown, tokens.seal(listing, [last]) if more else "")


def list_rejections(
    parent: str, size: int, token: str, seals: Seals, records: Records, tokens: PageTokens
) -> Page[RejectedItem]:
    """The items of a version's sources that became no record, in the order of the steps.

    Items that repeat a sealed record are left out, and those that share a passage with any record have no text once the
    project has a test part.
    """
    digest = _readable(parent, seals.store).readable_digest
    listing = f"rejections:{parent}"
    start, more, shown = int((tokens.open(listing, token) or ["0"])[0]), True, list[RejectedItem]()
    while more and not shown:
        page, more = records.rejections(digest, start, page_size(size))
        start += len(page)
        shown = _unsealed_items(parent, page, seals)
    return Page(shown, tokens.seal(listing, [str(start)]) if more else "")


def _unsealed_items(parent: str, items: Sequence[RejectedItem], seals: Seals) -> list[RejectedItem]:
    with seals.store.read() as tx:
        if not sealed_digests(tx, parent):
            return list(items)
    sealed = are_sealed(parent, ((item.record_id, *_OTHER.findall(item.detail)) for item in items), seals)
    return [
        replace(item, text_start="") if item.reason == _SUBSTRING else item
        for item, is_sealed in zip(items, sealed, strict=True)
        if not is_sealed and not (item.reason == Rejected.CONTAMINATED and _TEST_PARTS in item.detail)
    ]


def get_record(parent: str, record_id: str, records: Records, reader: SealedReader, seals: Seals) -> Record:
    """One record of a version; NoSuchRecord when it is not in it, or is sealed and not opened."""
    record = records.find(_readable(parent, seals.store).readable_digest, record_id)
    if record is None or not may_read(parent, identities(record), reader, seals):
        raise NoSuchRecord(
            f"{parent} does not contain the record {record_id!r}, or it is sealed. The record's lineage lists the "
            "versions that contain it. To read a record of a test part, set `reader` and `purpose`: the reading is "
            "logged at the split."
        )
    return record


def check_sealed_records(
    parent: str, records: Sequence[Sequence[str]], reader: SealedReader, seals: Seals
) -> list[bool]:
    """Return for the identities of each record of a project if it is sealed; a reading is logged at the splits."""
    matched(parent, PROJECT, "parent")
    if len(records) > MAX_CHECKED:
        raise InvalidArgument(
            f"records has {len(records):,} items; give at most {MAX_CHECKED:,}.",
            reason="BAD_BATCH",
            field="records",
        )
    return checked_sealed(parent, records, reader, seals)


def record_lineage(
    parent: str, record_id: str, records: Records, reader: SealedReader, seals: Seals
) -> Lineage:
    """Every version and every part in a project that holds a record, or held it until it was erased.

    A sealed record that the call does not open has the lineage of an unknown one.
    """
    matched(parent, PROJECT, "parent")
    check_record_id(record_id)
    if not may_read(parent, (record_id,), reader, seals):
        return Lineage(record_id, (), ())
    with seals.store.read() as tx:
        datasets = [dataset.name for dataset in tx.all(Dataset, parent)]
        versions = readable_versions(tx, datasets)
        splits = readable_splits(tx, datasets)
        erasures = tx.all(Erasure, parent)
    held = [version.name for version in versions if records.in_version(version.readable_digest, record_id)]
    placements = [
        Placement(split.name, part)
        for split in splits
        for part, summary in split.parts.items()
        if records.in_part(summary.readable_digest, record_id)
    ]
    return _with_erased(Lineage(record_id, tuple(held), tuple(placements)), erasures)


def _with_erased(lineage: Lineage, erasures: Sequence[Erasure]) -> Lineage:
    """The lineage with where the record stood before it was erased."""
    for erasure in erasures:
        for trace in erasure.traces:
            if trace.record_id == lineage.record_id:
                lineage = Lineage(
                    lineage.record_id,
                    tuple(dict.fromkeys((*trace.dataset_versions, *lineage.dataset_versions))),
                    tuple(dict.fromkeys((*trace.placements, *lineage.placements))),
                    erasure.name,
                )
    return lineage


def _readable(parent: str, store: Store) -> DatasetVersion:
    matched(parent, VERSION, "parent")
    with store.read() as tx:
        version = tx.get(DatasetVersion, parent)
    if not version.state.readable:
        raise NotReady(f"{version.name} is {version.state}; its records can be read once it is READY.")
    return version


def readable_splits(tx: Transaction, datasets: Sequence[str]) -> list[Split]:
    """The splits of some datasets whose parts can be read."""
    return [split for dataset in datasets for split in tx.all(Split, dataset) if split.state.readable]


def readable_versions(tx: Transaction, datasets: Sequence[str]) -> list[DatasetVersion]:
    """The versions of some datasets whose records can be read."""
    versions = [version for dataset in datasets for version in tx.all(DatasetVersion, dataset)]
    return [version for version in versions if version.state.readable]
