"""Tasks: one record that an annotator reviews.

OPEN → DONE      a label was given
     ↘ SKIPPED   the annotator gave no label

An annotator claims an open task by a lease; while it lasts, no other annotator can claim or complete the task.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon_labeling.domain.errors import TaskAnswered, TaskClaimed
from ratoon_labeling.domain.kinds.classify import known_label

LEASE = timedelta(minutes=10)
"""Time for which a claim reserves a task."""


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "OPEN"
    DONE = "DONE"
    SKIPPED = "SKIPPED"


class Reason(StrEnum):
    """Why a record is reviewed."""

    REVIEW_SAMPLE = "review-sample"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Task:
    """One record to review; `labels` are the allowed labels."""

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
    lease_holder: str = ""
    lease_expire_time: datetime | None = None
    revision: int = 0


@dataclass(frozen=True)
class TaskSummary:
    """Number of a project's tasks: open ones by reason, and done ones by the labels before and after."""

    open: dict[str, int] = field(default_factory=dict)
    done: int = 0
    skipped: int = 0
    reviews: dict[tuple[str, str], int] = field(default_factory=dict)


def is_claimable(task: Task, annotator: str, now: datetime) -> bool:
    """Return whether an annotator can claim a task: it is open, and no other annotator holds a lease on it."""
    return task.state is TaskState.OPEN and not _is_held_by_another(task, annotator, now)


def claim(task: Task, annotator: str, now: datetime) -> Task:
    """Return the task with a lease of the annotator that begins now."""
    return replace(task, lease_holder=annotator, lease_expire_time=now + LEASE)


def _is_held_by_another(task: Task, annotator: str, now: datetime) -> bool:
    expires = task.lease_expire_time
    return expires is not None and expires > now and task.lease_holder != annotator


def complete(task: Task, label: str, annotator: str, now: datetime) -> Task:
    """Return the task with its answer; an empty label skips it, the same answer again changes nothing.

    Raises TaskAnswered when another answer stands, TaskClaimed while another annotator holds a lease on the task,
    UnknownLabel when the guideline does not have the label.
    """
    answer = known_label(label, task.labels) if label else ""
    if task.state is not TaskState.OPEN:
        if (task.label, task.annotator) == (answer, annotator):
            return task
        raise TaskAnswered(
            f"{task.name} is already answered by {task.annotator}: create an annotation to disagree."
        )
    if _is_held_by_another(task, annotator, now):
        raise TaskClaimed(
            f"{task.name} is claimed by {task.lease_holder} until {task.lease_expire_time}. Claim another task."
        )
    state = TaskState.DONE if answer else TaskState.SKIPPED
    answered = replace(task, state=state, label=answer, annotator=annotator)
    return replace(answered, lease_holder="", lease_expire_time=None)
