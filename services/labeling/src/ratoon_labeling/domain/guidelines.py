"""Guidelines: instructions for annotators, the labels they choose from, and which of several labels counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon.tasks.labels import duplicate_sentence, duplicates, label_key, match_label
from ratoon_labeling.domain.errors import BadLabels, StaleEtag, UnknownLabel

LONGEST_LABEL = 200
"""Characters in a label."""
MAX_LABELS = 1000


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


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels; BadLabels unless there are two or more, none empty, padded or the same as another."""
    if not 2 <= len(labels) <= MAX_LABELS:
        raise BadLabels(f"A guideline needs 2 to {MAX_LABELS:,} labels; got {len(labels)}.", "labels")
    for label in labels:
        if not label_key(label) or label != label.strip() or len(label) > LONGEST_LABEL:
            raise BadLabels(
                f"The label {label[:50]!r} is empty, padded with white space or longer than {LONGEST_LABEL}.",
                "labels",
            )
    if same := duplicates(labels):
        raise BadLabels(duplicate_sentence(*same[0]), "labels")
    return tuple(labels)


def known_label(label: str, labels: Sequence[str]) -> str:
    """Return the guideline's label that this one is, in the guideline's spelling; UnknownLabel when it has none."""
    known = match_label(label, labels)
    if known is None:
        raise UnknownLabel(
            f"{label[:50]!r} is not one of the guideline's labels: {', '.join(labels)}.", "label"
        )
    return known


def check_etag(guideline: Guideline, etag: str) -> None:
    """Raise StaleEtag when a change was made on another revision than the present one; empty is not checked."""
    if etag and etag != guideline.etag:
        raise StaleEtag(
            f"{guideline.name} was changed after you read it: read it again and retry.",
            "etag",
        )
