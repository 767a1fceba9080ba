"""The labeling service: its gRPC API over a real socket, its database, its worker process; ingestion is a fake."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import (
    LabelingServiceStub,
)
from ratoon.operations.jobs import JSON, JobStatus, LocalJobs
from ratoon.operations.operations import Operations
from ratoon.process.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from ratoon.security.identity import Role
from ratoon.service.tasks import message_of
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Kind
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.jobs import InlineJobs
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.task_counts import SqlTaskCounts
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.application import handlers
from ratoon_labeling.application.commands import ClaimTask, CompleteTask
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.tasks import LEASE, Reason, Task, TaskState, TaskSummary
from services.labeling.tests.integration.conftest import FakeDatasets

PROJECT = "projects/p"
GUIDELINE = f"{PROJECT}/guidelines/mail"
DATASET = f"{PROJECT}/datasets/mail/versions"
LABELS = Classify(("ham", "spam"))
POLICY = annotation_pb2.Guideline.ConflictPolicy
DEFAULT_POLICIES = {
    Kind.CLASSIFY: POLICY.CONFLICT_POLICY_HUMAN_FIRST,
    Kind.GENERATE: POLICY.CONFLICT_POLICY_HUMAN_FIRST,
    Kind.REGRESS: POLICY.CONFLICT_POLICY_MEAN,
}
LabelSet = label_set_pb2.LabelSet


class FirstInProcess(InlineJobs):
    """Jobs of which the first runs in a process, as all do in an installation."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "inline", "ratoon_labeling.worker.job")
        self._processes, self._first = LocalJobs(folder / "jobs"), ""

    def start(self, job_id: str, module: str, spec: JSON) -> None:
        self._first = self._first or job_id
        if job_id == self._first:
            self._processes.start(job_id, module, spec)
        else:
            super().start(job_id, module, spec)

    def observe(self, job_id: str) -> JobStatus:
        return self._processes.observe(job_id) if job_id == self._first else super().observe(job_id)

    def forget(self, job_id: str) -> None:
        (self._processes if job_id == self._first else super()).forget(job_id)


@pytest.fixture(scope="module")
def jobs(folder: Path) -> FirstInProcess:
    return FirstInProcess(folder)


@pytest.fixture(scope="module", autouse=True)
def guideline(labeling: LabelingServiceStub) -> annotation_pb2.Guideline:
    spec = annotation_pb2.Guideline(instructions="Is it spam?", labels=["ham", "spam"])
    return labeling.CreateGuideline(
        pb.CreateGuidelineRequest(parent=PROJECT, guideline_id="mail", guideline=spec)
    )


def frozen(labeling: LabelingServiceStub, version: str, request_id: str = "", **fields) -> LabelSet:
    spec = LabelSet(**{"dataset_version": f"{DATASET}/{version}", "guideline": GUIDELINE, **fields})
    created = labeling.CreateLabelSet(
        pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec, request_id=request_id)
    )
    *_, last = labeling.WatchLabelSet(pb.WatchLabelSetRequest(name=created.name), timeout=30)
    return last


def annotations(labeling: LabelingServiceStub) -> list[annotation_pb2.Annotation]:
    return list(labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT)).annotations)


def test_from_a_dataset_to_frozen_labels_review_and_a_second_set(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/1"] = put_dataset(["ham", "spam", "ham", None])
    first = frozen(labeling, "1", review_sample_size=2)
    assert first.state == LabelSet.STATE_SUCCEEDED, first.failure
    assert dict(first.class_counts) == {"ham": 2, "spam": 1}
    assert (first.unlabelled_count, first.HasField("agreement_alpha")) == (1, False)
    imported = annotations(labeling)
    assert {(each.source, each.annotator) for each in imported} == {
        (annotation_pb2.Annotation.SOURCE_IMPORT, "projects/p/sources/mail")
    }

    tasks = labeling.ListTasks(pb.ListTasksRequest(parent=PROJECT)).tasks
    assert len(tasks) == 2
    (spam,) = [task for task in tasks if task.proposed_label == "spam"]
    done = labeling.CompleteTask(pb.CompleteTaskRequest(name=spam.name, label="ham"))
    assert (done.state, done.label) == (annotation_pb2.Task.STATE_DONE, "ham")

    second = frozen(labeling, "1")
    assert dict(second.class_counts) == {"ham": 3}
    assert second.conflict_count == 1
    assert second.agreement_alpha <= 0
    assert len(annotations(labeling)) == len(imported) + 1


def test_the_same_request_id_gives_the_same_label_set(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/2"] = put_dataset(["ham", "spam"])
    assert frozen(labeling, "2", "once").name == frozen(labeling, "2", "once").name


def test_a_label_set_is_deleted_unless_it_has_labels_that_are_in_use(
    labeling, datasets, references, put_dataset
):
    def delete(name, **options):
        labeling.DeleteLabelSet(pb.DeleteLabelSetRequest(name=name, **options))

    datasets.ready[f"{DATASET}/10"] = put_dataset(["ham", "spam"], prefix="ten")
    datasets.ready[f"{DATASET}/11"] = put_dataset(["junk", None], prefix="eleven")
    done, failed = frozen(labeling, "10"), frozen(labeling, "11")
    for value in (done.name, done.digest):
        references.users = {value: "projects/p/datasets/mail/splits/s"}
        with pytest.raises(FailedPrecondition, match=f"{done.name} is used by .*/splits/s") as refused:
            delete(done.name)
        assert refused.value.reason == "IN_USE"
    references.users = {failed.name: "projects/p/pipelineRuns/r", done.name[:-1]: "another"}
    for name in (done.name, failed.name):
        delete(name)
        with pytest.raises(NotFound):
            delete(name)
    delete(failed.name, allow_missing=True)


def test_a_label_set_without_labels_fails_and_says_why(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/3"] = put_dataset(["junk", None], prefix="other")
    failed = frozen(labeling, "3")
    assert (failed.state, failed.failure.reason) == (LabelSet.STATE_FAILED, "NO_LABELS")


def test_what_is_not_ready_or_not_of_this_project_is_refused(labeling):
    with pytest.raises(FailedPrecondition) as early:
        frozen(labeling, "none")
    assert early.value.reason == "DATASET_NOT_READY"
    spec = LabelSet(dataset_version="projects/q/datasets/d/versions/1", guideline=GUIDELINE)
    with pytest.raises(InvalidArgument) as foreign:
        labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=spec))
    assert foreign.value.reason == "OTHER_PROJECT"


def test_a_guideline_is_changed_only_with_its_current_etag(labeling):
    spec = annotation_pb2.Guideline(labels=["a", "b"])
    created = labeling.CreateGuideline(pb.CreateGuidelineRequest(parent=PROJECT, guideline=spec))
    change = annotation_pb2.Guideline(name=created.name, etag=created.etag, instructions="Look twice.")
    request = pb.UpdateGuidelineRequest(guideline=change)
    request.update_mask.paths.append("instructions")
    changed = labeling.UpdateGuideline(request)
    assert (changed.instructions, list(changed.labels)) == ("Look twice.", ["a", "b"])
    request.guideline.instructions = "Look thrice."
    with pytest.raises(Aborted) as stale:
        labeling.UpdateGuideline(request)
    assert stale.value.reason == "STALE_ETAG"
    request.update_mask.paths.append("name")
    with pytest.raises(InvalidArgument):
        labeling.UpdateGuideline(request)


def test_an_annotation_is_in_its_makers_name_and_feedback_is_the_platforms(state, labeling):
    spec = annotation_pb2.Annotation(record_id="r", label="ham", annotator="somebody else")
    annotators = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling"))
    created = annotators.CreateAnnotation(pb.CreateAnnotationRequest(parent=PROJECT, annotation=spec))
    assert created.annotator == "projects/-/apiKeys/test"
    assert labeling.GetAnnotation(pb.GetAnnotationRequest(name=created.name)) == created
    spec.source = annotation_pb2.Annotation.SOURCE_FEEDBACK
    with pytest.raises(PermissionDenied) as refused:
        annotators.CreateAnnotation(pb.CreateAnnotationRequest(parent=PROJECT, annotation=spec))
    assert refused.value.reason == "SOURCE_NOT_YOURS"


def test_a_batch_of_annotations_is_created_once_and_whole_or_not_at_all(state, labeling):
    parent = "projects/imported"
    given = [annotation_pb2.Annotation(record_id=f"r{n}", label="ham") for n in range(3)]
    request = pb.BatchCreateAnnotationsRequest(parent=parent, annotations=given, request_id="once")
    annotator = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", "-"))
    names = list(annotator.BatchCreateAnnotations(request).names)
    assert list(annotator.BatchCreateAnnotations(request).names) == names
    listed = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=parent)).annotations
    assert sorted(each.name for each in listed) == sorted(names)
    assert len({each.annotator for each in listed}) == 1
    given[2].label = "spam"
    with pytest.raises(AlreadyExists) as reused:
        annotator.BatchCreateAnnotations(
            pb.BatchCreateAnnotationsRequest(parent=parent, annotations=given, request_id="once")
        )
    assert reused.value.reason == "REQUEST_ID_REUSED"
    given[2].label = " "
    for batch, reason in ((given, "BAD_LABEL"), ([], "BAD_BATCH"), (given[:1] * 1001, "BAD_BATCH")):
        with pytest.raises(InvalidArgument) as refused:
            annotator.BatchCreateAnnotations(
                pb.BatchCreateAnnotationsRequest(parent=parent, annotations=batch)
            )
        assert refused.value.reason == reason
    assert len(labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=parent)).annotations) == 3


def test_a_label_set_that_has_ended_cannot_be_cancelled(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/4"] = put_dataset(["ham", "spam"])
    done = frozen(labeling, "4")
    again = labeling.CancelLabelSet(pb.CancelLabelSetRequest(name=done.name))
    assert again.state == LabelSet.STATE_SUCCEEDED


def test_a_guideline_is_deleted_only_with_its_current_etag(labeling):
    spec = annotation_pb2.Guideline(labels=["a", "b"])
    name = labeling.CreateGuideline(pb.CreateGuidelineRequest(parent=PROJECT, guideline=spec)).name
    with pytest.raises(Aborted):
        labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name, etag="77"))
    labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name, etag="1"))
    with pytest.raises(NotFound):
        labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name))


@pytest.fixture
def queue(folder, databases) -> Iterator[tuple[Store, FakeClock]]:
    """Store and clock of labeling with its own database."""
    url = databases.url("labeling-queue", folder) or f"sqlite:///{folder}/queue.db"
    migrate("labeling", url)
    database, clock = Database(url), FakeClock()
    yield Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"secret"), clock), clock
    database.close()


def put_tasks(
    store: Store,
    clock: FakeClock,
    project: str,
    count: int,
    reason: Reason,
    task: TaskSpec = LABELS,
    **fields: Any,
) -> list[Task]:
    now = clock.now()
    with store.write() as tx:
        return [
            tx.create(
                Task(
                    f"{project}/tasks/{reason}-{number:04}", now, now, f"r{number}", "d", f"{project}/v",
                    task, "ham", reason, **fields,
                )
            )[0]
            for number in range(count)
        ]  # fmt: skip


def complete(command: CompleteTask, store: Store, clock: FakeClock) -> Task:
    """Answer a task that belongs to no queue, so that no refill begins."""
    operations = Operations(store, tables.METADATA.tables["operations"], [], clock)
    queue = SqlTaskQueue(store.database)
    return handlers.complete_task(command, store, operations, FakeDatasets(), queue, clock)


def claimed(queue: tuple[Store, FakeClock], annotator: str, project: str, reason: str = "") -> str | None:
    task = handlers.claim_task(ClaimTask(project, reason, annotator), *queue, SqlTaskQueue(queue[0].database))
    return task and task.name


def test_two_annotators_never_get_one_task(queue):
    store, clock = queue
    put_tasks(store, clock, "projects/two", 60, Reason.REVIEW_SAMPLE)
    names = [claimed(queue, f"ann-{number}", "projects/two") for number in range(60)]
    assert len(set(names)) == 60
    assert claimed(queue, "ann-60", "projects/two") is None
    assert claimed(queue, "ann-3", "projects/two") == names[3]
    complete(CompleteTask(names[3], "spam", "ann-3"), store, clock)
    assert claimed(queue, "ann-3", "projects/two") is None
    clock.advance(LEASE.total_seconds())
    assert claimed(queue, "ann-60", "projects/two") in {*names} - {names[3]}


def test_a_task_of_several_annotators_goes_to_each_of_them_once(queue):
    store, clock = queue
    put_tasks(store, clock, "projects/several", 60, Reason.REVIEW_SAMPLE, overlap=2)
    answered: dict[str, list[str]] = {"ann": [], "bob": [], "cy": []}
    for annotator, names in answered.items():
        while name := claimed(queue, annotator, "projects/several"):
            label = "" if len(names) % 3 == 0 else "spam"
            complete(CompleteTask(name, label, annotator), store, clock)
            names.append(name)
    assert [len(set(names)) for names in answered.values()] == [60, 60, 0]
    with store.read() as tx:
        given = tx.all(Annotation, "projects/several")
        assert {task.state for task in tx.all(Task, "projects/several")} == {
            TaskState.DONE,
            TaskState.SKIPPED,
        }
    assert Counter(each.annotator for each in given) == {"ann": 40, "bob": 40}
    assert len({each.name for each in given}) == 80


def test_answers_of_any_kind_are_counted_and_only_labels_are_listed(queue):
    store, clock = queue
    put_tasks(store, clock, "projects/texts", 3, Reason.REVIEW_SAMPLE, task=Generate())
    for number, text in enumerate(("ham", " ham ", "eggs")):
        name = f"projects/texts/tasks/review-sample-{number:04}"
        complete(CompleteTask(name, text, "ann"), store, clock)
    summary = handlers.summarize_tasks("projects/texts", SqlTaskCounts(store.database, clock))
    assert summary == TaskSummary({}, 3, unchanged=2, changed=1)


def test_the_newest_tasks_are_claimed_first_and_those_of_a_reason(queue):
    store, clock = queue
    put_tasks(store, clock, "projects/new", 2, Reason.CONFLICT)
    clock.advance(60)
    put_tasks(store, clock, "projects/new", 2, Reason.REVIEW_SAMPLE)
    assert claimed(queue, "ann", "projects/new").endswith("review-sample-0001")
    assert claimed(queue, "ann", "projects/new", "conflict").endswith("conflict-0001")
    with pytest.raises(InvalidArgument, match="review-sample"):
        claimed(queue, "ann", "projects/new", "boredom")


def test_tasks_are_filtered_and_counted_by_the_database(queue):
    store, clock = queue
    put_tasks(store, clock, "projects/sum", 4, Reason.REVIEW_SAMPLE)
    put_tasks(store, clock, "projects/sum", 1, Reason.CONFLICT)
    for number, label in enumerate(("ham", "spam", "")):
        name = f"projects/sum/tasks/review-sample-{number:04}"
        complete(CompleteTask(name, label, "ann"), store, clock)
    summary = handlers.summarize_tasks("projects/sum", SqlTaskCounts(store.database, clock))
    assert summary == TaskSummary(
        {"review-sample": 1, "conflict": 1},
        2,
        1,
        {("ham", "ham"): 1, ("ham", "spam"): 1},
        unchanged=1,
        changed=1,
    )
    listed = handlers.list_tasks("projects/sum", 10, "", store, filter="state = OPEN AND reason = conflict")
    assert [task.name for task in listed.items] == ["projects/sum/tasks/conflict-0000"]
    assert handlers.summarize_tasks("projects/none", SqlTaskCounts(store.database, clock)) == TaskSummary()


def test_counts_of_a_long_queue_are_reused_for_a_while(queue):
    store, clock = queue

    class SlowDatabase(FakeClock):
        """Half a second passes between two readings of the clock."""

        def monotonic(self) -> float:
            self.advance(0.5)
            return super().monotonic()

    slow = SlowDatabase()
    counts = SqlTaskCounts(store.database, slow)
    put_tasks(store, clock, "projects/long", 1, Reason.REVIEW_SAMPLE)
    assert sum(counts.of("projects/long").open.values()) == 1
    put_tasks(store, clock, "projects/long", 1, Reason.CONFLICT)
    assert sum(counts.of("projects/long").open.values()) == 1
    slow.advance(10)
    assert sum(counts.of("projects/long").open.values()) == 2


def test_claiming_a_task_reads_the_index_of_the_queue(queue):
    store, _ = queue
    if not store.database.is_sqlite:
        pytest.skip("the plan of PostgreSQL depends on its statistics")
    statements = []
    note = lambda _c, _cursor, statement, parameters, *_: statements.append((statement, parameters))  # noqa: E731
    event.listen(store.database.engine, "before_cursor_execute", note)
    assert claimed(queue, "ann", "projects/nothing") is None
    event.remove(store.database.engine, "before_cursor_execute", note)
    [(statement, parameters)] = [each for each in statements if each[0].startswith("SELECT")]
    with store.read() as tx:
        plan = tx.connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()
    assert plan[0][-1] == "SEARCH tasks USING INDEX ix_tasks_of_queue (parent=? AND <expr>=? AND <expr>=?)"
    assert [row[-1] for row in plan if row[-1].startswith("SCAN") or "TEMP B-TREE" in row[-1]] == []


def test_an_annotator_claims_and_answers_over_the_api(state, labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/8"] = put_dataset(["ham", "spam"], prefix="claim")
    assert frozen(labeling, "8", review_sample_size=2).state == LabelSet.STATE_SUCCEEDED
    ann = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling"))
    bob = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", "p"))
    request = pb.ClaimTaskRequest(parent=PROJECT)
    hers, his = ann.ClaimTask(request).task, bob.ClaimTask(request).task
    assert (hers.lease_holder, hers.name != his.name) == ("projects/-/apiKeys/test", True)
    with pytest.raises(FailedPrecondition) as refused:
        bob.CompleteTask(pb.CompleteTaskRequest(name=hers.name, label="ham"))
    assert refused.value.reason == "TASK_CLAIMED"
    assert ann.CompleteTask(pb.CompleteTaskRequest(name=hers.name, label="ham")).label == "ham"
    summary = labeling.SummarizeTasks(pb.SummarizeTasksRequest(parent=PROJECT))
    open_tasks = labeling.ListTasks(pb.ListTasksRequest(parent=PROJECT, filter="state=OPEN")).tasks
    assert sum(summary.open_counts.values()) == len(open_tasks) > 0
    assert not labeling.ClaimTask(pb.ClaimTaskRequest(parent="projects/empty")).HasField("task")


def guideline_of(labeling, task: TaskSpec, **fields: Any) -> str:
    spec = annotation_pb2.Guideline(task=message_of(task), **fields)
    request = pb.CreateGuidelineRequest(parent=PROJECT, guideline=spec)
    created = labeling.CreateGuideline(request)
    assert created.task == message_of(task)
    assert fields or created.conflict_policy == DEFAULT_POLICIES[task.kind]
    return created.name


def test_two_annotators_rewrite_the_longest_texts_over_the_api(state, labeling, datasets, put_dataset):
    came = ["é" * 65_536, "b" * 65_536]
    datasets.ready[f"{DATASET}/20"] = put_dataset(came, prefix="long")
    guideline = guideline_of(labeling, Generate())
    first = frozen(labeling, "20", guideline=guideline, review_sample_size=2, overlap=2)
    assert first.state == LabelSet.STATE_SUCCEEDED, first.failure
    assert (first.label_count, first.unlabelled_count, first.overlap) == (2, 0, 2)
    assert first.task == message_of(Generate())
    ann, bob = (
        LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", *project)) for project in ([], ["p"])
    )
    for annotator, end in ((ann, "!"), (bob, "?")):
        for _ in range(2):
            task = annotator.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT)).task
            assert (task.overlap, task.proposed_label in came) == (2, True)
            text = task.proposed_label[:-1] + end
            done = annotator.CompleteTask(pb.CompleteTaskRequest(name=task.name, label=text))
            assert done.answers[-1].label == text
    assert (done.state, done.label, len(done.answers)) == (annotation_pb2.Task.STATE_DONE, "", 2)
    again = frozen(labeling, "20", guideline=guideline)
    assert (again.label_count, again.conflict_count) == (2, 2)
    assert again.agreement_token_f1 == pytest.approx(1 / 3)  # the words of ann and bob are equal
    tasks, token = [], ""
    while True:
        page = labeling.ListTasks(pb.ListTasksRequest(parent=PROJECT, page_token=token))
        tasks, token = [*tasks, *page.tasks], page.next_page_token
        if not token:
            break
    assert sum(len(task.answers) == 2 for task in tasks) == 2


def test_an_answer_that_is_no_number_is_refused_over_the_api(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/21"] = put_dataset(["1", "5", "9"], prefix="stars")
    guideline = guideline_of(labeling, Regress("stars", 1.0, 5.0))
    label_set = frozen(labeling, "21", guideline=guideline, review_sample_size=1)
    assert dict(label_set.unknown_labels) == {"9": 1}
    task = labeling.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT, reason="review-sample")).task
    with pytest.raises(InvalidArgument, match="not a number from 1 to 5") as refused:
        labeling.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="6"))
    assert refused.value.reason == "BAD_ANSWER"
    assert labeling.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="2.50 stars")).label == "2.5"


def test_a_label_set_takes_1_to_20_annotators(labeling):
    with pytest.raises(InvalidArgument, match="choose 1 to 20") as refused:
        frozen(labeling, "1", overlap=21)
    assert refused.value.reason == "BAD_OVERLAP"


def rating_task(**fields: Any) -> annotation_pb2.Task:
    return annotation_pb2.Task(
        record_id="r", dataset_version=f"{DATASET}/1", task=message_of(Generate()), **fields
    )


def test_answers_are_rated_and_compared_over_the_api(state, labeling):
    parent = "projects/rated"
    tasks = [
        rating_task(work="WORK_RATE", candidates=["Lima"], origins=["v1"], scales=["tone"], overlap=2),
        rating_task(work="WORK_COMPARE", candidates=["x" * 65_536, "projects/other/x"], origins=["v1", "v2"]),
    ]
    for each in tasks:
        each.dataset_version = "projects/rated/datasets/d/versions/1"
    request = pb.BatchCreateTasksRequest(parent=parent, tasks=tasks, request_id="once")
    names = list(labeling.BatchCreateTasks(request).names)
    assert list(labeling.BatchCreateTasks(request).names) == names
    other = pb.BatchCreateTasksRequest(parent=parent, tasks=tasks[::-1], request_id="once")
    with pytest.raises(AlreadyExists) as reused:
        labeling.BatchCreateTasks(other)
    assert reused.value.reason == "REQUEST_ID_REUSED"
    for key in ("-", "rated"):
        annotator = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", key))
        while task := annotator.ClaimTask(pb.ClaimTaskRequest(parent=parent, reason="requested")).task:
            if not task.name:
                break
            answer = pb.CompleteTaskRequest(name=task.name)
            if task.work == annotation_pb2.Task.WORK_RATE:
                answer.ratings["tone"] = 5 if key == "-" else 3
            else:
                answer.preference = annotation_pb2.PREFERENCE_SECOND
            assert annotator.CompleteTask(answer).answers
    summary = labeling.SummarizeRatings(pb.SummarizeRatingsRequest(parent=parent))
    (rating,), (comparison,) = summary.ratings, summary.comparisons
    assert (rating.origin, rating.scale, rating.rating_count, rating.mean) == ("v1", "tone", 2, 4)
    assert (rating.HasField("low"), rating.agreement_alpha) == (False, pytest.approx(0))
    assert (comparison.second_origin, comparison.second_count, comparison.win_rate) == ("v2", 1, 1)
    assert 0 < comparison.low < comparison.high == 1
    listed = labeling.ListTasks(pb.ListTasksRequest(parent=parent, filter="reason = requested")).tasks
    assert [task.state for task in listed] == [annotation_pb2.Task.STATE_DONE] * 2


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (rating_task(work="WORK_RATE"), "BAD_WORK"),
        (rating_task(overlap=21), "BAD_OVERLAP"),
        (annotation_pb2.Task(record_id="r", dataset_version=f"{DATASET}/1"), "BAD_TASK"),
        (annotation_pb2.Task(task=message_of(Generate())), "RECORD_MISSING"),
    ],
)
def test_tasks_that_cannot_be_are_refused_and_none_is_created(labeling, task, reason):
    before = labeling.SummarizeTasks(pb.SummarizeTasksRequest(parent=PROJECT))
    request = pb.BatchCreateTasksRequest(parent=PROJECT, tasks=[rating_task(), task])
    with pytest.raises(InvalidArgument) as refused:
        labeling.BatchCreateTasks(request)
    assert refused.value.reason == reason
    assert labeling.SummarizeTasks(pb.SummarizeTasksRequest(parent=PROJECT)) == before
