"""Procedures of curations and splits, each of which one job computes."""

from collections.abc import Iterable
from functools import partial

from ratoon.operations.job_machine import step
from ratoon.operations.job_procedure import JobProcedure
from ratoon.storage.names import parent_of, project_of
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.browsing import readable_splits, readable_versions
from ratoon_ingestion.application.composing import build_job
from ratoon_ingestion.application.decontaminating import augmentation_of, held_out_texts, step_sources
from ratoon_ingestion.application.joining import with_partner
from ratoon_ingestion.application.ports import CurationJob, Curations, SplitJob, Splits
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.curation import EarlierRecords
from ratoon_ingestion.domain.datasets import Curated, Dataset, DatasetVersion, curated
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Parted, Split, parted

POLL_INTERVAL_S = 0.25
"""Seconds between two observations of a job."""


def curation_procedure(store: Store, jobs: Curations) -> JobProcedure[DatasetVersion, CurationJob, Curated]:
    """Return the procedure behind CreateDatasetVersion."""
    return JobProcedure(
        DatasetVersion,
        "curate",
        jobs,
        partial(curation_job, store),
        partial(step, complete=curated),
        POLL_INTERVAL_S,
    )


def split_procedure(store: Store, jobs: Splits) -> JobProcedure[Split, SplitJob, Parted]:
    """Return the procedure behind CreateSplit."""
    return JobProcedure(
        Split, "split", jobs, partial(split_job, store), partial(step, complete=parted), POLL_INTERVAL_S
    )


def curation_job(store: Store, version: DatasetVersion) -> CurationJob:
    """Return the input of a curation, or of the build of a mixture; erased records are excluded."""
    if version.mixture is not None:
        return CurationJob(version, (), mixture=build_job(store, version))
    with store.read() as tx:
        sources = tuple(with_partner(tx, tx.get(Source, name)) for name in version.sources)
        erasures = tx.all(Erasure, f"projects/{project_of(version.name)}")
        held_out = held_out_texts(tx, version.curation, f"projects/{project_of(version.name)}")
        read = step_sources(tx, version.curation, f"projects/{project_of(version.name)}")
        compares = version.curation.earlier_versions is not EarlierRecords.KEEP
        earlier = tuple(_earlier_versions(tx, version)) if compares else ()
    excluded = tuple(sorted({record_id for erasure in erasures for record_id in erasure.record_ids}))
    return CurationJob(version, sources, excluded, earlier, held_out=held_out, step_sources=read)


def _earlier_versions(tx: Transaction, version: DatasetVersion) -> list[DatasetVersion]:
    """Return the readable versions of the dataset that were created before; one that is not ready yet is not met."""
    mine = (version.create_time, version.name)
    versions = readable_versions(tx, [parent_of(version.name)])
    return [each for each in versions if (each.create_time, each.name) < mine]


def split_job(store: Store, split: Split) -> SplitJob:
    """Return the input of a split; the test parts of all other splits of the project bar training."""
    with store.read() as tx:
        version = tx.get(DatasetVersion, split.dataset_version)
        replayed = tx.get(Split, split.replay.split) if split.replay.split else None
        datasets = [dataset.name for dataset in tx.all(Dataset, f"projects/{project_of(split.name)}")]
        others = readable_splits(tx, datasets)
        augmentation = augmentation_of(version.curation)
        read = (
            step_sources(tx, version.curation, f"projects/{project_of(split.name)}") if augmentation else ()
        )
    return SplitJob(
        split=split,
        version_digest=version.readable_digest,
        cluster_threshold=version.curation.cluster_threshold,
        earlier_tests=tuple(sorted({other.parts[Part.TEST].readable_digest for other in others})),
        replay_train_digest=replayed.parts[Part.TRAIN].readable_digest if replayed else "",
        version_index=_built_index(version, others) or version.index,
        earlier_indexes=tuple(sorted({other.test_index for other in others if other.test_index})),
        augmentation=augmentation,
        step_sources=read,
    )


def _built_index(version: DatasetVersion, splits: Iterable[Split]) -> str:
    """Return the index of a version that one of its splits built, if it lacked a readable one; else empty."""
    built = (split.version_index for split in splits if split.dataset_version == version.name)
    return next(filter(None, built), "")
