"""Intake of queues: answers of models become tasks by rules, and people's answers return as feedback.

Positions say how far the sources were read; a position moves when all chosen items have their tasks. A task is named by
its queue and item, and it is stored together with the counts of its rule: whatever is repeated adds nothing.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description, FailedPrecondition, InvalidArgument, NotFound
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_labeling.application.ports import TaskQueue
from ratoon_labeling.domain.intake import (
    Batch,
    Intake,
    IntakeCount,
    IntakeRule,
    Item,
    intake_name,
    selected,
    without,
)
from ratoon_labeling.domain.kinds.table import parsed
from ratoon_labeling.domain.queues import Queue, lot, moved
from ratoon_labeling.domain.tasks import Reason, Task, TaskState, queued_id

_LOG = logging.getLogger(__name__)
_POLL_S = 15.0
_MAX_AT_ONCE = 100
"""Items that become tasks, and answers that return, in one step."""
_PERMANENT = (NotFound, FailedPrecondition, InvalidArgument)


@dataclass(frozen=True)
class AnswerText:
    """Text of an answer that people label, and the answer."""

    text: str
    label: str


class IntakeSources(Protocol):
    """Sources of answers: captured traffic, feedback, evaluation runs."""

    def check(self, rule: IntakeRule) -> None:
        """Raise NotFound if the deployment or the evaluation run of a rule does not exist."""
        ...

    def start(self, project: str, rule: IntakeRule) -> str:
        """Return the position from which a new rule reads."""
        ...

    def read(self, project: str, rule: IntakeRule, position: str) -> Batch:
        """Return items that arrived after a position; those that may not be used are left out."""
        ...

    def detailed(self, project: str, items: Sequence[Item]) -> Sequence[Item]:
        """Return these items with the digests of their texts, without those whose texts are gone."""
        ...

    def text_of(self, project: str, answer_id: str) -> AnswerText | None:
        """Return the text of an answer; None if it is gone, or may not be used."""
        ...

    def give_back(self, task: Task) -> str:
        """Store the label of a task as feedback on its answer; return the name of the feedback."""
        ...


@dataclass(frozen=True)
class _RuleState:
    """Items of a rule that lack tasks, or the position to which it moves."""

    missing: Sequence[Item] = ()
    position: str | None = None
    has_more: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Observation:
    """State of a queue with rules. `queue` is None after its deletion."""

    queue: Queue | None
    rules: Mapping[str, _RuleState] = field(default_factory=dict)
    returning: Sequence[str] = ()
    """Tasks whose labels have not returned yet."""


@dataclass(frozen=True)
class _Add:
    rule: str
    items: Sequence[Item]


@dataclass(frozen=True)
class _Return:
    task: str


@dataclass(frozen=True)
class _Report:
    problems: Mapping[str, str]


@dataclass(frozen=True)
class IntakeProcedure:
    """The work behind the intake rules of a queue; it ends with the queue."""

    store: Store
    queues: TaskQueue
    sources: IntakeSources
    clock: Clock
    kind: type[Intake] = Intake

    def observe(self, resource: Intake, claim: Claim) -> Observation:
        """Read the sources of the rules, and the answers of people that have not returned."""
        name = parent_of(resource.name)
        with self.store.read() as tx:
            queue = tx.find(Queue, name)
        if queue is None:
            return Observation(None)
        rules = () if queue.paused else queue.intake_rules
        read = {rule.id: self._read(queue, rule, resource.positions.get(rule.id)) for rule in rules}
        return Observation(queue, read, self.queues.returning(name, _MAX_AT_ONCE))

    def _read(self, queue: Queue, rule: IntakeRule, position: str | None) -> _RuleState:
        project = parent_of(queue.name)
        try:
            if position is None:
                return _RuleState(position=self.sources.start(project, rule), has_more=True)
            left = queue.intake_count(rule.id).left(rule, self.clock.now().date())
            if not left and rule.source.waits:
                return _RuleState(position=position)
            return self._chosen(queue, rule, position, left)
        except _PERMANENT as error:
            return _RuleState(problem=str(error))

    def _chosen(self, queue: Queue, rule: IntakeRule, position: str, left: int) -> _RuleState:
        project = parent_of(queue.name)
        batch = self.sources.read(project, rule, position)
        lots = {each.key: lot("intake", queue.name, rule.id, each.key) for each in batch.items}
        chosen = selected(rule, batch, position, lots)
        if chosen is None:
            return _RuleState(position=position)
        with self.store.read() as tx:
            existing = {each.key for each in chosen if tx.find(Task, _task_name(queue, each)) is not None}
        available = self._available(project, without(chosen, existing)) if left or rule.source.waits else ()
        if available and left:
            return _RuleState(available[:left])
        if available:
            return _RuleState(position=position)
        return _RuleState(position=batch.position, has_more=batch.has_more)

    def _available(self, project: str, items: Sequence[Item]) -> Sequence[Item]:
        """Return the first items whose texts are not gone, as many as become tasks in one step."""
        for start in range(0, len(items), _MAX_AT_ONCE):
            if available := self.sources.detailed(project, items[start : start + _MAX_AT_ONCE]):
                return available
        return ()

    def step(self, resource: Intake, observation: Observation, now: datetime) -> Step[Intake]:
        """Create the tasks that are missing, and move positions past the others."""
        queue = observation.queue
        if queue is None:
            return Step(resource, done=True)
        read = observation.rules
        additions = tuple(_Add(rule, each.missing) for rule, each in read.items() if each.missing)
        returns = tuple(map(_Return, observation.returning))
        problems = {rule: each.problem for rule, each in read.items()}
        changed = any(queue.intake_count(rule).problem != text for rule, text in problems.items())
        reports = (_Report(problems),) if changed else ()
        known = {rule.id for rule in queue.intake_rules}
        positions = {rule: each for rule, each in resource.positions.items() if rule in known}
        positions |= {rule: each.position for rule, each in read.items() if each.position is not None}
        actions = (*additions, *returns, *reports)
        at_once = bool(additions or returns) or any(each.has_more for each in read.values())
        after = resource if positions == resource.positions else replace(resource, positions=positions)
        return Step(after, actions, wake_after=0.0 if at_once else _POLL_S)

    def act(self, resource: Intake, action: object, claim: Claim) -> None:
        """Create tasks, return an answer, or note why a rule failed."""
        queue = parent_of(resource.name)
        match action:
            case _Add(rule, items):
                self._add(queue, rule, items)
            case _Return(task):
                self._return(queue, task)
            case _Report(problems):
                self._report(queue, problems)

    def _add(self, name: str, rule_id: str, items: Iterable[Item]) -> None:
        now = self.clock.now()
        with self.store.write() as tx:
            queue = self.queues.lock(tx, name)
            rule = next((each for each in queue.intake_rules if each.id == rule_id), None)
            for item in items:
                count = queue.intake_count(rule_id)
                if rule is None or not count.left(rule, now.date()):
                    break
                if tx.find(Task, _task_name(queue, item)) is not None:
                    continue
                created, _ = tx.create(_task(queue, rule, item, now))
                queue = moved(_counted(queue, rule_id, count.added(now.date())), None, created)
            tx.save(queue)

    def _return(self, name: str, task_name: str) -> None:
        with self.store.read() as tx:
            task = tx.find(Task, task_name)
        if task is None or task.label == task.returned_label:
            return
        feedback = ""
        try:
            feedback = self.sources.give_back(task)
        except _PERMANENT as error:
            _LOG.warning("the label of %s does not return to %s: %s", task.name, task.answer_id, error)
        with self.store.write() as tx:
            queue = self.queues.lock(tx, name)
            current = tx.find(Task, task_name)
            if current is None or current.label != task.label:
                return
            tx.save(replace(current, returned_label=task.label, feedback=feedback))
            count = queue.intake_count(task.intake_rule)
            count = replace(count, returned=count.returned + bool(feedback))
            tx.save(_counted(queue, task.intake_rule, count))

    def _report(self, name: str, problems: Mapping[str, str]) -> None:
        with self.store.write() as tx:
            queue = self.queues.lock(tx, name)
            for rule, problem in problems.items():
                queue = _counted(queue, rule, replace(queue.intake_count(rule), problem=problem))
            tx.save(queue)

    def failed(self, resource: Intake, error: Description, now: datetime) -> Step[Intake]:
        """Try again later: the rules stay in force."""
        return Step(resource, wake_after=_POLL_S)


def check_sources(
    rules: Sequence[IntakeRule], sources: IntakeSources, existing: Sequence[IntakeRule] = ()
) -> None:
    """Raise NotFound if what a rule reads does not exist; what an existing rule reads may be gone."""
    known = {(each.deployment, each.evaluation_run) for each in existing}
    for rule in rules:
        if (rule.deployment, rule.evaluation_run) not in known:
            sources.check(rule)


def follow_rules(tx: Transaction, queue: Queue, operations: Operations, clock: Clock) -> None:
    """Begin the intake of a queue with rules, or let it read at once."""
    name = intake_name(queue.name)
    if tx.find(Intake, name) is not None:
        operations.wake(tx, name)
    elif queue.intake_rules:
        now = clock.now()
        operations.begin(tx, tx.create(Intake(name, now, now))[0])


def wake_intakes(tx: Transaction, project: str, operations: Operations, within_s: float) -> None:
    """Let the intakes of a project read within this many seconds."""
    for queue in tx.all(Queue, project):
        if queue.intake_rules:
            operations.wake(tx, intake_name(queue.name), within_s)


def end_intake(tx: Transaction, queue: str, operations: Operations) -> None:
    """End the intake of a queue that is deleted."""
    intake = tx.find(Intake, intake_name(queue))
    if intake is not None:
        operations.end(tx, intake.name)
        tx.delete(intake)


def with_text(task: Task, sources: IntakeSources) -> tuple[Task, str] | None:
    """Return a task about an answer with the answer of the model as proposal, and the text that it answers.

    None if the text is gone: the traffic was deleted or erased, or its user permits no training.
    """
    read = sources.text_of(parent_of(task.name), task.answer_id)
    if read is None:
        return None
    proposed = task.proposed_label or ((parsed(task.task, read.label) or "") if read.label else "")
    return replace(task, proposed_label=proposed), read.text


def drop_task(name: str, store: Store, queues: TaskQueue) -> None:
    """Delete a task whose text is gone; its annotations stay."""
    with store.write() as tx:
        task = tx.find(Task, name)
        if task is not None:
            tx.save(moved(queues.lock(tx, task.queue), task, None))
            tx.delete(task)


def _counted(queue: Queue, rule: str, count: IntakeCount) -> Queue:
    return replace(queue, intake_counts={**queue.intake_counts, rule: count})


def _task_name(queue: Queue, item: Item) -> str:
    return f"{parent_of(queue.name)}/tasks/{queued_id(queue.name, item.key)}"


def _task(queue: Queue, rule: IntakeRule, item: Item, now: datetime) -> Task:
    label = (parsed(queue.task, item.label) or "") if item.label else ""
    origin = "current" if item.evaluation_run else item.model_version
    return Task(
        name=_task_name(queue, item),
        create_time=now,
        update_time=now,
        record_id=item.answer_id or item.key,
        content_digest=item.content_digest,
        dataset_version=item.dataset_version,
        task=queue.task,
        proposed_label=label,
        reason=Reason.QUEUE,
        state=TaskState.OPEN,
        overlap=queue.overlap,
        queue=queue.name,
        proposal_origin=origin if label else "",
        proposal_confidence=item.confidence if label else None,
        suggested_label=(parsed(queue.task, item.suggested) or "") if item.suggested else "",
        is_blind=lot("blind", queue.name, item.key) < queue.pre_labels.blind_share,
        guideline=queue.guideline,
        guideline_version=queue.guideline_version,
        needs_review=lot("review", queue.name, item.key) < queue.review_share,
        intake_rule=rule.id,
        answer_id=item.answer_id,
        model_version=item.model_version,
        evaluation_run=item.evaluation_run,
        text_digests=item.text_digests,
    )
