"""What happened in the registry, in the past tense."""

from dataclasses import dataclass

from ratoon.operations.job_machine import Cancelled, Failed
from ratoon_registry.domain.versions import Registered


@dataclass(frozen=True)
class AliasMoved:
    """An alias points elsewhere now; `from_version` is empty at the first time."""

    from_version: str
    to_version: str


Event = Registered | Failed | Cancelled | AliasMoved
