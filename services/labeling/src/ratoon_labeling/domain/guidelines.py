"""Guidelines: instructions for annotators, what they enter, and which of several answers counts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon.tasks.kinds import TaskSpec
from ratoon_labeling.domain.errors import StaleEtag


class ConflictPolicy(StrEnum):
    """How several annotations of one record become one answer."""

    LATEST = "LATEST"
    MAJORITY = "MAJORITY"
    HUMAN_FIRST = "HUMAN_FIRST"
    MEDIAN = "MEDIAN"
    MEAN = "MEAN"


@dataclass(frozen=True)
class Guideline:
    """Instructions for annotators. Each change is a new revision; a label set keeps the one it was created with."""

    name: str
    create_time: datetime
    update_time: datetime
    instructions: str
    task: TaskSpec
    conflict_policy: ConflictPolicy = ConflictPolicy.HUMAN_FIRST
    revision: int = 0
    version: int = 1

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
