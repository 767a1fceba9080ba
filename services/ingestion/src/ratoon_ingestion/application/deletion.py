"""Deletion of datasets, of their versions and of splits.

A version with records and a split with parts are refused: label sets, runs and models of other services refer to them.
"""

from ratoon.storage.store import Transaction
from ratoon_ingestion.application.handlers import check_no_erasure
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.errors import ResourceInUse
from ratoon_ingestion.domain.exports import Export
from ratoon_ingestion.domain.profiles import Profile
from ratoon_ingestion.domain.splits import Split


def delete_dataset(dataset: Dataset, tx: Transaction) -> None:
    """Delete a dataset; ResourceInUse while it has versions or splits."""
    check_no_erasure(tx, dataset.name)
    children = [split.name for split in tx.page(Split, dataset.name, 1).items]
    children += [version.name for version in tx.page(DatasetVersion, dataset.name, 1).items]
    children += [export.name for export in tx.page(Export, dataset.name, 1).items]
    children += [profile.name for profile in tx.page(Profile, dataset.name, 1).items]
    if children:
        raise ResourceInUse(
            f"{dataset.name} has {children[0]}. A dataset with versions, splits or profiles is not deleted."
        )
    tx.delete(dataset)


def delete_work(work: DatasetVersion | Split, tx: Transaction) -> None:
    """Delete a version or split that failed or was cancelled; ResourceInUse in any other state."""
    check_no_erasure(tx, work.name)
    if not work.state.ended:
        raise ResourceInUse(f"{work.name} is in progress. Cancel it, or wait for its end.")
    if not work.state.without_result:
        raise ResourceInUse(f"{work.name} is {work.state}: label sets, runs and models may refer to it.")
    tx.retire(work)
