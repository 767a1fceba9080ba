"""Looking into versions: records page by page, and where one record went."""

from collections.abc import Sequence

from ratoon.chassis.names import matched
from ratoon.chassis.paging import Page, PageTokens, page_size
from ratoon.chassis.store import Store, Transaction
from ratoon_ingestion.application.handlers import PROJECT, VERSION
from ratoon_ingestion.application.ports import Lineage, Placement, Record, Records
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.errors import NotReady
from ratoon_ingestion.domain.splits import Split
from ratoon_ingestion.domain.work import State


def list_records(
    parent: str, size: int, token: str, store: Store, records: Records, tokens: PageTokens
) -> Page[Record]:
    """The records of a READY version in record id order; a page may be short when its texts are long."""
    matched(parent, VERSION, "parent")
    with store.read() as tx:
        version = tx.get(DatasetVersion, parent)
    if version.state is not State.READY:
        raise NotReady(f"{version.name} is {version.state}; its records can be read once it is READY.")
    listing = f"records:{parent}"
    position = tokens.open(listing, token) or [""]
    found, more = records.after(version.artifact_digest, position[0], page_size(size))
    return Page(list(found), tokens.seal(listing, [found[-1].record_id]) if more else "")


def record_lineage(parent: str, record_id: str, store: Store, records: Records) -> Lineage:
    """Every version and every part in a project that holds a record."""
    matched(parent, PROJECT, "parent")
    with store.read() as tx:
        datasets = [dataset.name for dataset in tx.all(Dataset, parent)]
        versions = _ready_versions(tx, datasets)
        splits = ready_splits(tx, datasets)
    held = [version.name for version in versions if records.in_version(version.artifact_digest, record_id)]
    placements = [
        Placement(split.name, part)
        for split in splits
        for part, summary in split.parts.items()
        if records.in_part(summary.digest, record_id)
    ]
    return Lineage(record_id, tuple(held), tuple(placements))


def ready_splits(tx: Transaction, datasets: Sequence[str]) -> list[Split]:
    """The READY splits of some datasets."""
    return [split for dataset in datasets for split in tx.all(Split, dataset) if split.state is State.READY]


def _ready_versions(tx: Transaction, datasets: Sequence[str]) -> list[DatasetVersion]:
    versions = [version for dataset in datasets for version in tx.all(DatasetVersion, dataset)]
    return [version for version in versions if version.state is State.READY]
