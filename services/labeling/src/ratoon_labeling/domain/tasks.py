"""Tasks: one record that annotators answer, or answers that they rate, each of them once.

OPEN → DONE      all annotators answered, at least one with an answer
     ↘ SKIPPED   all annotators skipped the task

An annotator claims an open task by a lease; while it lasts, no other annotator can claim or complete the task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon.tasks.kinds import TaskSpec
from ratoon_labeling.domain.errors import BadAnswer, BadOverlap, BadWork, TaskAnswered, TaskClaimed
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.ratings import HIGHEST, LOWEST, SCALES, Preference, Work

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
    REQUESTED = "requested"


@dataclass(frozen=True)
class Answer:
    """Answer of an annotator: a label, ratings or a preference, by the work of the task; nothing skips the task."""

    annotator: str
    label: str
    ratings: Mapping[str, int] = field(default_factory=dict)
    preference: Preference | None = None

    @property
    def skips(self) -> bool:
        """Return whether the annotator gave no answer."""
        return not (self.label or self.ratings or self.preference)


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
    work: Work = Work.ANSWER
    candidates: tuple[str, ...] = ()
    """Answers to rate: one to rate, two to compare."""
    origins: tuple[str, ...] = ()
    """What gave each candidate; none if not stated."""
    scales: tuple[str, ...] = ()

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

    `reviews` holds labels only; `unchanged` and `changed` count every answer where one stood before.
    """

    open: dict[str, int] = field(default_factory=dict)
    done: int = 0
    skipped: int = 0
    reviews: dict[tuple[str, str], int] = field(default_factory=dict)
    unchanged: int = 0
    changed: int = 0


def checked_overlap(overlap: int) -> int:
    """Return the number of annotators of each task; BadOverlap outside 1 to 20."""
    if not 1 <= overlap <= MAX_OVERLAP:
        raise BadOverlap(f"overlap is {overlap}; choose 1 to {MAX_OVERLAP} annotators.", "overlap")
    return overlap


def checked_work(task: Task) -> Task:
    """Return a new task with its answers in their canonical form, and with scales.

    Raises BadWork if the kind of task does not have the work or the candidates do not fit it; UnknownLabel or BadAnswer
    if an answer is none.
    """
    rules, count = rules_of(task.task), _CANDIDATES[task.work]
    if task.work not in rules.WORK:
        raise BadWork(
            f"Tasks of the kind {task.task.kind} have the work {', '.join(rules.WORK)} only.", "work"
        )
    if len(task.candidates) != count or (task.origins and len(task.origins) != count):
        raise BadWork(
            f"The work {task.work} takes {count} candidates, each with one origin or none.", "candidates"
        )
    candidates = tuple(rules.checked_answer(task.task, each) for each in task.candidates)
    if len(set(candidates)) < count:
        raise BadWork("Both candidates are the same answer: there is nothing to compare.", "candidates")
    proposed = rules.checked_answer(task.task, task.proposed_label) if task.proposed_label else ""
    return replace(task, proposed_label=proposed, candidates=candidates, scales=_checked_scales(task))


_CANDIDATES = {Work.ANSWER: 0, Work.RATE: 1, Work.COMPARE: 2}
"""Number of answers that annotators rate or compare."""
_MAX_SCALES, _MAX_SCALE_CHARS = 10, 64


def _checked_scales(task: Task) -> tuple[str, ...]:
    if task.work is not Work.RATE:
        if task.scales:
            raise BadWork(f"The work {task.work} takes no scales.", "scales")
        return ()
    scales = task.scales or SCALES
    names = {scale.strip() for scale in scales if len(scale) <= _MAX_SCALE_CHARS}
    if len(names - {""}) < len(scales) or len(scales) > _MAX_SCALES:
        raise BadWork(
            f"scales takes up to {_MAX_SCALES} different names of 1 to {_MAX_SCALE_CHARS} characters.",
            "scales",
        )
    return scales


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
    """Return the task with an annotator's label; an empty one skips it."""
    return with_answer(task, Answer(annotator, label), now)


def with_answer(task: Task, raw: Answer, now: datetime) -> Task:
    """Return the task with an annotator's answer; the same answer again changes nothing.

    Raises TaskAnswered if the annotator gave another answer or enough others answered, TaskClaimed while another
    annotator holds a lease on the task, UnknownLabel or BadAnswer if it is no answer of the task.
    """
    answer = raw if raw.skips else _checked(task, raw)
    annotator = answer.annotator
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


def _checked(task: Task, answer: Answer) -> Answer:
    """Return the answer in its canonical form; UnknownLabel or BadAnswer if the work of the task takes another one."""
    parts = {
        Work.ANSWER: bool(answer.label),
        Work.RATE: bool(answer.ratings),
        Work.COMPARE: answer.preference is not None,
    }
    if not parts[task.work] or sum(parts.values()) > 1:
        raise BadAnswer(f"The task has the work {task.work}: give {_PARTS[task.work]} alone.", "label")
    return _CHECKS[task.work](task, answer)


def _with_label(task: Task, answer: Answer) -> Answer:
    return replace(answer, label=rules_of(task.task).checked_answer(task.task, answer.label))


def _with_ratings(task: Task, answer: Answer) -> Answer:
    whole = set(answer.ratings) == set(task.scales)
    if not whole or any(not LOWEST <= rating <= HIGHEST for rating in answer.ratings.values()):
        raise BadAnswer(f"Rate {', '.join(task.scales)}, each from {LOWEST} to {HIGHEST}.", "ratings")
    return answer


_PARTS = {Work.ANSWER: "a label", Work.RATE: "ratings", Work.COMPARE: "a preference"}
_CHECKS: Mapping[Work, Callable[[Task, Answer], Answer]] = {
    Work.ANSWER: _with_label,
    Work.RATE: _with_ratings,
    Work.COMPARE: lambda _task, answer: answer,
}


def _ended(task: Task) -> Task:
    """Return the task in its final state if enough annotators answered it."""
    if len(task.answers) < task.overlap:
        return task
    labels = {each.label for each in task.answers} - {""}
    return replace(
        task,
        state=TaskState.SKIPPED if all(each.skips for each in task.answers) else TaskState.DONE,
        label=labels.pop() if len(labels) == 1 else "",
        annotator=task.answers[-1].annotator,
    )
