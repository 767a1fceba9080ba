"""Datasets and their versions: immutable sets of curated records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Failure
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.mixtures import Mixture
from ratoon_ingestion.domain.work import DONE, Progress, State, Work


@dataclass(frozen=True)
class Dataset:
    """A line of versions."""

    name: str
    create_time: datetime
    update_time: datetime
    display_name: str = ""
    revision: int = 0


@dataclass(frozen=True)
class StepReport:
    """What a step of curation did; `changed_examples` and `removed_examples` are up to ten record ids each."""

    name: str
    record_count: int = 0
    changed_count: int = 0
    removed_counts: Mapping[str, int] = field(default_factory=dict)
    changed_examples: tuple[str, ...] = ()
    removed_examples: tuple[str, ...] = ()
    seconds: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the step counted besides, such as look-alikes of personal data by kind."""


@dataclass(frozen=True)
class DatasetVersion(Work):
    """One version: its sources, its curation, and once it is READY its tree, Merkle root, counts and profile.

    Once it is REDACTED, `artifact_digest` names what is gone, and `redacted_digest` the tree of what is left.
    """

    name: str
    create_time: datetime
    update_time: datetime
    sources: tuple[str, ...]
    curation: CurationConfig
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    artifact_digest: str = ""
    merkle_root: str = ""
    item_count: int = 0
    record_count: int = 0
    rejected_count: int = 0
    profile_json: str = ""
    redacted_digest: str = ""
    erased_count: int = 0
    erasure: str = ""
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0
    step_reports: tuple[StepReport, ...] = ()
    index: str = ""
    """Artifact of the near-duplicate index; empty if there is none. No project owns it: its records have no names."""

    mixture: Mixture | None = None
    """Composition from other versions, in place of a curation of the sources."""

    @property
    def sealed_blobs(self) -> tuple[str, ...]:
        """Return the trees, which hold the records of test parts too: callers export a version without these."""
        return self.artifact_digest, self.redacted_digest

    @property
    def readable_digest(self) -> str:
        """The tree whose records can be read."""
        return self.redacted_digest or self.artifact_digest


@dataclass(frozen=True)
class VersionStarted:
    """A curation was requested."""


@dataclass(frozen=True)
class VersionCompleted:
    """The version is READY."""

    artifact_digest: str
    merkle_root: str
    record_count: int


@dataclass(frozen=True)
class Curated:
    """Result of a curation: the fields of the READY version."""

    artifact_digest: str
    merkle_root: str
    item_count: int
    record_count: int
    rejected_count: int
    profile_json: str
    step_reports: tuple[StepReport, ...] = ()
    index: str = ""


def curated(version: DatasetVersion, result: Curated) -> tuple[DatasetVersion, VersionCompleted]:
    """Return the READY version with the result of its curation."""
    done = replace(version, state=State.READY, progress=DONE, **vars(result))
    return done, VersionCompleted(done.artifact_digest, done.merkle_root, done.record_count)


def next_version_id(existing: Iterable[str]) -> str:
    """`v1`, `v2`, … after the highest of the ids there are; ids of other forms do not count."""
    numbers = [int(name[1:]) for name in existing if name[:1] == "v" and name[1:].isdecimal()]
    return f"v{max(numbers, default=0) + 1}"
