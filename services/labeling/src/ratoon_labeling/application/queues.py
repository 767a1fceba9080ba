"""Use cases of queues: one function each; the message first, the ports after."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_labeling.application.commands import (
    AddGoldItems,
    ClaimTask,
    CreateQueue,
    CreateRefill,
    GoldItem,
    ReviewTask,
    UpdateQueue,
    WithdrawAnswer,
)
from ratoon_labeling.application.intake import IntakeSources, check_sources, end_intake, follow_rules
from ratoon_labeling.application.names import DATASET_VERSION, GUIDELINE, MAX_BATCH, PROJECT, QUEUE, TASK
from ratoon_labeling.application.ports import Commits, Datasets, Patterns, TaskQueue
from ratoon_labeling.domain.annotations import Annotation, AnnotationCreated, Source, annotation_of_task
from ratoon_labeling.domain.errors import BadQueue, InUse, NotReviewer, RefillInProgress
from ratoon_labeling.domain.guidelines import Guideline, Request
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.queues import (
    DRAWING_FIELDS,
    PreLabels,
    Queue,
    check_claimable,
    check_endpoint,
    check_etag,
    checked_queue,
    checked_size,
    counted,
    lot,
    moved,
)
from ratoon_labeling.domain.refills import QueueDrained, Refill
from ratoon_labeling.domain.summaries import QueueSummary, summary_of_work
from ratoon_labeling.domain.tasks import (
    Decision,
    Reason,
    Task,
    TaskState,
    claim,
    is_claimable,
    is_reviewable,
    queued_id,
    reopened,
    reviewed,
    under,
    withdrawn,
)


def create_queue(
    command: CreateQueue,
    store: Store,
    operations: Operations,
    datasets: Datasets,
    patterns: Patterns,
    clock: Clock,
    endpoints: Collection[str] = (),
    *,
    sources: IntakeSources,
) -> Queue:
    """Create a queue; its first refill starts with it if the rule asks for one."""
    matched(command.parent, PROJECT, "parent")
    settings = dict(command.settings)
    _check_names(command.parent, settings)
    _check_pre_labels(settings, patterns, endpoints)
    check_sources(settings.get("intake_rules", ()), sources)
    if _threshold(settings):
        datasets.artifact_of(settings["dataset_version"])
    now = clock.now()
    with store.write() as tx:
        guideline = tx.get(Guideline, settings.pop("guideline"))
        queue = Queue(
            name=f"{command.parent}/queues/{checked_id(command.queue_id, 'queue_id')}",
            create_time=now,
            update_time=now,
            guideline=guideline.name,
            guideline_version=guideline.version,
            task=guideline.task,
            **settings,
        )
        queue, new = tx.create(checked_queue(queue), command.request_id)
        if new:
            follow_rules(tx, queue, operations, clock)
        return _refilled_if_needed(tx, queue, operations, clock) if new else queue


def update_queue(
    command: UpdateQueue,
    store: Store,
    operations: Operations,
    datasets: Datasets,
    patterns: Patterns,
    queues: TaskQueue,
    clock: Clock,
    endpoints: Collection[str] = (),
    *,
    sources: IntakeSources,
) -> Queue:
    """Change the settings of a queue; another source or rule lets it draw again."""
    matched(command.name, QUEUE)
    settings = dict(command.settings)
    _check_names(parent_of(command.name), settings)
    _check_pre_labels(settings, patterns, endpoints)
    if rules := settings.get("intake_rules"):
        check_sources(rules, sources, store.get(Queue, command.name).intake_rules)
    if version := settings.get("dataset_version"):
        datasets.artifact_of(version)
    with store.write() as tx:
        before = queues.lock(tx, command.name)
        check_etag(before, command.etag)
        guideline = tx.get(Guideline, settings.get("guideline", before.guideline))
        after = checked_queue(
            replace(before, **settings, task=guideline.task, guideline_version=guideline.version)
        )
        if any(getattr(after, field) != getattr(before, field) for field in DRAWING_FIELDS):
            after = replace(after, stop_reason=None, refill_failed=False)
        after = before if after == before else tx.save(after)
        follow_rules(tx, after, operations, clock)
        return _refilled_if_needed(tx, after, operations, clock)


def delete_queue(
    name: str, allow_missing: bool, store: Store, operations: Operations, queues: TaskQueue
) -> None:
    """Delete a queue with its refills and tasks; InUse while a refill is in progress."""
    matched(name, QUEUE)
    with store.write() as tx:
        queue = tx.find(Queue, name) if allow_missing else tx.get(Queue, name)
        if queue is None:
            return
        refills = tx.all(Refill, name)
        if busy := [each.name for each in refills if not each.state.ended]:
            raise InUse(f"{name} is used by {busy[0]}. Cancel it, or wait for its end.")
        for refill in refills:
            tx.retire(refill)
        end_intake(tx, name, operations)
        queues.delete(tx, name)
        tx.retire(queue)


def create_refill(
    command: CreateRefill,
    store: Store,
    operations: Operations,
    datasets: Datasets,
    queues: TaskQueue,
    clock: Clock,
) -> Refill:
    """Draw records into a queue; from the commit on they are drawn."""
    matched(command.parent, QUEUE, "parent")
    version = store.get(Queue, command.parent).dataset_version
    if not version:
        raise BadQueue(
            f"{command.parent} has no dataset version to draw from: name one with an update.",
            "dataset_version",
        )
    datasets.artifact_of(version)
    with store.write() as tx:
        queue = queues.lock(tx, command.parent)
        return _begin(tx, queue, command, operations, clock)[0]


def add_gold_items(command: AddGoldItems, store: Store, queues: TaskQueue, clock: Clock) -> tuple[int, int]:
    """Add records whose answer is known; the numbers of added and of all gold items."""
    matched(command.name, QUEUE)
    if not 1 <= len(command.items) <= MAX_BATCH:
        raise InvalidArgument(
            f"items has {len(command.items):,} items; give 1 to {MAX_BATCH:,}.",
            reason="BAD_BATCH",
            field="items",
        )
    with store.write() as tx:
        queue = queues.lock(tx, command.name)
        golds = {each.name: each for each in (_gold(queue, item, clock) for item in command.items)}
        new = [each for name, each in golds.items() if tx.find(Task, name) is None]
        for each in new:
            tx.create(each)
            queue = moved(queue, None, each)
        if new:
            tx.save(queue)
        return len(new), queue.gold_count


def claim_of_queue(command: ClaimTask, commits: Commits, clock: Clock, queues: TaskQueue) -> Task | None:
    """Lease the next task of a queue to the caller, or the next one to review."""
    matched(command.queue, QUEUE, "queue")
    return commits.run(lambda tx: claim_in_queue(tx, command, queues, clock.now()))


def claim_in_queue(tx: Transaction, command: ClaimTask, queues: TaskQueue, now: datetime) -> Task | None:
    """Lease the next task of a queue to the caller, in a transaction that may do more."""
    queue = queues.lock(tx, command.queue)
    check_claimable(queue, now)
    if command.to_review:
        _check_reviewer(queue, command.caller, command.is_engineer)
    task = _next(tx, queue, command, queues, now)
    if task is None:
        return None
    return tx.save(claim(under(task, tx.find(Guideline, task.guideline)), command.caller, now))


def withdraw_answer(command: WithdrawAnswer, store: Store, queues: TaskQueue, clock: Clock) -> Task:
    """Take back the caller's answer to a task of a queue; its annotation is deleted."""
    matched(command.name, TASK)
    now = clock.now()
    with store.write() as tx:
        queue = queue_of(tx, command.name, queues)
        before = tx.get(Task, command.name)
        after = withdrawn(before, command.caller, now)
        delete_annotations(tx, before, (command.caller,))
        if queue is not None:
            tx.save(moved(queue, before, after))
        return tx.save(after)


def review_task(
    command: ReviewTask, store: Store, datasets: Datasets, queues: TaskQueue, clock: Clock
) -> Task:
    """Accept, fix or send back the answers to a task; a fix takes their place."""
    matched(command.name, TASK)
    label = label_in_text(command.name, command.label, store, datasets)
    now = clock.now()
    with store.write() as tx:
        queue = queue_of(tx, command.name, queues)
        before = tx.get(Task, command.name)
        if queue is not None:
            _check_reviewer(queue, command.caller, command.is_engineer)
        after = reviewed(before, command.decision, label, command.comment, command.caller, now)
        if command.decision is not Decision.ACCEPT:
            delete_annotations(tx, before, tuple(each.annotator for each in before.answers))
        if command.decision is Decision.FIX and after.review is not None:
            fixed = annotation_by(after, command.caller, after.review.label, now)
            tx.publish(AnnotationCreated(after.record_id), tx.create(fixed)[0])
        if queue is not None:
            note_moved(tx, queue, before, after)
        return tx.save(after)


def label_in_text(task_name: str, label: str, store: Store, datasets: Datasets) -> str:
    """Return an answer to a task, checked against the text of its record where its kind depends on the text."""
    if not label:
        return label
    task = store.get(Task, task_name)
    rules = rules_of(task.task)
    if not rules.NEEDS_TEXT:
        return label
    text = datasets.text_of(task.dataset_version, task.record_id)
    return rules.with_text(task.task, rules.checked_answer(task.task, label), text)


def reopen_tasks(names: Sequence[str], request: Request, store: Store, queues: TaskQueue) -> None:
    """Open tasks whose answers a version of their guideline requests again; their annotations count no more."""
    for name in names:
        with store.write() as tx:
            before = tx.find(Task, name)
            if before is None:
                continue
            queue = queues.lock(tx, before.queue)
            before = tx.get(Task, name)
            after = reopened(before, request)
            if after == before:
                continue
            people = {each.annotator for each in before.answers} - {each.annotator for each in after.answers}
            if before.review is not None:
                people.add(before.review.reviewer)
            for person in sorted(people):
                _outdate(tx, before, person)
            note_moved(tx, queue, before, after)
            tx.save(after)


def _outdate(tx: Transaction, task: Task, annotator: str) -> None:
    """Keep an annotation under the version of its guideline, so that the annotator can answer the task again."""
    existing = tx.find(Annotation, annotation_of_task(task.name, annotator))
    if existing is None:
        return
    tx.delete(existing)
    name = f"{existing.name}-v{existing.guideline_version}"
    if tx.find(Annotation, name) is None:
        tx.create(replace(existing, name=name, outdated=True, revision=0))


def summarize_queue(name: str, store: Store, queues: TaskQueue) -> QueueSummary:
    """Count the answers of a queue, and measure how far annotators agree."""
    matched(name, QUEUE)
    queue = store.get(Queue, name)
    return summary_of_work(queue.work, queue.task, queues.answered(name))


def queue_of(tx: Transaction, task: str, queues: TaskQueue) -> Queue | None:
    """Return the queue of a task, locked; None if it belongs to none."""
    name = tx.get(Task, task).queue
    return queues.lock(tx, name) if name else None


def note_moved(tx: Transaction, queue: Queue, before: Task, after: Task) -> Queue:
    """Save the counts of a queue after the change of a task, and say that it is drained if it is."""
    changed = moved(queue, before, after)
    if changed == queue:
        return queue
    saved = tx.save(changed)
    if queue.waiting_count and not saved.waiting_count:
        tx.publish(QueueDrained(saved.done_count), saved)
    return saved


def refill_if_needed(tx: Transaction, queue: Queue, operations: Operations, clock: Clock) -> None:
    """Begin a refill if too few tasks are left."""
    _refilled_if_needed(tx, queue, operations, clock)


def note_drawn(tx: Transaction, refill: Refill, queues: TaskQueue) -> None:
    """Note in a queue that a refill ended, with its reason to stop, and count the tasks."""
    queue = queues.lock(tx, parent_of(refill.name))
    if queue.last_refill != refill.name:
        return
    queue = replace(counted(queue, queues.states(tx, queue.name)), refilling=False)
    if refill.drawn is None:
        tx.save(replace(queue, refill_failed=True))
    else:
        tx.save(replace(queue, stop_reason=refill.drawn.stop_reason))


def annotation_by(task: Task, annotator: str, label: str, now: Any, *, several: bool = True) -> Annotation:
    """Return the annotation by which a person answers a task; `several`: its name holds a mark of the person."""
    return Annotation(
        name=annotation_of_task(task.name, annotator if several else ""),
        create_time=now,
        update_time=now,
        record_id=task.record_id,
        content_digest=task.content_digest,
        label=label,
        annotator=annotator,
        source=Source.HUMAN,
        queue=task.queue,
        selection=task.selection,
        guideline=task.guideline,
        guideline_version=task.guideline_version,
    )


def delete_annotations(tx: Transaction, task: Task, annotators: tuple[str, ...]) -> None:
    """Delete the annotations by which these people answered a task of a queue."""
    for annotator in annotators:
        existing = tx.find(Annotation, annotation_of_task(task.name, annotator))
        if existing is not None:
            tx.delete(existing)


def _begin(
    tx: Transaction, queue: Queue, command: CreateRefill, operations: Operations, clock: Clock
) -> tuple[Refill, Queue]:
    now = clock.now()
    refill = Refill(
        name=f"{queue.name}/refills/{checked_id(command.refill_id, 'refill_id')}",
        create_time=now,
        update_time=now,
        dataset_version=queue.dataset_version,
        size=checked_size(command.size or queue.refill_rule.size),
        min_labelled=max(0, command.min_labelled),
    )
    refill, new = tx.create(refill, command.request_id)
    if not new:
        return refill, queue
    earlier = tx.find(Refill, queue.last_refill) if queue.last_refill else None
    if earlier is not None and not earlier.state.ended:
        raise RefillInProgress(f"{earlier.name} is in progress. Cancel it, or wait for its end.")
    operations.begin(tx, refill)
    started = replace(queue, last_refill=refill.name, refilling=True, refill_failed=False, stop_reason=None)
    return refill, tx.save(started)


def _refilled_if_needed(tx: Transaction, queue: Queue, operations: Operations, clock: Clock) -> Queue:
    if not queue.needs_refill:
        return queue
    return _begin(tx, queue, CreateRefill(queue.name), operations, clock)[1]


def _next(tx: Transaction, queue: Queue, command: ClaimTask, queues: TaskQueue, now: Any) -> Task | None:
    """Return the next task of an annotator: the first that can be claimed, or a gold item in its place."""
    state = TaskState.IN_REVIEW if command.to_review else TaskState.OPEN
    can_claim = is_reviewable if command.to_review else is_claimable

    def first(state: TaskState) -> Task | None:
        fields = {"queue": queue.name, "state": state.value}
        waiting = queues.waiting(tx, parent_of(queue.name), command.caller, fields, now)
        with closing(waiting):
            return next(
                (
                    each
                    for each in waiting
                    if each.name not in command.other_than and can_claim(each, command.caller, now)
                ),
                None,
            )

    task = first(state)
    if command.to_review or not queue.gold_share or not queue.gold_count:
        return task
    gold = first(TaskState.GOLD)
    if gold is None or task is None:
        return task
    return gold if lot("gold", command.caller, gold.name, task.name) < queue.gold_share else task


def _gold(queue: Queue, item: GoldItem, clock: Clock) -> Task:
    if not item.record_id:
        raise InvalidArgument("record_id is missing.", reason="RECORD_MISSING", field="items.record_id")
    now = clock.now()
    return Task(
        name=f"{parent_of(queue.name)}/tasks/{queued_id(queue.name, item.record_id)}",
        create_time=now,
        update_time=now,
        record_id=item.record_id,
        content_digest=item.content_digest,
        dataset_version=queue.dataset_version,
        task=queue.task,
        proposed_label="",
        reason=Reason.QUEUE,
        state=TaskState.GOLD,
        overlap=queue.overlap,
        queue=queue.name,
        guideline=queue.guideline,
        guideline_version=queue.guideline_version,
        expected_label=rules_of(queue.task).checked_answer(queue.task, item.label),
    )


def _check_reviewer(queue: Queue, caller: str, is_engineer: bool) -> None:
    named = not {caller, caller.rpartition("/")[2]}.isdisjoint(queue.reviewers)
    if not named and (queue.reviewers or not is_engineer):
        who = f"its reviewers are {', '.join(queue.reviewers)}" if queue.reviewers else "engineers do"
        raise NotReviewer(f"{caller} does not review {queue.name}: {who}.")


def _check_names(parent: str, settings: Mapping[str, Any]) -> None:
    patterns = {"dataset_version": DATASET_VERSION, "guideline": GUIDELINE}
    for field, pattern in patterns.items():
        if field not in settings or (field == "dataset_version" and not settings[field]):
            continue
        project = matched(settings[field], pattern, f"queue.{field}")[0]
        if f"projects/{project}" != parent:
            raise InvalidArgument(
                f"{settings[field]} must be in {parent}.", reason="OTHER_PROJECT", field=f"queue.{field}"
            )


def _check_pre_labels(settings: Mapping[str, Any], patterns: Patterns, endpoints: Collection[str]) -> None:
    pre_labels = settings.get("pre_labels") or PreLabels()
    check_endpoint(pre_labels, endpoints)
    for rule in pre_labels.rules:
        if rule.pattern:
            patterns.check(rule.pattern)


def _threshold(settings: Mapping[str, Any]) -> int:
    rule = settings.get("refill_rule")
    return rule.threshold if rule and not settings.get("paused") else 0
