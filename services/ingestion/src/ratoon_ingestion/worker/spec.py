"""The spec.json of a job as typed values. The service writes it, this module reads it.

Erased record ids are stored under the key `barred`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratoon_ingestion.domain.assignment import Ratios, SplitMode
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD, CurationConfig
from ratoon_ingestion.domain.pii import Mask
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers.items import SourceSpec

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class CurateSpec:
    """A curation: sources in their order, settings, the project's record key, processes to use."""

    artifacts: str
    version: str
    sources: tuple[SourceSpec, ...]
    config: CurationConfig
    key: bytes
    processes: int
    code_version: str
    excluded: frozenset[str] = frozenset()
    """Record ids that were erased."""

    @staticmethod
    def of(spec: JSON) -> "CurateSpec":
        """From JSON."""
        return CurateSpec(
            artifacts=str(spec["artifacts"]),
            version=str(spec["version"]),
            sources=tuple(_source(source) for source in spec["sources"]),
            config=_config(spec.get("curation", {})),
            key=bytes.fromhex(spec["record_key"]),
            processes=int(spec.get("processes", 2)),
            code_version=str(spec.get("code_version", "")),
            excluded=frozenset(spec.get("barred", ())),
        )


@dataclass(frozen=True)
class PreviewSpec:
    """A source that may not exist yet; `detect`: detect its format."""

    artifacts: str
    source: SourceSpec
    file_name: str
    detect: bool
    config: CurationConfig
    key: bytes
    record_count: int
    excluded: frozenset[str] = frozenset()

    @staticmethod
    def of(spec: JSON) -> "PreviewSpec":
        """From JSON."""
        return PreviewSpec(
            artifacts=str(spec["artifacts"]),
            source=_source(spec["source"]),
            file_name=str(spec["file_name"]),
            detect=bool(spec["detect"]),
            config=CurationConfig(),
            key=bytes.fromhex(spec["record_key"]),
            record_count=int(spec["record_count"]),
            excluded=frozenset(spec.get("barred", ())),
        )


def _source(spec: JSON) -> SourceSpec:
    columns: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in spec.get("columns", {}).items()
    }
    return SourceSpec(
        name=str(spec["name"]),
        digest=str(spec["digest"]),
        format=Format(spec["format"]),
        licence=str(spec.get("licence", "")),
        labels_by_folder=dict(spec.get("labels_by_folder", {})),
        columns=Columns(**columns),
        encoding=str(spec.get("encoding", "")),
    )


def _config(spec: JSON) -> CurationConfig:
    known = dict(spec)
    if "languages" in known:
        known["languages"] = tuple(known["languages"])
    if "masks" in known:
        known["masks"] = tuple(Mask(mask) for mask in known["masks"])
    return CurationConfig(**known)


@dataclass(frozen=True)
class SplitSpec:
    """A split: digests of the version, the label set, earlier test parts; how to choose; what to replay."""

    artifacts: str
    dataset_version: str
    label_set: str
    mode: SplitMode
    ratios: Ratios
    seed: int
    earlier_tests: tuple[str, ...]
    threshold: float
    replay_train: str
    replay_count: int

    @staticmethod
    def of(spec: JSON) -> "SplitSpec":
        """From JSON."""
        replay = spec.get("replay", {})
        return SplitSpec(
            artifacts=str(spec["artifacts"]),
            dataset_version=str(spec["dataset_version"]),
            label_set=str(spec.get("label_set", "")),
            mode=SplitMode(spec.get("mode", SplitMode.STRATIFIED)),
            ratios=Ratios(**spec.get("ratios", {})),
            seed=int(spec.get("seed", 0)),
            earlier_tests=tuple(spec.get("earlier_tests", ())),
            threshold=float(spec.get("threshold", CLUSTER_THRESHOLD)),
            replay_train=str(replay.get("train", "")),
            replay_count=int(replay.get("count", 0)),
        )


@dataclass(frozen=True)
class EraseSpec:
    """An erasure: record ids, and all of the project that may hold them, by name and digest."""

    artifacts: str
    record_ids: tuple[str, ...]
    key: bytes
    sources: tuple[SourceSpec, ...]
    versions: tuple[tuple[str, str], ...]
    """Name and tree."""
    version_sources: tuple[tuple[str, ...], ...]
    """The sources of each version."""
    parts: tuple[tuple[str, str, str], ...]
    """Split, part and blob."""

    @staticmethod
    def of(spec: JSON) -> "EraseSpec":
        """From JSON."""
        return EraseSpec(
            artifacts=str(spec["artifacts"]),
            record_ids=tuple(spec["record_ids"]),
            key=bytes.fromhex(spec["record_key"]),
            sources=tuple(_source(source) for source in spec["sources"]),
            versions=tuple((each["name"], each["digest"]) for each in spec["versions"]),
            version_sources=tuple(tuple(each["sources"]) for each in spec["versions"]),
            parts=tuple((each["split"], each["part"], each["digest"]) for each in spec["parts"]),
        )
