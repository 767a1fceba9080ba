"""Annotations: answers to records, each with its annotator and source."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon_labeling.domain.errors import SourceNotYours

MAX_ANSWER_CHARS = 65_536
"""Characters in an answer."""


def is_storable(answer: str) -> bool:
    """Return whether an answer is short enough, and without the character NUL, which PostgreSQL does not take."""
    return len(answer) <= MAX_ANSWER_CHARS and "\0" not in answer


class Source(StrEnum):
    """Where a label came from."""

    IMPORT = "IMPORT"
    HUMAN = "HUMAN"
    FEEDBACK = "FEEDBACK"


class Selection(StrEnum):
    """How a record was chosen for labeling."""

    RANDOM = "RANDOM"
    ACTIVE = "ACTIVE"
    """A model was uncertain about it: it never enters the test part of a split."""


@dataclass(frozen=True)
class AnnotatedLabel:
    """Answer that an annotator gave a record, with its source and time; of several annotators without a name."""

    label: str
    annotator: str
    source: Source
    time: datetime


@dataclass(frozen=True)
class Annotation:
    """A stored label. `content_digest` is of the labelled text; `label_set` names the import that brought it."""

    name: str
    create_time: datetime
    update_time: datetime
    record_id: str
    content_digest: str
    label: str
    annotator: str
    source: Source
    label_set: str = ""
    revision: int = 0
    queue: str = ""
    selection: Selection | None = None
    guideline: str = ""
    guideline_version: int = 0
    outdated: bool = False
    """A later version of the guideline requests the answer again: it counts no more."""


@dataclass(frozen=True)
class AnnotationCreated:
    """A record was labelled."""

    record_id: str


def annotation_of_task(task: str, annotator: str) -> str:
    """Return the name of the annotation that answers a task; `annotator` is empty if the task takes one answer."""
    name = task.replace("/tasks/", "/annotations/task-")
    return f"{name}{mark_of(annotator)}" if annotator else name


def mark_of(annotator: str) -> str:
    """Return the end of the names of the annotations by which an annotator answers tasks of several annotators."""
    return f"-{hashlib.sha256(annotator.encode()).hexdigest()[:12]}"


def annotator_of(source: Source, named: str, caller: str, caller_is_service: bool) -> str:
    """Who an annotation is by: people label in their own name, imports and services may name another.

    Raises SourceNotYours when a person would speak for users' feedback.
    """
    if source is Source.FEEDBACK and not caller_is_service:
        raise SourceNotYours(
            "Annotations from feedback are created by the platform: send POST /v1/feedback with the "
            "answer's id."
        )
    may_name = caller_is_service or source is Source.IMPORT
    return named if named and may_name else caller
