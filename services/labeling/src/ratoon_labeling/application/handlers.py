"""One function a use case: the message first, the ports after."""

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import AlreadyExists, InvalidArgument
from ratoon.storage.listing import filtered_fields
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.paging import Page
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.kinds import kind_of
from ratoon.tasks.labels import label_key, match_label
from ratoon_labeling.application.commands import (
    ClaimTask,
    CompleteTask,
    CreateAnnotation,
    CreateAnnotations,
    CreateGuideline,
    CreateLabelSet,
    CreateTasks,
    DeleteGuideline,
    ForgetRecords,
    NewTask,
    SubmitTask,
    UpdateGuideline,
)
from ratoon_labeling.application.names import (
    DATASET_VERSION,
    GUIDELINE,
    LABEL_SET,
    MAX_BATCH,
    MAX_CLAIMS,
    MAX_IN_WORK,
    PROJECT,
    TASK,
)
from ratoon_labeling.application.ports import (
    Commits,
    Datasets,
    Ledger,
    RatingTasks,
    References,
    SealedRecords,
    TaskCounts,
    TaskQueue,
)
from ratoon_labeling.application.queues import (
    annotation_by,
    claim_in_queue,
    claim_of_queue,
    label_in_text,
    note_moved,
    queue_of,
    refill_if_needed,
)
from ratoon_labeling.application.sealing import Viewer, shown_page
from ratoon_labeling.domain.annotations import (
    MAX_ANSWER_CHARS,
    Annotation,
    AnnotationCreated,
    annotator_of,
    is_storable,
)
from ratoon_labeling.domain.errors import (
    BadConflictPolicy,
    BadGuideline,
    InUse,
    LabelingError,
    QueueClosed,
    UnknownLabel,
)
from ratoon_labeling.domain.guidelines import (
    ConflictPolicy,
    EarlierAnswers,
    Guideline,
    GuidelineVersion,
    Request,
    VersionChange,
    check_change,
    check_etag,
    check_sections,
    version_name,
)
from ratoon_labeling.domain.intake import intake_name
from ratoon_labeling.domain.kinds.table import labels_of, rules_of
from ratoon_labeling.domain.label_sets import LabelSet, redacted
from ratoon_labeling.domain.marks import AnswerSpec, model_task
from ratoon_labeling.domain.queues import Queue, checked_queue, counted
from ratoon_labeling.domain.ratings import (
    Compared,
    Comparison,
    Rated,
    Rating,
    Work,
    comparison_summaries,
    rating_summaries,
)
from ratoon_labeling.domain.sampling import checked_size
from ratoon_labeling.domain.tasks import (
    Answer,
    Reason,
    Task,
    TaskState,
    TaskSummary,
    check_not_requested_again,
    checked_overlap,
    checked_work,
    claim,
    is_claimable,
    under,
    version_of_answer,
    with_answer,
    with_comment,
)

TASK_FIELDS = {
    "state": tuple(each for each in TaskState if each is not TaskState.GOLD),
    "reason": tuple(Reason),
}
"""Fields by which tasks are filtered, and their values."""


def list_tasks(
    parent: str,
    size: int,
    token: str,
    store: Store,
    order_by: str = "",
    filter: str = "",
    *,
    with_queues: bool = True,
    viewer: Viewer | None = None,
    sealed: SealedRecords | None = None,
) -> Page[Task]:
    """A project's tasks that match a filter; `with_queues`: also those of queues, which only engineers list.

    Gold items look like other tasks as long as annotators do not list them. Tasks of sealed records are left out if a
    viewer is given.
    """
    matched(parent, PROJECT, "parent")
    where = filtered_fields(filter, TASK_FIELDS)

    def read(after: str) -> Page[Task]:
        with store.read() as tx:
            page = tx.page(Task, parent, size, after, order_by, where)
        return page if with_queues else replace(page, items=[each for each in page.items if not each.queue])

    if viewer is None or sealed is None:
        return read(token)
    return shown_page(read, token, viewer, sealed)


def summarize_tasks(parent: str, counts: TaskCounts) -> TaskSummary:
    """Count a project's tasks."""
    matched(parent, PROJECT, "parent")
    return counts.of(parent)


def claim_task(command: ClaimTask, commits: Commits, clock: Clock, queue: TaskQueue) -> Task | None:
    """Lease the first open task that the caller has not answered and no other has claimed.

    Of a queue, the oldest come first; else the newest of those that belong to no queue.
    """
    matched(command.parent, PROJECT, "parent")
    _check_in_work(command.other_than)
    if command.queue:
        return claim_of_queue(command, commits, clock, queue)
    return commits.run(lambda tx: _claim_of_none(tx, command, queue, clock.now()))


def _check_in_work(names: Collection[str]) -> None:
    """Raise InvalidArgument if a request names too many tasks that are in work."""
    if len(names) > MAX_IN_WORK:
        raise InvalidArgument(
            f"other_than has {len(names):,} names; give at most {MAX_IN_WORK}.",
            reason="BAD_BATCH",
            field="other_than",
        )


def _claim_of_none(tx: Transaction, command: ClaimTask, queue: TaskQueue, now: datetime) -> Task | None:
    """Claim the newest task that belongs to no queue."""
    reason = filtered_fields(f"reason = {command.reason}" if command.reason else "", TASK_FIELDS)
    fields = {"state": str(TaskState.OPEN), **reason}
    waiting = queue.waiting(tx, command.parent, command.caller, fields, now)
    with closing(waiting):
        claimable = (each for each in waiting if is_claimable(each, command.caller, now))
        task = next((each for each in claimable if each.name not in command.other_than), None)
    return None if task is None else tx.save(claim(task, command.caller, now))


def create_tasks(command: CreateTasks, store: Store, clock: Clock) -> list[str]:
    """Create tasks, all of them or none; their names. The same request creates them once."""
    (project,) = matched(command.parent, PROJECT, "parent")
    _check_batch(len(command.tasks), "tasks")
    now = clock.now()
    tasks = [_requested(command.parent, project, each, now) for each in command.tasks]
    with store.write() as tx:
        return [
            _created(tx, task, f"{command.request_id}/{number}" if command.request_id else "")
            for number, task in enumerate(tasks)
        ]


def _check_batch(count: int, field: str) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise InvalidArgument(
            f"{field} has {count:,} items; give 1 to {MAX_BATCH:,}.", reason="BAD_BATCH", field=field
        )


_OTHER_REQUEST = (
    "The request id created other items before. Repeat that request as it was, or use a new request id."
)


def _created(tx: Transaction, task: Task, request_id: str) -> str:
    """Create a task, or find the one that the same request created; its name."""
    existing, new = tx.create(task, request_id)
    if not new and any(getattr(existing, each) != getattr(task, each) for each in _REQUESTED):
        raise AlreadyExists(_OTHER_REQUEST, reason="REQUEST_ID_REUSED", field="request_id")
    return existing.name


_REQUESTED = (
    "record_id", "content_digest", "dataset_version", "task", "proposed_label", "overlap", "work", "candidates",
    "origins", "scales",
)  # fmt: skip
"""Fields of a task that its request gives."""


def _requested(parent: str, project: str, new: NewTask, now: datetime) -> Task:
    if not new.record_id:
        raise InvalidArgument("record_id is missing.", reason="RECORD_MISSING", field="tasks.record_id")
    if matched(new.dataset_version, DATASET_VERSION, "tasks.dataset_version")[0] != project:
        raise InvalidArgument(
            f"{new.dataset_version} must be in {parent}.",
            reason="OTHER_PROJECT",
            field="tasks.dataset_version",
        )
    rules_of(new.task).check(new.task)
    return checked_work(
        Task(
            name=f"{parent}/tasks/{checked_id('', 'task_id')}",
            create_time=now,
            update_time=now,
            record_id=new.record_id,
            content_digest=new.content_digest,
            dataset_version=new.dataset_version,
            task=new.task,
            proposed_label=new.proposed_label,
            reason=Reason.REQUESTED,
            overlap=checked_overlap(new.overlap),
            work=new.work,
            candidates=new.candidates,
            origins=new.origins,
            scales=new.scales,
        )
    )


def summarize_ratings(parent: str, rating_tasks: RatingTasks) -> tuple[list[Rating], list[Comparison]]:
    """Summarize the ratings and the comparisons of a project."""
    matched(parent, PROJECT, "parent")
    ratings = rating_summaries(map(_rated, rating_tasks.of(parent, Work.RATE)))
    return ratings, comparison_summaries(map(_compared, rating_tasks.of(parent, Work.COMPARE)))


def _rated(task: Task) -> Rated:
    (origin,) = task.origins or ("",)
    return Rated(origin, [each.ratings for each in task.given if each.ratings])


def _compared(task: Task) -> Compared:
    first, second = task.origins or ("", "")
    return Compared(first, second, [each.preference for each in task.given if each.preference])


def create_guideline(command: CreateGuideline, store: Store, clock: Clock) -> Guideline:
    """Create a guideline for annotators, and its first version."""
    matched(command.parent, PROJECT, "parent")
    rules = rules_of(command.task)
    rules.check(command.task)
    policy = command.conflict_policy or rules.POLICIES[0]
    _check_policy(command.task, policy)
    now = clock.now()
    guideline = Guideline(
        name=f"{command.parent}/guidelines/{checked_id(command.guideline_id, 'guideline_id')}",
        create_time=now,
        update_time=now,
        instructions=command.instructions,
        task=command.task,
        conflict_policy=policy,
        purpose=command.purpose,
        ambiguity=command.ambiguity,
        examples=command.examples,
    )
    check_sections(guideline)
    with store.write() as tx:
        guideline, new = tx.create(guideline, command.request_id)
        if new:
            tx.create(GuidelineVersion(version_name(guideline), now, now, guideline))
        return guideline


def update_guideline(
    command: UpdateGuideline, store: Store, operations: Operations, queues: TaskQueue, clock: Clock
) -> Guideline:
    """Change a guideline: a new version, with which queues go on. Label sets keep what they were created with.

    If the version requests earlier answers again, an operation opens their tasks.
    """
    matched(command.name, GUIDELINE)
    check_change(command.change)
    with store.write() as tx:
        before = tx.get(Guideline, command.name)
        check_etag(before, command.etag)
        after = replace(
            before,
            instructions=before.instructions if command.instructions is None else command.instructions,
            task=before.task
            if command.labels is None
            else rules_of(before.task).with_labels(before.task, command.labels),
            conflict_policy=command.conflict_policy or before.conflict_policy,
            purpose=before.purpose if command.purpose is None else command.purpose,
            ambiguity=before.ambiguity if command.ambiguity is None else command.ambiguity,
            examples=before.examples if command.examples is None else command.examples,
        )
        check_sections(after)
        _check_policy(after.task, after.conflict_policy)
        change = _checked_change(command.change, before, after)
        asks_again = change.earlier_answers is EarlierAnswers.ASK_AGAIN
        if replace(after, change=before.change) == before and not asks_again:
            return before
        number = before.version + 1
        requests = (*before.requests, Request(number, change.labels)) if asks_again else before.requests
        after = tx.save(replace(after, version=number, change=change, requests=requests))
        _keep_version(tx, before)
        now = clock.now()
        version, _ = tx.create(GuidelineVersion(version_name(after), now, now, after, applied=not asks_again))
        if asks_again:
            operations.begin(tx, version)
        _adopt(tx, after, queues)
        return after


def _checked_change(change: VersionChange, before: Guideline, after: Guideline) -> VersionChange:
    """Return a change with labels in the spelling of the guideline, of the version before or after it."""
    labels = (*labels_of(before.task), *labels_of(after.task))
    known = [match_label(label, labels) for label in change.labels]
    if None in known:
        raise UnknownLabel(
            f"change.labels may name {', '.join(labels_of(before.task)) or 'no label'}; not "
            f"{', '.join(change.labels)}.",
            "change.labels",
        )
    return replace(change, labels=tuple(dict.fromkeys(each for each in known if each is not None)))


def _keep_version(tx: Transaction, guideline: Guideline) -> None:
    """Store the version of a guideline that an older release created without one."""
    if tx.find(GuidelineVersion, version_name(guideline)) is None:
        times = (guideline.create_time, guideline.update_time)
        tx.create(GuidelineVersion(version_name(guideline), *times, guideline))


def _adopt(tx: Transaction, guideline: Guideline, queues: TaskQueue) -> None:
    """Let the queues of a guideline go on with its new version; BadGuideline if a rule of one has a label no more."""
    for each in tx.all(Queue, parent_of(guideline.name)):
        if each.guideline != guideline.name:
            continue
        queue = replace(queues.lock(tx, each.name), task=guideline.task, guideline_version=guideline.version)
        try:
            tx.save(checked_queue(queue))
        except LabelingError as error:
            raise BadGuideline(
                f"{each.name} cannot go on with the new version: {error} Change the queue first.", "guideline"
            ) from error


def _check_policy(task: AnswerSpec, policy: ConflictPolicy) -> None:
    policies = rules_of(task).POLICIES
    if policy not in policies:
        raise BadConflictPolicy(
            f"The conflict policy {policy} is not one of tasks of the kind {task.kind}: choose "
            f"{', '.join(policies)}.",
            "conflict_policy",
        )


def delete_guideline(command: DeleteGuideline, store: Store, operations: Operations) -> None:
    """Delete a guideline; InUse while a label set that uses it is in progress. Existing label sets keep its labels."""
    matched(command.name, GUIDELINE)
    with store.write() as tx:
        guideline = tx.get(Guideline, command.name)
        check_etag(guideline, command.etag)
        label_sets = tx.all(LabelSet, parent_of(guideline.name))
        users = [
            each.name for each in label_sets if each.guideline == guideline.name and not each.state.ended
        ]
        if users:
            raise InUse(
                f"{guideline.name} is used by {', '.join(users[:5])}. Cancel it, or wait for its end."
            )
        for version in tx.all(GuidelineVersion, guideline.name):
            operations.end(tx, version.name)
            tx.delete(version)
        tx.delete(guideline)


def create_label_set(
    command: CreateLabelSet, store: Store, operations: Operations, datasets: Datasets, clock: Clock
) -> LabelSet:
    """Freeze the labels of a dataset version; from the commit on they are worked on."""
    _check_one_project(command)
    size, overlap = checked_size(command.review_sample_size), checked_overlap(command.overlap)
    dataset_digest = datasets.artifact_of(command.dataset_version)
    now = clock.now()
    with store.write() as tx:
        guideline = tx.get(Guideline, command.guideline)
        label_set = LabelSet(
            name=f"{command.parent}/labelSets/{checked_id(command.label_set_id, 'label_set_id')}",
            create_time=now,
            update_time=now,
            dataset_version=command.dataset_version,
            dataset_digest=dataset_digest,
            guideline=guideline.name,
            task=guideline.task,
            conflict_policy=guideline.conflict_policy,
            import_as=command.import_as,
            review_sample_size=size,
            overlap=overlap,
        )
        label_set, new = tx.create(label_set, command.request_id)
        if new:
            operations.begin(tx, label_set)
    return label_set


def delete_label_set(name: str, allow_missing: bool, store: Store, references: References) -> None:
    """Delete a label set that has ended; InUse if it is in progress, or if it succeeded and other resources use it.

    A split names the labels by their digest.
    """
    matched(name, LABEL_SET)
    with store.read() as tx:
        label_set = tx.find(LabelSet, name) if allow_missing else tx.get(LabelSet, name)
    if label_set is None:
        return
    if not label_set.state.ended:
        raise InUse(f"{name} is in progress. Cancel it, or wait for its end.")
    if not label_set.state.without_result and (users := references.referrers(name, label_set.digest)):
        raise InUse(f"{name} is used by {', '.join(users)}. Delete what uses it first.")
    with store.write() as tx:
        tx.retire(label_set)


def create_annotation(command: CreateAnnotation, store: Store, clock: Clock) -> Annotation:
    """Give a record an answer."""
    annotation = _checked_annotation(command, clock.now())
    with store.write() as tx:
        return _annotated(tx, annotation, command.request_id)[0]


def create_annotations(command: CreateAnnotations, store: Store, clock: Clock) -> list[str]:
    """Give records answers, all of them or none; the names of the annotations. The same request creates them once."""
    _check_batch(len(command.annotations), "annotations")
    now = clock.now()
    annotations = [_checked_annotation(each, now) for each in command.annotations]
    with store.write() as tx:
        return [
            _created_annotation(tx, annotation, each.request_id)
            for annotation, each in zip(annotations, command.annotations, strict=True)
        ]


def _created_annotation(tx: Transaction, annotation: Annotation, request_id: str) -> str:
    """Create an annotation, or find the one that the same request created; its name."""
    existing, new = _annotated(tx, annotation, request_id)
    if not new and any(getattr(existing, each) != getattr(annotation, each) for each in _ANSWERED):
        raise AlreadyExists(_OTHER_REQUEST, reason="REQUEST_ID_REUSED", field="request_id")
    return existing.name


def _annotated(tx: Transaction, annotation: Annotation, request_id: str) -> tuple[Annotation, bool]:
    annotation, new = tx.create(annotation, request_id)
    if new:
        tx.publish(AnnotationCreated(annotation.record_id), annotation)
    return annotation, new


_ANSWERED = ("record_id", "content_digest", "label", "annotator", "source")
"""Fields of an annotation that its request gives."""


def complete_task(
    command: CompleteTask,
    store: Store,
    operations: Operations,
    datasets: Datasets,
    queues: TaskQueue,
    clock: Clock,
    commits: Commits | None = None,
) -> Task:
    """Answer a task; the answer is stored as an annotation under the id of the task."""
    matched(command.name, TASK)
    label = label_in_text(command.name, command.label, store, datasets)
    return (commits or store).run(lambda tx: _completed(tx, command, label, operations, queues, clock))


def submit_task(
    command: SubmitTask,
    store: Store,
    operations: Operations,
    datasets: Datasets,
    queues: TaskQueue,
    clock: Clock,
    commits: Commits | None = None,
) -> tuple[Task, list[Task]]:
    """Answer a task as `complete_task` does, and claim the next ones, in one transaction."""
    answer = command.answer
    matched(answer.name, TASK)
    _check_in_work(command.other_than)
    if not 0 <= command.claim_count <= MAX_CLAIMS:
        raise InvalidArgument(
            f"claim_count is {command.claim_count}; choose 0 to {MAX_CLAIMS}.",
            reason="BAD_BATCH",
            field="claim_count",
        )
    label = label_in_text(answer.name, answer.label, store, datasets)

    def submit(tx: Transaction) -> tuple[Task, list[Task]]:
        task = _completed(tx, answer, label, operations, queues, clock)
        following = ClaimTask(
            parent_of(task.name),
            command.reason,
            answer.caller,
            task.queue,
            other_than=command.other_than | {task.name},
        )
        return task, _claims(tx, following, command.claim_count, queues, clock.now())

    return (commits or store).run(submit)


def _claims(tx: Transaction, command: ClaimTask, count: int, queues: TaskQueue, now: datetime) -> list[Task]:
    """Claim up to `count` tasks; none if the queue is paused or its deadline is over."""
    claims = list[Task]()
    while len(claims) < count:
        following = replace(command, other_than=command.other_than.union(each.name for each in claims))
        try:
            task = (claim_in_queue if command.queue else _claim_of_none)(tx, following, queues, now)
        except QueueClosed:
            return claims
        if task is None:
            return claims
        claims.append(task)
    return claims


def _completed(
    tx: Transaction,
    command: CompleteTask,
    label: str,
    operations: Operations,
    queues: TaskQueue,
    clock: Clock,
) -> Task:
    now = clock.now()
    queue = queue_of(tx, command.name, queues)
    before = tx.get(Task, command.name)
    guideline = tx.find(Guideline, before.guideline) if before.guideline else None
    answer = Answer(
        command.caller,
        label,
        command.ratings,
        command.preference,
        command.skip_reason,
        version_of_answer(before, command.caller, command.guideline_version, guideline),
    )
    check_not_requested_again(before, answer, guideline)
    after = with_answer(under(before, guideline), answer, now)
    if after.given == before.given:
        return before
    given = after.given[-1]
    if given.label:
        several = after.overlap > 1 or bool(after.queue)
        annotation = annotation_by(after, given.annotator, given.label, now, several=several)
        annotation, _ = tx.create(replace(annotation, guideline_version=given.guideline_version))
        tx.publish(AnnotationCreated(annotation.record_id), annotation)
    if queue is not None:
        refill_if_needed(tx, note_moved(tx, queue, before, after), operations, clock)
    if after.answer_id and after.state is TaskState.DONE:
        operations.wake(tx, intake_name(after.queue))
    return tx.save(with_comment(after, command.caller, command.comment, now))


def forget_records(command: ForgetRecords, tx: Transaction, ledger: Ledger, queues: TaskQueue) -> None:
    """Delete the annotations and tasks of records that were erased, and the label sets that hold texts of theirs.

    Label sets of texts that are in progress are cancelled, since they may have read the records.
    """
    ledger.forget(tx, command.parent, command.record_ids, command.text_digests)
    for queue in tx.all(Queue, command.parent):
        held = queues.lock(tx, queue.name)
        if (recounted := counted(held, queues.states(tx, queue.name))) != held:
            tx.save(recounted)
    erased = frozenset(command.record_ids)
    for label_set in tx.all(LabelSet, command.parent) if erased else ():
        if not kind_of(model_task(label_set.task)).FREE_TEXT:
            continue
        if not label_set.state.ended:
            tx.save(replace(label_set, cancel_requested=True))
        elif label_set.digest and ledger.erase_labels(label_set, erased):
            tx.save(redacted(label_set))


def _checked_annotation(command: CreateAnnotation, now: datetime) -> Annotation:
    matched(command.parent, PROJECT, "parent")
    _check_annotation(command)
    annotator = annotator_of(command.source, command.annotator, command.caller, command.caller_is_service)
    return Annotation(
        name=f"{command.parent}/annotations/{checked_id(command.annotation_id, 'annotation_id')}",
        create_time=now,
        update_time=now,
        record_id=command.record_id,
        content_digest=command.content_digest,
        label=command.label,
        annotator=annotator,
        source=command.source,
    )


def _check_one_project(command: CreateLabelSet) -> None:
    (project,) = matched(command.parent, PROJECT, "parent")
    dataset_project = matched(command.dataset_version, DATASET_VERSION, "dataset_version")[0]
    guideline_project = matched(command.guideline, GUIDELINE, "guideline")[0]
    if {project} != {dataset_project, guideline_project}:
        raise InvalidArgument(
            f"{command.dataset_version} and {command.guideline} must both be in {command.parent}.",
            reason="OTHER_PROJECT",
            field="parent",
        )


def _check_annotation(command: CreateAnnotation) -> None:
    if not command.record_id:
        raise InvalidArgument("record_id is missing.", reason="RECORD_MISSING", field="annotation.record_id")
    if not label_key(command.label) or not is_storable(command.label):
        raise InvalidArgument(
            f"label must have 1 to {MAX_ANSWER_CHARS:,} characters, one of them visible and none of them NUL.",
            reason="BAD_LABEL",
            field="annotation.label",
        )
