"""Guidelines: instructions for annotators, what they enter, and which of several answers counts.

Each change is a version. It says what it means for answers that were given under earlier ones: they stay valid, or are
requested again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ratoon_labeling.domain.errors import BadGuideline, StaleEtag
from ratoon_labeling.domain.marks import AnswerSpec

MAX_SECTION_CHARS, MAX_EXAMPLES, MAX_EXAMPLE_CHARS, MAX_NOTE_CHARS = 262_144, 1_000, 65_536, 4_096


class ConflictPolicy(StrEnum):
    """How several annotations of one record become one answer."""

    LATEST = "LATEST"
    MAJORITY = "MAJORITY"
    HUMAN_FIRST = "HUMAN_FIRST"
    MEDIAN = "MEDIAN"
    MEAN = "MEAN"


class EarlierAnswers(StrEnum):
    """What a version of a guideline means for answers that were given under earlier ones."""

    KEEP = "KEEP"
    ASK_AGAIN = "ASK_AGAIN"


@dataclass(frozen=True)
class Example:
    """Example of an answer, with the text of a record."""

    label: str
    text: str
    explanation: str = ""


@dataclass(frozen=True)
class VersionChange:
    """What a version means for earlier answers; `labels` names those that are requested again, all if it is empty."""

    earlier_answers: EarlierAnswers = EarlierAnswers.KEEP
    labels: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Request:
    """Answers under earlier versions than this one that are requested again; all labels if there are none."""

    version: int
    labels: tuple[str, ...] = ()

    def concerns(self, classes: tuple[str, ...]) -> bool:
        """Return whether an answer that names these classes is requested again."""
        return not self.labels or not set(self.labels).isdisjoint(classes)


@dataclass(frozen=True)
class Guideline:
    """Instructions for annotators. Each change is a new revision; a label set keeps the one it was created with."""

    name: str
    create_time: datetime
    update_time: datetime
    instructions: str
    task: AnswerSpec
    conflict_policy: ConflictPolicy = ConflictPolicy.HUMAN_FIRST
    revision: int = 0
    version: int = 1
    purpose: str = ""
    ambiguity: str = ""
    examples: tuple[Example, ...] = ()
    change: VersionChange = field(default_factory=VersionChange)
    """What this version means for earlier answers."""
    requests: tuple[Request, ...] = ()
    """Versions that request earlier answers again."""

    @property
    def etag(self) -> str:
        """Return the revision that a change must name, so that no caller overwrites a change that it has not read."""
        return str(self.revision)


@dataclass(frozen=True)
class GuidelineVersion:
    """A version of a guideline. While it is not applied, tasks whose answers it requests again are being opened."""

    name: str
    create_time: datetime
    update_time: datetime
    guideline: Guideline
    applied: bool = True
    position: str = ""
    """Name of the last task to which the change is applied."""
    reopened_count: int = 0
    revision: int = 0


def version_name(guideline: Guideline) -> str:
    """Return the name of the resource of a guideline's version."""
    return f"{guideline.name}/versions/{guideline.version}"


def check_sections(guideline: Guideline) -> None:
    """Raise BadGuideline if a section is too long."""
    for name in ("instructions", "purpose", "ambiguity"):
        _check_length(name, getattr(guideline, name), MAX_SECTION_CHARS)
    if len(guideline.examples) > MAX_EXAMPLES:
        raise BadGuideline(f"A guideline has at most {MAX_EXAMPLES:,} examples.", "examples")
    for example in guideline.examples:
        _check_length("examples.text", example.text, MAX_EXAMPLE_CHARS)
        _check_length("examples.explanation", example.explanation, MAX_NOTE_CHARS)


def check_change(change: VersionChange) -> None:
    """Raise BadGuideline if a change names labels without requesting answers again, or has too long a note."""
    if change.labels and change.earlier_answers is EarlierAnswers.KEEP:
        raise BadGuideline("change.labels needs earlier_answers ASK_AGAIN.", "change.labels")
    _check_length("change.note", change.note, MAX_NOTE_CHARS)


def _check_length(name: str, text: str, largest: int) -> None:
    if len(text) > largest or "\0" in text:
        raise BadGuideline(f"{name} has at most {largest:,} characters and no NUL.", name)


def check_etag(guideline: Guideline, etag: str) -> None:
    """Raise StaleEtag when a change was made on another revision than the present one; empty is not checked."""
    if etag and etag != guideline.etag:
        raise StaleEtag(
            f"{guideline.name} was changed after you read it: read it again and retry.",
            "etag",
        )
