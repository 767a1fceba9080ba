"""Captured answers for people to label: which of them may be used, and their texts while the traffic holds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ratoon.process.clock import Clock
from ratoon.storage.names import matched
from ratoon.storage.store import Store, Transaction
from ratoon.tasks import kinds
from ratoon.tasks.kind import Verdict
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.records import prompt_text
from ratoon_flywheel.application.commands import CollectAnswers
from ratoon_flywheel.application.examples import read_exchanges
from ratoon_flywheel.application.handlers import PROJECT
from ratoon_flywheel.application.ports import AnswerIndex, Segments
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.errors import BadFeedback
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.features import AnswerStatus
from ratoon_flywheel.domain.signals.feedback import Feedback, FeedbackLabel
from ratoon_flywheel.domain.signals.traffic import Answer, Exchange, content_digest

MAX_COLLECTED, MAX_READ, MAX_RATING = 1_000, 100, 4
"""Answers that one call looks at, answers that it reads with their texts, and the highest rating of a rejected one."""
_WAIT = timedelta(minutes=10)
"""Time for which feedback waits for the segment of its answer."""
_MAX_CHARS = 700_000
"""Characters of all texts of a response: it stays under a message's 4 MiB in any script."""


@dataclass(frozen=True)
class Collected:
    """An answer that may be used for training."""

    answer: Answer
    position: int = 0
    feedback: str = ""
    text: str = ""
    label: str = ""
    text_digests: tuple[str, ...] = ()

    @property
    def confidence(self) -> float | None:
        """Return the confidence of the model; 0 of an invalid answer or a refusal."""
        uncertain = self.answer.status in (AnswerStatus.INVALID, AnswerStatus.REFUSAL)
        return 0.0 if uncertain or not self.answer.label else self.answer.confidence


@dataclass(frozen=True)
class Collection:
    """Answers in the order of their positions, and the position up to which everything was looked at."""

    answers: Sequence[Collected]
    position: int
    forbidden: int = 0
    """Number of answers that may not be used for training."""
    has_more: bool = False


def collect_answers(
    command: CollectAnswers, store: Store, index: AnswerIndex, segments: Segments, clock: Clock
) -> Collection:
    """Return answers that arrived after a position, or those with these ids and their texts."""
    matched(command.parent, PROJECT, "parent")
    _check(command)
    project = store.get(Project, command.parent)
    if command.answer_ids:
        return _with_texts(command.answer_ids, project, store, index, segments)
    with store.read() as tx:
        if command.position < 0:
            mark = index.mark(tx, project.name)
            return Collection((), mark.feedback if command.rejected else mark.answers)
        read = _rejected if command.rejected else _arrived
        return read(command, project, tx, index, clock.now())


def _check(command: CollectAnswers) -> None:
    if not 1 <= command.size <= MAX_COLLECTED:
        raise BadFeedback(f"page_size must be 1 to {MAX_COLLECTED:,}, not {command.size}.", "page_size")
    if not 1 <= command.max_rating <= MAX_RATING:
        raise BadFeedback(f"max_rating must be 1 to {MAX_RATING}, not {command.max_rating}.", "max_rating")
    if len(command.answer_ids) > MAX_READ:
        raise BadFeedback(
            f"answer_ids has {len(command.answer_ids):,} items; give at most {MAX_READ}.", "answer_ids"
        )


def _arrived(
    command: CollectAnswers, project: Project, tx: Transaction, index: AnswerIndex, now: datetime
) -> Collection:
    rows = index.arrived(tx, project.name, command.deployment, command.position, command.size)
    feedback = index.feedback_of(tx, project.name, [answer.answer_id for _, answer in rows])
    allowed = [
        _collected(answer, position, _name_of(feedback.get(answer.answer_id)), project)
        for position, answer in rows
        if _is_allowed(feedback.get(answer.answer_id), project)
    ]
    return _collection(command, [position for position, _ in rows], allowed, len(rows) - len(allowed))


def _rejected(
    command: CollectAnswers, project: Project, tx: Transaction, index: AnswerIndex, now: datetime
) -> Collection:
    rows = index.feedback_arrived(tx, project.name, command.position, command.size)
    positions: list[int] = []
    indexed: list[tuple[int, Answer, FeedbackLabel]] = []
    for position, answer, feedback in rows:
        if answer is None and feedback.time > now - _WAIT:
            break
        positions.append(position)
        if answer is not None and command.deployment in ("", answer.deployment):
            indexed.append((position, answer, feedback))
    corrected = [answer.content_digest for _, answer, feedback in indexed if feedback.correction]
    contested = index.contested(tx, project.name, corrected) if command.conflicts else set()
    newest = {each[1].content_digest: each for each in indexed if each[2].correction}
    chosen = [
        each
        for each in indexed
        if (
            each[1].content_digest in contested and newest[each[1].content_digest] is each
            if each[2].correction
            else _is_low(each[2], command.max_rating, tx)
        )
    ]
    allowed = [
        _collected(answer, position, feedback.feedback, project)
        for position, answer, feedback in chosen
        if _is_allowed(feedback, project)
    ]
    return _collection(command, positions, allowed, len(chosen) - len(allowed), len(rows) > len(positions))


def _collected(answer: Answer, position: int, feedback: str, project: Project) -> Collected:
    """Return an answer without texts; that of free text is one."""
    free_text = kinds.kind_of(project.task).FREE_TEXT
    return Collected(answer, position, feedback, label="" if free_text else answer.label)


def _collection(
    command: CollectAnswers,
    positions: Sequence[int],
    allowed: Sequence[Collected],
    forbidden: int,
    waits: bool = False,
) -> Collection:
    last = max([command.position, *positions])
    new = sum(each > command.position for each in positions)
    return Collection(allowed, last, forbidden, has_more=not waits and new >= command.size)


def _is_low(feedback: FeedbackLabel, max_rating: int, tx: Transaction) -> bool:
    """Return whether a user rejected an answer; feedback by annotators rejects none."""
    given = tx.find(Feedback, feedback.feedback) if feedback.feedback else None
    if given is None:
        return feedback.verdict is Verdict.NEGATIVE
    if given.task:
        return False
    return given.thumb < 0 or (not given.thumb and 0 < given.rating <= max_rating)


def _is_allowed(feedback: FeedbackLabel | None, project: Project) -> bool:
    consent = project.default_consent if feedback is None else feedback.consent
    return consent.allows(Consent.TRAINING)


def _name_of(feedback: FeedbackLabel | None) -> str:
    return "" if feedback is None else feedback.feedback


def _with_texts(
    answer_ids: Sequence[str], project: Project, store: Store, index: AnswerIndex, segments: Segments
) -> Collection:
    with store.read() as tx:
        known = index.by_id(tx, project.name, answer_ids)
        feedback = index.feedback_of(tx, project.name, answer_ids)
        allowed = {id: each for id, each in known.items() if _is_allowed(feedback.get(id), project)}
        digests = index.segment_digests(tx, {each.segment for each in allowed.values()})
    exchanges = read_exchanges(segments, digests, frozenset(allowed))
    read = [
        _filled(Collected(allowed[id], feedback=_name_of(feedback.get(id))), exchanges[id], project.task)
        for id in dict.fromkeys(answer_ids)
        if id in allowed and id in exchanges
    ]
    return Collection(_fitting(read), 0, len(known) - len(allowed))


def _filled(collected: Collected, exchange: Exchange, task: TaskSpec) -> Collected:
    free_text = kinds.kind_of(task).FREE_TEXT
    texts = [exchange.text, *exchange.context]
    if len(exchange.turns) > 1:
        texts.append(prompt_text(exchange.turns))
    if free_text and exchange.answer.strip():
        texts.append(exchange.answer)
    return replace(
        collected,
        text=prompt_text(exchange.turns) if free_text and exchange.turns else exchange.text,
        label=kinds.parse(task, exchange.answer) or "",
        text_digests=tuple(dict.fromkeys(map(content_digest, texts))),
    )


def _fitting(read: Iterable[Collected]) -> list[Collected]:
    """Return the first answers whose texts fit into one message."""
    fitting: list[Collected] = []
    size = 0
    for each in read:
        size += len(each.text) + len(each.label)
        if fitting and size > _MAX_CHARS:
            break
        fitting.append(each)
    return fitting
