"""Guidelines: instructions for annotators, the labels they choose from, and which of several labels counts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon_labeling.domain.errors import StaleEtag


class ConflictPolicy(StrEnum):
    """How several annotations of one record become one label."""

    LATEST = "LATEST"
    MAJORITY = "MAJORITY"
    HUMAN_FIRST = "HUMAN_FIRST"


@dataclass(frozen=True)
class Guideline:
    """Instructions for annotators. Each change is a new revision; a label set keeps the one it was created with."""

    name: str
    create_time: datetime
    update_time: datetime
    instructions: str
    labels: tuple[str, ...]
    conflict_policy: ConflictPolicy = ConflictPolicy.HUMAN_FIRST
    revision: int = 0

    @property
    def etag(self) -> str:
        """Return the revision that a change must name, so that no caller overwrites a change that it has not read."""
        return str(self.revision)


def check_etag(guideline: Guideline, etag: str) -> None:
    """Raise StaleEtag when a change was made on another revision than the present one; empty is not checked."""
    if etag and etag != guideline.etag:
        raise StaleEtag(
            f"{guideline.name} was changed after you read it: read it again and retry.",
            "etag",
        )
