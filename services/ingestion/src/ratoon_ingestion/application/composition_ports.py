"""Inputs of the jobs that mix and compare dataset versions."""

from dataclasses import dataclass

from ratoon_ingestion.domain.mixtures import Mixture


@dataclass(frozen=True)
class MixtureJob:
    """A mixture, the digests of its components, and the version to build; no version: a plan."""

    parent: str
    mixture: Mixture
    digests: tuple[str, ...]
    threshold: float
    version: str = ""


@dataclass(frozen=True)
class DifferenceJob:
    """A comparison, and the digests of what is compared; without a limit it counts."""

    parent: str
    base: str
    version: str
    base_parts: tuple[tuple[str, str], ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    kinds: tuple[str, ...] = ()
    after: str = ""
    limit: int = 0
