"""Tasks: one record that annotators answer, each of them once.

OPEN → DONE      all annotators answered, at least one with an answer
     ↘ SKIPPED   all annotators skipped the record

An annotator claims an open task by a lease; while it lasts, no other annotator can claim or complete the task.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon.tasks.kinds import TaskSpec
from ratoon_labeling.domain.errors import BadOverlap, TaskAnswered, TaskClaimed
from ratoon_labeling.domain.kinds.table import rules_of

LEASE = timedelta(minutes=10)
"""Time for which a claim reserves a task."""
MAX_OVERLAP = 20
"""Annotators of one task."""


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
class Answer:
    """Answer of an annotator; an empty label skips the task."""

    annotator: str
    label: str


@dataclass(frozen=True)
class Task:
    """One record to answer. `label` is what all answers agree on, `annotator` gave the last one."""

    name: str
    create_time: datetime
    update_time: datetime
    record_id: str
    content_digest: str
    dataset_version: str
    task: TaskSpec
    proposed_label: str
    reason: Reason
    state: TaskState = TaskState.OPEN
    label: str = ""
    annotator: str = ""
    lease_holder: str = ""
    lease_expire_time: datetime | None = None
    revision: int = 0
    overlap: int = 1
    """Annotators who answer the task."""
    answers: tuple[Answer, ...] = ()
    """Answers so far; releases that knew one annotator stored none."""

    @property
    def given(self) -> tuple[Answer, ...]:
        """Return the answers so far."""
        if self.answers or self.state is TaskState.OPEN:
            return self.answers
        return (Answer(self.annotator, self.label),)

    def answer_of(self, annotator: str) -> Answer | None:
        """Return the answer of an annotator, if there is one."""
        return next((each for each in self.given if each.annotator == annotator), None)


@dataclass(frozen=True)
class TaskSummary:
    """Number of a project's tasks: open ones by reason, and done ones by the answers before and after.

    `reviews` holds labels only; `kept` and `changed` count every answer where one stood before.
    """

    open: dict[str, int] = field(default_factory=dict)
    done: int = 0
    skipped: int = 0
    reviews: dict[tuple[str, str], int] = field(default_factory=dict)
    kept: int = 0
    changed: int = 0


def checked_overlap(overlap: int) -> int:
    """Return the number of annotators of each task; BadOverlap outside 1 to 20."""
    if not 1 <= overlap <= MAX_OVERLAP:
        raise BadOverlap(f"overlap is {overlap}; choose 1 to {MAX_OVERLAP} annotators.", "overlap")
    return overlap


def is_claimable(task: Task, annotator: str, now: datetime) -> bool:
    """Return whether an annotator can claim a task: it is open, not answered by them, and not leased to another."""
    return (
        task.state is TaskState.OPEN
        and task.answer_of(annotator) is None
        and not _is_held_by_another(task, annotator, now)
    )


def claim(task: Task, annotator: str, now: datetime) -> Task:
    """Return the task with a lease of the annotator that begins now."""
    return replace(task, lease_holder=annotator, lease_expire_time=now + LEASE)


def _is_held_by_another(task: Task, annotator: str, now: datetime) -> bool:
    expires = task.lease_expire_time
    return expires is not None and expires > now and task.lease_holder != annotator


def complete(task: Task, label: str, annotator: str, now: datetime) -> Task:
    """Return the task with an annotator's answer; an empty label skips it, the same answer again changes nothing.

    Raises TaskAnswered if the annotator gave another answer or enough others answered, TaskClaimed while another
    annotator holds a lease on the task, UnknownLabel or BadAnswer if the label is no answer.
    """
    answer = Answer(annotator, rules_of(task.task).checked_answer(task.task, label) if label else "")
    given = task.answer_of(annotator)
    if given == answer:
        return task
    if given or task.state is not TaskState.OPEN:
        raise TaskAnswered(
            f"{task.name} is already answered by {annotator if given else task.annotator}: create an annotation "
            "to disagree."
        )
    if _is_held_by_another(task, annotator, now):
        raise TaskClaimed(
            f"{task.name} is claimed by {task.lease_holder} until {task.lease_expire_time}. Claim another task."
        )
    return _ended(replace(task, answers=(*task.answers, answer), lease_holder="", lease_expire_time=None))


def _ended(task: Task) -> Task:
    """Return the task in its final state if enough annotators answered it."""
    if len(task.answers) < task.overlap:
        return task
    labels = {each.label for each in task.answers} - {""}
    return replace(
        task,
        state=TaskState.DONE if labels else TaskState.SKIPPED,
        label=labels.pop() if len(labels) == 1 else "",
        annotator=task.answers[-1].annotator,
    )
