"""Deletion of datasets, of their versions and of splits.

A version with records and a split with parts are refused: label sets, runs and models of other services refer to them.
"""

from ratoon.storage.names import matched
from ratoon.storage.store import Store
from ratoon_ingestion.application.handlers import DATASET, SPLIT, VERSION, check_no_erasure
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.errors import ResourceInUse
from ratoon_ingestion.domain.splits import Split


def delete_dataset(name: str, allow_missing: bool, store: Store) -> None:
    """Delete a dataset; ResourceInUse while it has versions or splits."""
    matched(name, DATASET)
    with store.write() as tx:
        dataset = tx.find(Dataset, name) if allow_missing else tx.get(Dataset, name)
        if dataset is None:
            return
        check_no_erasure(tx, name)
        children = [split.name for split in tx.page(Split, name, 1).items]
        children += [version.name for version in tx.page(DatasetVersion, name, 1).items]
        if children:
            raise ResourceInUse(
                f"{name} has {children[0]}. A dataset with versions or splits is not deleted."
            )
        tx.delete(dataset)


def delete_version(name: str, allow_missing: bool, store: Store) -> None:
    """Delete a version that failed or was cancelled; ResourceInUse in any other state."""
    matched(name, VERSION)
    _delete_without_result(DatasetVersion, name, allow_missing, store)


def delete_split(name: str, allow_missing: bool, store: Store) -> None:
    """Delete a split that failed or was cancelled; ResourceInUse in any other state."""
    matched(name, SPLIT)
    _delete_without_result(Split, name, allow_missing, store)


def _delete_without_result(
    kind: type[DatasetVersion] | type[Split], name: str, allow_missing: bool, store: Store
) -> None:
    with store.write() as tx:
        work = tx.find(kind, name) if allow_missing else tx.get(kind, name)
        if work is None:
            return
        check_no_erasure(tx, name)
        if not work.state.ended:
            raise ResourceInUse(f"{name} is in progress. Cancel it, or wait for its end.")
        if not work.state.without_result:
            raise ResourceInUse(f"{name} is {work.state}: label sets, runs and models may refer to it.")
        tx.retire(work)
