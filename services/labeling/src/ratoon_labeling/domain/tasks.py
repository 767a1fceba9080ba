"""Tasks: one record that somebody is asked to look at.

OPEN → DONE      a label was given
     ↘ SKIPPED   the one who was asked would not say
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ratoon_labeling.domain.errors import TaskAnswered
from ratoon_labeling.domain.guidelines import known_label


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "OPEN"
    DONE = "DONE"
    SKIPPED = "SKIPPED"


class Reason(StrEnum):
    """Why a record is looked at again."""

    REVIEW_SAMPLE = "review-sample"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Task:
    """One record to look at; `labels` are those that may be given."""

    name: str
    create_time: datetime
    update_time: datetime
    record_id: str
    content_digest: str
    dataset_version: str
    labels: tuple[str, ...]
    proposed_label: str
    reason: Reason
    state: TaskState = TaskState.OPEN
    label: str = ""
    annotator: str = ""
    revision: int = 0


def complete(task: Task, label: str, annotator: str) -> Task:
    """The task with its answer; an empty label skips it, the same answer again changes nothing.

    Raises TaskAnswered when another answer stands, UnknownLabel when the label may not be given.
    """
    given = known_label(label, task.labels) if label else ""
    if task.state is not TaskState.OPEN:
        if (task.label, task.annotator) == (given, annotator):
            return task
        raise TaskAnswered(
            f"{task.name} is already answered by {task.annotator}: create an annotation to disagree."
        )
    return replace(
        task, state=TaskState.DONE if given else TaskState.SKIPPED, label=given, annotator=annotator
    )
