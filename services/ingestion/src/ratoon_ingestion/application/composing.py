"""Mixtures and comparisons of dataset versions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import matched, parent_of
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.composition_ports import DifferenceJob, MixtureJob
from ratoon_ingestion.application.handlers import (
    DATASET,
    SOURCE,
    SPLIT,
    VERSION,
    check_no_erasure,
    check_same_project,
    version_id_of,
)
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion, VersionStarted
from ratoon_ingestion.domain.errors import BadComparison, BadMixture, NotReady, Redacted
from ratoon_ingestion.domain.mixtures import Mixture
from ratoon_ingestion.domain.splits import Split
from ratoon_ingestion.domain.work import State

DEFAULT_DIFFERENCES, MAX_DIFFERENCES = 20, 100


@dataclass(frozen=True)
class ComposeVersion:
    """Mix versions into a version of `parent` (a dataset); an empty id takes the next number."""

    parent: str
    version_id: str
    mixture: Mixture
    request_id: str = ""


@dataclass(frozen=True)
class Compare:
    """Compare `name` with `base`, and the parts of a split of each."""

    name: str
    base: str
    split: str = ""
    base_split: str = ""
    kinds: tuple[str, ...] = ()


def compose_version(
    command: ComposeVersion, store: Store, operations: Operations, clock: Clock
) -> DatasetVersion:
    """Create a version that is composed of others; the work starts with the commit."""
    matched(command.parent, DATASET, "parent")
    now = clock.now()
    with store.write() as tx:
        check_no_erasure(tx, command.parent)
        tx.get(Dataset, command.parent)
        versions = _components(tx, command.parent, command.mixture)
        version = DatasetVersion(
            name=f"{command.parent}/versions/{version_id_of(tx, command.parent, command.version_id)}",
            create_time=now,
            update_time=now,
            sources=_sources(command.mixture, versions),
            curation=CurationConfig(near_duplicate_threshold=_threshold(versions)),
            mixture=command.mixture,
        )
        version, new = tx.create(version, command.request_id)
        if new:
            operations.begin(tx, version)
            tx.publish(VersionStarted(), version)
    return version


def plan_job(parent: str, mixture: Mixture, store: Store) -> MixtureJob:
    """Return the job that plans a mixture."""
    matched(parent, DATASET, "parent")
    with store.read() as tx:
        tx.get(Dataset, parent)
        versions = _components(tx, parent, mixture)
    return _job(parent, mixture, versions)


def build_job(store: Store, version: DatasetVersion) -> MixtureJob:
    """Return the job that builds a version of a mixture."""
    assert version.mixture is not None, "only a version with a mixture is built from one"
    with store.read() as tx:
        versions = [tx.get(DatasetVersion, each.dataset_version) for each in version.mixture.components]
    return replace(_job(version.name, version.mixture, versions), version=version.name)


def _job(parent: str, mixture: Mixture, versions: Sequence[DatasetVersion]) -> MixtureJob:
    digests = tuple(version.readable_digest for version in versions)
    return MixtureJob(parent, mixture, digests, _threshold(versions))


def _threshold(versions: Sequence[DatasetVersion]) -> float:
    """Return the similarity from which records share a cluster: that of the version that joins most."""
    return min(version.curation.cluster_threshold for version in versions)


def _components(tx: Transaction, parent: str, mixture: Mixture) -> list[DatasetVersion]:
    """The version of each component, which is READY and of the project."""
    versions = []
    for component in mixture.components:
        matched(component.dataset_version, VERSION, "mixture.components.dataset_version")
        check_same_project(component.dataset_version, parent, "mixture.components.dataset_version")
        version = tx.get(DatasetVersion, component.dataset_version)
        if version.state is State.REDACTED:
            raise Redacted(
                f"{version.name} is incomplete: {version.erasure} erased records of it. Create a new version of "
                "its sources, and use that one."
            )
        if version.state is not State.READY:
            raise NotReady(f"{version.name} is {version.state}; only a READY version can be mixed.")
        if component.source:
            matched(component.source, SOURCE, "mixture.components.source")
            if component.source not in version.sources:
                raise BadMixture(f"{component.source} is not a source of {version.name}.")
        versions.append(version)
    return versions


def _sources(mixture: Mixture, versions: Sequence[DatasetVersion]) -> tuple[str, ...]:
    """Return the sources whose records a mixture may hold, each once."""
    named = [
        source
        for component, version in zip(mixture.components, versions, strict=True)
        for source in ((component.source,) if component.source else version.sources)
    ]
    return tuple(dict.fromkeys(named))


def difference_job(command: Compare, store: Store) -> DifferenceJob:
    """Return the job that counts the differences of two versions."""
    if not command.base:
        raise BadComparison("base is empty; name the version to compare with.")
    if bool(command.split) != bool(command.base_split):
        raise BadComparison("Name split and base_split, or neither.")
    with store.read() as tx:
        version, base = _readable(tx, command.name, "name"), _readable(tx, command.base, "base")
        check_same_project(base.name, version.name, "base")
        parts = _parts(tx, command.split, version, "split") if command.split else ()
        base_parts = _parts(tx, command.base_split, base, "base_split") if command.split else ()
    return DifferenceJob(
        parent_of(version.name),
        base.readable_digest,
        version.readable_digest,
        base_parts,
        parts,
        tuple(sorted(set(command.kinds))),
    )


def page_job(command: Compare, size: int, token: str, store: Store, tokens: PageTokens) -> DifferenceJob:
    """Return the job that lists a page of the differences."""
    if size < 0:
        raise BadComparison(f"page_size is {size}; it must be 0 or more.")
    position = tokens.open(listing_of(command), token)
    limit = min(size or DEFAULT_DIFFERENCES, MAX_DIFFERENCES)
    return replace(difference_job(command, store), after=position[0] if position else "", limit=limit)


def listing_of(command: Compare) -> str:
    """Return the name of a listing of differences, for page tokens."""
    names = (command.name, command.base, command.split, command.base_split)
    return "differences:" + "|".join((*names, *sorted(set(command.kinds))))


def _readable(tx: Transaction, name: str, field: str) -> DatasetVersion:
    matched(name, VERSION, field)
    version = tx.get(DatasetVersion, name)
    if not version.state.readable:
        raise NotReady(f"{name} is {version.state}; it can be compared once it is READY.")
    return version


def _parts(tx: Transaction, name: str, version: DatasetVersion, field: str) -> tuple[tuple[str, str], ...]:
    matched(name, SPLIT, field)
    split = tx.get(Split, name)
    if split.dataset_version != version.name:
        raise BadComparison(f"{name} is not a split of {version.name}.")
    if not split.state.readable:
        raise NotReady(f"{name} is {split.state}; it can be compared once it is READY.")
    return tuple((part.value, summary.readable_digest) for part, summary in split.parts.items())
