"""Tasks: one record that annotators answer, or answers that they rate, each of them once.

OPEN → IN_REVIEW → DONE   all annotators answered, at least one with an answer; a reviewer sends back to OPEN
     ↘ SKIPPED            all annotators skipped the task

An annotator claims an open task by a lease; while it lasts, no other annotator can claim or complete the task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from ratoon_labeling.domain.annotations import Selection
from ratoon_labeling.domain.errors import (
    BadAnswer,
    BadComment,
    BadGuideline,
    BadOverlap,
    BadWork,
    GuidelineChanged,
    NoAnswer,
    NotInReview,
    NotReviewer,
    TaskAnswered,
    TaskClaimed,
    TaskReviewed,
)
from ratoon_labeling.domain.guidelines import Guideline, Request
from ratoon_labeling.domain.kinds.table import parsed, rules_of
from ratoon_labeling.domain.marks import AnswerSpec
from ratoon_labeling.domain.ratings import COUNTS, HIGHEST, LOWEST, SCALES, Preference, Work

LEASE = timedelta(minutes=10)
"""Time for which a claim reserves a task."""
MAX_OVERLAP = 20
"""Annotators of one task."""
MAX_COMMENT_CHARS, MAX_SKIP_REASON_CHARS, _MAX_COMMENTS = 4_096, 200, 100


EARLIER = "earlier"
"""Origin of a proposed label: an answer under an earlier version of the guideline."""
_MAX_EARLIER = 100


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "OPEN"
    DONE = "DONE"
    SKIPPED = "SKIPPED"
    IN_REVIEW = "IN_REVIEW"
    GOLD = "GOLD"
    """It has a known answer, and each annotator gets it once; callers see it as OPEN or DONE."""


class Reason(StrEnum):
    """Why a record is reviewed."""

    REVIEW_SAMPLE = "review-sample"
    CONFLICT = "conflict"
    REQUESTED = "requested"
    QUEUE = "queue"


class Decision(StrEnum):
    """Decision of a reviewer."""

    ACCEPT = "ACCEPT"
    FIX = "FIX"
    SEND_BACK = "SEND_BACK"


@dataclass(frozen=True)
class Comment:
    """Comment of an annotator or a reviewer."""

    author: str
    text: str
    time: datetime


@dataclass(frozen=True)
class Review:
    """Result of a review; `label` is the reviewer's of the decision FIX."""

    decision: Decision
    reviewer: str
    label: str = ""


@dataclass(frozen=True)
class Answer:
    """Answer of an annotator: a label, ratings or a preference, by the work of the task; nothing skips the task."""

    annotator: str
    label: str
    ratings: Mapping[str, int] = field(default_factory=dict)
    preference: Preference | None = None
    skip_reason: str = ""
    guideline_version: int = 0

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
    task: AnswerSpec
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
    queue: str = ""
    selection: Selection | None = None
    proposal_origin: str = ""
    guideline: str = ""
    guideline_version: int = 0
    comments: tuple[Comment, ...] = ()
    review: Review | None = None
    needs_review: bool = False
    expected_label: str = ""
    """Known answer of a gold item, which annotators do not see."""
    reviewed: tuple[str, ...] = ()
    """Annotators whose answers were reviewed, each as often as they were."""
    accepted: tuple[str, ...] = ()
    """Those of them whose answers were accepted."""
    proposal_confidence: float | None = None
    """Probability of the proposed label by what proposed it."""
    is_blind: bool = False
    """Annotators do not see the proposed label."""
    suggested_label: str = ""
    """Label that is more probable than the current one, which is proposed."""
    earlier_answers: tuple[Answer, ...] = ()
    """Answers that a later version of the guideline requests again."""
    reopened_by: int = 0
    """Version of the guideline that opened the task again; 0: none."""
    intake_rule: str = ""
    """Rule of the queue by which the task came; empty: none."""
    answer_id: str = ""
    """Answer of a model that the task is about; empty: it is about a record."""
    model_version: str = ""
    evaluation_run: str = ""
    text_digests: tuple[str, ...] = ()
    """Digests of the texts of the request of `answer_id`, by which an erasure finds the task."""
    returned_label: str = ""
    """Label that returned to `answer_id`."""
    feedback: str = ""
    """Feedback by which it returned; empty: none, or it was refused."""

    @property
    def given(self) -> tuple[Answer, ...]:
        """Return the answers so far."""
        if self.answers or (self.state is not TaskState.DONE and self.state is not TaskState.SKIPPED):
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
    rules, count = rules_of(task.task), COUNTS[task.work]
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
    return replace(
        task, proposed_label=proposed, candidates=candidates, scales=checked_scales(task.work, task.scales)
    )


_QUEUED = UUID("5f1c0a7e-3a35-4c1e-8e0b-2f4a7c9d61b8")
_MAX_SCALES, _MAX_SCALE_CHARS = 10, 64


def checked_scales(work: Work, scales: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scales on which answers are rated, none of other work; BadWork if they are not valid."""
    if work is not Work.RATE:
        if scales:
            raise BadWork(f"The work {work} takes no scales.", "scales")
        return ()
    scales = scales or SCALES
    names = {scale.strip() for scale in scales if len(scale) <= _MAX_SCALE_CHARS}
    if len(names - {""}) < len(scales) or len(scales) > _MAX_SCALES:
        raise BadWork(
            f"scales takes up to {_MAX_SCALES} different names of 1 to {_MAX_SCALE_CHARS} characters.",
            "scales",
        )
    return scales


def presented(task: Task, viewer: str, *, whole: bool) -> Task:
    """Return a task of a queue as a caller sees it; `whole` for engineers.

    Annotators see neither the answers of others nor what distinguishes a gold item from another task.
    """
    if not task.queue:
        return task
    own = task.answer_of(viewer)
    if task.state is TaskState.GOLD:
        task = replace(task, state=TaskState.OPEN if own is None or not task.answers else TaskState.DONE)
    if whole:
        return task
    if task.is_blind and own is None:
        task = without_proposal(task)
    return replace(
        task,
        create_time=task.update_time,
        revision=0,
        answers=(own,) if own else (),
        earlier_answers=tuple(each for each in task.earlier_answers if each.annotator == viewer),
        label=own.label if own else "",
        annotator=viewer if own else "",
        selection=None,
        needs_review=False,
    )


def without_proposal(task: Task) -> Task:
    """Return the task without its proposed label."""
    return replace(task, proposed_label="", proposal_origin="", proposal_confidence=None, suggested_label="")


def under(task: Task, guideline: Guideline | None) -> Task:
    """Return a task of a queue under the present version of its guideline; None: it was deleted.

    A proposed label that the guideline does not have any more is dropped.
    """
    if guideline is None or not task.queue:
        return task
    if guideline.version == task.guideline_version and guideline.task == task.task:
        return task
    if guideline.task.kind != task.task.kind:
        return task
    task = replace(task, task=guideline.task, guideline_version=guideline.version)
    fits = not task.proposed_label or parsed(task.task, task.proposed_label) is not None
    return task if fits else without_proposal(task)


def version_of_answer(task: Task, annotator: str, stated: int, guideline: Guideline | None) -> int:
    """Return the version of the guideline under which an annotator answers a task; 0 if it belongs to no queue.

    It is the stated one, else that of the annotator's claim, else the present one. Raises BadGuideline if the stated
    one does not exist.
    """
    if guideline is None or not task.queue:
        return task.guideline_version
    if stated > guideline.version or stated < 0:
        raise BadGuideline(
            f"{guideline.name} has no version {stated}, the newest is {guideline.version}.",
            "guideline_version",
        )
    return stated or (task.guideline_version if task.lease_holder == annotator else guideline.version)


def check_not_requested_again(task: Task, answer: Answer, guideline: Guideline | None) -> None:
    """Raise GuidelineChanged if a later version than that of an answer requests answers of its label again."""
    if guideline is None or not answer.label or task.answer_of(answer.annotator) is not None:
        return
    classes = rules_of(task.task).classes(task.task, answer.label)
    for request in guideline.requests:
        if answer.guideline_version < request.version and request.concerns(classes):
            raise GuidelineChanged(
                f"{guideline.name} has changed since version {answer.guideline_version}, by which you answer "
                f"{task.name}: version {request.version} requests this answer again. Claim the task, read version "
                f"{guideline.version}, and answer again.",
                "guideline_version",
            )


def reopened(task: Task, request: Request) -> Task:
    """Return the task without the answers that a version of its guideline requests again; they are kept as earlier.

    The label of a reviewer who replaced the answers stands for all of them. Gold items keep their answers.
    """
    if task.state is TaskState.GOLD or not task.queue:
        return task
    rules = rules_of(task.task)

    def is_requested(label: str) -> bool:
        return bool(label) and request.concerns(rules.classes(task.task, label))

    fixed = task.review.label if task.review is not None else ""
    if fixed and is_requested(fixed) and task.guideline_version < request.version:
        again = tuple(each for each in task.answers if not each.skips)
    elif fixed:
        return task
    else:
        again = tuple(
            each
            for each in task.answers
            if each.guideline_version < request.version and is_requested(each.label)
        )
    if not again:
        return task
    labels = {fixed} if fixed else {each.label for each in again}
    task = replace(
        task,
        state=TaskState.OPEN,
        answers=tuple(each for each in task.answers if each not in again),
        earlier_answers=(*task.earlier_answers, *again)[-_MAX_EARLIER:],
        reopened_by=request.version,
        review=None,
        label="",
        annotator="",
        lease_holder="",
        lease_expire_time=None,
    )
    if len(labels) > 1:
        return without_proposal(task)
    return replace(
        without_proposal(task), proposed_label=labels.pop(), proposal_origin=EARLIER, is_blind=False
    )


def queued_id(queue: str, record_id: str) -> str:
    """Return the id of the task of a record in a queue: one record has one task in it."""
    return str(uuid5(_QUEUED, f"{queue}\0{record_id}"))


def is_claimable(task: Task, annotator: str, now: datetime) -> bool:
    """Return whether an annotator can claim a task: it is open, not answered by them, and not leased to another."""
    return (
        task.state in (TaskState.OPEN, TaskState.GOLD)
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
    answer = _checked_skip(raw) if raw.skips else _checked(task, raw)
    annotator = answer.annotator
    given = task.answer_of(annotator)
    if given is not None and replace(given, guideline_version=answer.guideline_version) == answer:
        return task
    if given or task.state not in (TaskState.OPEN, TaskState.GOLD):
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
    if answer.skip_reason:
        raise BadAnswer("Give an answer, or a reason to skip the task, not both.", "skip_reason")
    if not parts[task.work] or sum(parts.values()) > 1:
        raise BadAnswer(f"The task has the work {task.work}: give {_PARTS[task.work]} alone.", "label")
    return _CHECKS[task.work](task, answer)


def _checked_skip(answer: Answer) -> Answer:
    if len(answer.skip_reason) > MAX_SKIP_REASON_CHARS or "\0" in answer.skip_reason:
        raise BadComment(
            f"skip_reason has at most {MAX_SKIP_REASON_CHARS} characters and no NUL.", "skip_reason"
        )
    return answer


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
    """Return the task in its final state, or waiting for a reviewer, if enough annotators answered it.

    In a queue, who skips a task is no annotator of it: another one is asked, until as many skipped it as should answer.
    """
    if task.state is TaskState.GOLD:
        return task
    skips = sum(each.skips for each in task.answers)
    answered = len(task.answers) - skips
    if task.queue and answered < task.overlap and skips < task.overlap:
        return task
    if len(task.answers) < task.overlap:
        return task
    labels = {each.label for each in task.answers} - {""}
    state = TaskState.IN_REVIEW if task.needs_review else TaskState.DONE
    if not answered or (task.queue and answered < task.overlap):
        state = TaskState.SKIPPED
    return replace(
        task,
        state=state,
        label=labels.pop() if len(labels) == 1 else "",
        annotator=task.answers[-1].annotator,
    )


def withdrawn(task: Task, annotator: str, now: datetime) -> Task:
    """Return the task without the answer of an annotator, who holds a lease on it.

    Raises NoAnswer if the annotator gave none, TaskReviewed if it was reviewed.
    """
    if not task.queue or task.answer_of(annotator) is None:
        raise NoAnswer(f"{annotator} has no answer to {task.name} that can be withdrawn.")
    if task.review is not None and task.state is not TaskState.OPEN:
        raise TaskReviewed(
            f"{task.name} was reviewed by {task.review.reviewer}: create an annotation to disagree."
        )
    rest = tuple(each for each in task.answers if each.annotator != annotator)
    state = task.state if task.state is TaskState.GOLD else TaskState.OPEN
    return claim(replace(task, state=state, answers=rest, label="", annotator=""), annotator, now)


def with_comment(task: Task, author: str, text: str, now: datetime) -> Task:
    """Return the task with a comment; an empty one changes nothing."""
    if len(text) > MAX_COMMENT_CHARS or "\0" in text:
        raise BadComment(f"A comment has at most {MAX_COMMENT_CHARS:,} characters and no NUL.", "comment")
    if not text.strip():
        return task
    return replace(task, comments=(*task.comments, Comment(author, text, now))[-_MAX_COMMENTS:])


def is_reviewable(task: Task, reviewer: str, now: datetime) -> bool:
    """Return whether a reviewer can claim a task: it waits for one, is not answered by them, nor leased to another."""
    return (
        task.state is TaskState.IN_REVIEW
        and task.answer_of(reviewer) is None
        and not _is_held_by_another(task, reviewer, now)
    )


def reviewed(task: Task, decision: Decision, label: str, comment: str, reviewer: str, now: datetime) -> Task:
    """Return the task with the decision of a reviewer.

    Raises NotInReview if it does not wait for one, NotReviewer if the reviewer answered it, TaskClaimed while another
    reviewer holds a lease, BadComment for a task that is sent back without a reason, and UnknownLabel or BadAnswer if
    the label of a correction is none.
    """
    if task.state is not TaskState.IN_REVIEW:
        raise NotInReview(f"{task.name} is {task.state}: only tasks in the state IN_REVIEW are reviewed.")
    if task.answer_of(reviewer) is not None:
        raise NotReviewer(f"{reviewer} answered {task.name}: another person reviews it.")
    if _is_held_by_another(task, reviewer, now):
        raise TaskClaimed(f"{task.name} is claimed by {task.lease_holder} until {task.lease_expire_time}.")
    if decision is Decision.SEND_BACK and not comment.strip():
        raise BadComment("Say in a comment why the annotators should answer again.", "comment")
    if bool(label) is not (decision is Decision.FIX):
        raise BadAnswer("Give a label with the decision FIX, and with no other one.", "label")
    answer = rules_of(task.task).checked_answer(task.task, label) if label else ""
    who = tuple(each.annotator for each in task.answers if not each.skips)
    task = replace(
        with_comment(task, reviewer, comment, now),
        review=Review(decision, reviewer, answer),
        reviewed=(*task.reviewed, *who),
        accepted=(*task.accepted, *(who if decision is Decision.ACCEPT else ())),
        lease_holder="",
        lease_expire_time=None,
    )
    if decision is Decision.SEND_BACK:
        return replace(task, state=TaskState.OPEN, answers=(), label="", annotator="")
    return replace(task, state=TaskState.DONE, label=answer or task.label)
