"""Ports of ingestion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ratoon.operations.job_procedure import JobRunner
from ratoon.tasks.curation import Step
from ratoon.tasks.kind import Record as Example
from ratoon_ingestion.application.composition_ports import MixtureJob
from ratoon_ingestion.domain.connections import Connection, ReadingResult
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Curated, DatasetVersion
from ratoon_ingestion.domain.endpoints import Endpoint
from ratoon_ingestion.domain.erasures import Erasure, Placement, Redaction
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Parted, Split


@dataclass(frozen=True)
class HeldOutTexts:
    """Texts that models are tested on: digests of test parts, and sources of benchmarks."""

    test_parts: tuple[str, ...] = ()
    benchmarks: tuple[Source, ...] = ()


@dataclass(frozen=True)
class CurationJob:
    """A version to curate, its sources in their order, and the excluded record ids."""

    version: DatasetVersion
    sources: tuple[Source, ...]
    excluded: tuple[str, ...] = ()
    earlier: tuple[DatasetVersion, ...] = ()
    """Versions of the dataset whose records are removed."""
    mixture: MixtureJob | None = None
    """Build of a mixture, in place of a curation."""
    held_out: HeldOutTexts = field(default_factory=HeldOutTexts)
    """Searched by the step `decontamination`."""
    step_sources: tuple[Source, ...] = ()
    """Read by other steps."""


@dataclass(frozen=True)
class SplitJob:
    """A split to make, with the digests of what it builds on."""

    split: Split
    version_digest: str
    cluster_threshold: float
    earlier_tests: tuple[str, ...]
    replay_train_digest: str
    version_index: str = ""
    earlier_indexes: tuple[str, ...] = ()
    augmentation: Step | None = None
    """Step that makes copies of training records."""
    step_sources: tuple[Source, ...] = ()
    """Sources that the step reads."""


@dataclass(frozen=True)
class ErasureJob:
    """Records to erase, and all of the project that may hold them."""

    erasure: Erasure
    sources: tuple[Source, ...]
    versions: tuple[DatasetVersion, ...]
    splits: tuple[Split, ...]

    @property
    def indexes(self) -> tuple[str, ...]:
        """Return the near-duplicate indexes of the versions and splits."""
        named = [each.index for each in self.versions]
        named += [index for each in self.splits for index in (each.test_index, each.version_index)]
        return tuple(sorted(set(filter(None, named))))


@dataclass(frozen=True)
class PreviewJob:
    """A source to preview, which may not exist yet; `detect`: detect its format."""

    source: Source
    detect: bool
    record_count: int
    excluded: tuple[str, ...] = ()
    curation: CurationConfig | None = None
    held_out: HeldOutTexts = field(default_factory=HeldOutTexts)
    step_sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class ReadingJob:
    """A connection to read from its position, and the entry of the operator's list that allows it."""

    connection: Connection
    endpoint: Endpoint


@dataclass(frozen=True)
class DeadLetter:
    """A message that gave no record, with the beginning of its value."""

    partition: int
    offset: int
    time: datetime
    reason: str
    detail: str
    key: bytes
    value: bytes
    size_bytes: int
    reading: int


Readings = JobRunner[ReadingJob, ReadingResult]
Curations = JobRunner[CurationJob, Curated]
Splits = JobRunner[SplitJob, Parted]
Erasures = JobRunner[ErasureJob, Redaction]


class Blobs(Protocol):
    """The artifact store, as far as sources need it."""

    def exists(self, digest: str) -> bool:
        """Whether a blob is there."""
        ...

    def read(self, digest: str) -> bytes:
        """Return the content of a blob."""
        ...

    def check_if_tree(self, digest: str) -> None:
        """Refuse a tree with an entry that leads elsewhere or collides (InvalidArgument, the entry is named)."""
        ...

    def erase(self, digest: str, why: str) -> None:
        """Remove a blob for good; reading it or storing it again fails with this reason."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a blob, if it is there; it can be stored again."""
        ...


@dataclass(frozen=True)
class Record:
    """One curated record, as it stands in a version."""

    record_id: str
    content_digest: str
    text: str
    source: str
    source_path: str
    source_label: str | None
    licence: str
    language: str
    tokens: int
    chars: int
    cluster: str
    steps: Sequence[str] = ()
    received_time: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    conflicting_labels: Sequence[str] = ()
    """The labels of its duplicates where they differ."""
    example: Example | None = None
    """The conversation and its answers, where the record is more than a text with a label."""


@dataclass(frozen=True)
class RejectedItem:
    """One item of a version's sources that became no record, and the start of its text, where it was read."""

    source: str
    source_path: str
    step: str
    reason: str
    detail: str
    text_start: str = ""
    record_id: str = ""


class Records(Protocol):
    """The records inside versions and parts, which stand in record id order."""

    def rejections(self, version_digest: str, start: int, limit: int) -> tuple[Sequence[RejectedItem], bool]:
        """At most `limit` rejected items from place `start` on, and whether more come."""
        ...

    def after(self, version_digest: str, record_id: str, limit: int) -> tuple[Sequence[Record], bool]:
        """At most `limit` records that follow an id (empty: from the start), and whether more come."""
        ...

    def find(self, version_digest: str, record_id: str) -> Record | None:
        """One record of a version's tree, or None."""
        ...

    def records_of(self, version_digest: str, record_ids: Sequence[str]) -> Sequence[Record]:
        """Return the records of a version's tree that have these ids, which are in ascending order."""
        ...

    def in_version(self, version_digest: str, record_id: str) -> bool:
        """Whether a version's tree holds the record."""
        ...

    def in_part(self, part_digest: str, record_id: str) -> bool:
        """Whether a part's blob holds the record."""
        ...


class SealedParts(Protocol):
    """The identities of the records in test parts."""

    def holds(self, parts: Iterable[str], identities: Iterable[Sequence[str]]) -> list[bool]:
        """Return for each record if one of the parts holds one of its identities; an empty one is none."""
        ...


@dataclass(frozen=True)
class Lineage:
    """Every version and every part of a split that holds a record, or held it until an erasure removed it."""

    record_id: str
    dataset_versions: tuple[str, ...]
    placements: tuple[Placement, ...]
    erasure: str = ""
