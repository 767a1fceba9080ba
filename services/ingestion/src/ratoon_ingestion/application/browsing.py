"""Read versions: records page by page, and the lineage of one record. Sealed records are left out."""

from collections.abc import Sequence
from dataclasses import replace

from ratoon.storage.names import matched
from ratoon.storage.paging import Page, PageTokens, page_size
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import PROJECT, VERSION
from ratoon_ingestion.application.ports import Lineage, Record, Records, RejectedItem
from ratoon_ingestion.application.sealing import (
    SealedReader,
    Seals,
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

_REPETITIONS = frozenset(
    {
        Rejected.EXACT_DUPLICATE.value,
        Rejected.NEAR_DUPLICATE.value,
        Rejected.CONTAMINATED.value,
        "SEMANTIC_DUPLICATE",
        "SUBSTRING_DUPLICATE",
    }
)
"""Reasons of items that repeat another text, which may be sealed."""


def list_records(
    parent: str, size: int, token: str, seals: Seals, records: Records, tokens: PageTokens
) -> Page[Record]:
    """The records of a version in record id order, without sealed ones; a page may be short, or even empty."""
    digest = _readable(parent, seals.store).readable_digest
    listing = f"records:{parent}"
    position = tokens.open(listing, token) or [""]
    page, more = records.after(digest, position[0], page_size(size))
    return Page(unsealed(parent, page, seals), tokens.seal(listing, [page[-1].record_id]) if more else "")


def list_rejections(
    parent: str, size: int, token: str, store: Store, records: Records, tokens: PageTokens
) -> Page[RejectedItem]:
    """The items of a version's sources that became no record, in the order of the steps.

    Once the project has a test part, items that repeat another text come without what identifies them.
    """
    digest = _readable(parent, store).readable_digest
    with store.read() as tx:
        has_seals = bool(sealed_digests(tx, parent))
    listing = f"rejections:{parent}"
    start = int((tokens.open(listing, token) or ["0"])[0])
    page, more = records.rejections(digest, start, page_size(size))
    shown = [_without_text(item) if has_seals and item.reason in _REPETITIONS else item for item in page]
    return Page(shown, tokens.seal(listing, [str(start + len(page))]) if more else "")


def _without_text(item: RejectedItem) -> RejectedItem:
    return replace(item, text_start="", detail="", record_id="")


def get_record(parent: str, record_id: str, records: Records, reader: SealedReader, seals: Seals) -> Record:
    """One record of a version; NoSuchRecord when it is not in it, and the same for a sealed one that nobody opens."""
    record = records.find(_readable(parent, seals.store).readable_digest, record_id)
    if record is None or not may_read(parent, identities(record), reader, seals):
        raise NoSuchRecord(
            f"{parent} does not contain the record {record_id!r}, or it is sealed. The record's lineage lists the "
            "versions that contain it. To read a record of a test part, set `reader` and `purpose`: the reading is "
            "logged at the split."
        )
    return record


def record_lineage(
    parent: str, record_id: str, records: Records, reader: SealedReader, seals: Seals
) -> Lineage:
    """Every version and every part in a project that holds a record, or held it until it was erased.

    A sealed record that nobody opens has the lineage of an unknown one.
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
