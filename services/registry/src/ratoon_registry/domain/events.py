"""What happened in the registry, in the past tense."""

from dataclasses import dataclass

from ratoon_registry.domain.versions import Cancelled, Failed, Registered


@dataclass(frozen=True)
class AliasMoved:
    """An alias points elsewhere now; `from_version` is empty at the first time."""

    from_version: str
    to_version: str


Event = Registered | Failed | Cancelled | AliasMoved
