"""Models, aliases and the names of versions."""

import re
from dataclasses import dataclass
from datetime import datetime

from ratoon_registry.domain.errors import BadVersionId

PRODUCTION = "production"
"""The alias that records what serves; only serving moves it."""

_VERSION_ID = re.compile(r"v(\d+)\.(\d+)")


@dataclass(frozen=True)
class Model:
    """A line of model versions."""

    name: str
    create_time: datetime
    update_time: datetime
    display_name: str = ""
    revision: int = 0


@dataclass(frozen=True)
class Alias:
    """A name that points at one version of a model."""

    name: str
    create_time: datetime
    update_time: datetime
    version: str
    revision: int = 0


@dataclass(frozen=True)
class AliasChange:
    """One move of an alias: from where, to where, by whom and why. It is never deleted."""

    name: str
    create_time: datetime
    update_time: datetime
    alias: str
    from_version: str
    to_version: str
    reason: str
    principal: str
    revision: int = 0


@dataclass(frozen=True, order=True)
class VersionId:
    """`v<major>.<minor>`: the major number changes with architecture or base model."""

    major: int
    minor: int

    @staticmethod
    def parse(text: str) -> "VersionId":
        """The number in `v1.2`; BadVersionId for anything else."""
        match = _VERSION_ID.fullmatch(text)
        if match is None:
            raise BadVersionId(f"Version id {text!r} must look like v1.0.")
        return VersionId(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"


def next_version_id(existing: list[VersionId], continues: VersionId | None) -> VersionId:
    """The next free id: the next minor of the version that this one continues, else the next major."""
    if continues is None:
        return VersionId(max((v.major for v in existing), default=0) + 1, 0)
    return VersionId(
        continues.major, max(v.minor for v in [*existing, continues] if v.major == continues.major) + 1
    )
