"""Labeling's gRPC API."""

from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceServicer
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.shared_commits import SharedCommits
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_labeling import exchange_mapping, mapping, queue_mapping
from ratoon_labeling.application import exchange, handlers, intake, names, queues, sealing
from ratoon_labeling.application.commands import WithdrawAnswer
from ratoon_labeling.application.exchange import Files, Records
from ratoon_labeling.application.intake import IntakeSources
from ratoon_labeling.application.ports import (
    Datasets,
    Patterns,
    RatingTasks,
    References,
    SealedRecords,
    TaskCounts,
    TaskQueue,
)
from ratoon_labeling.application.summaries import QueueSummaries
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.guidelines import Guideline, GuidelineVersion
from ratoon_labeling.domain.label_sets import LabelSet
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.refills import Refill
from ratoon_labeling.domain.tasks import Task, presented

Context = Any


class LabelingServicer(LabelingServiceServicer):
    """Answers `ratoon.labeling.v1.LabelingService`."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        datasets: Datasets,
        changes: Changes,
        threads: Threads,
        clock: Clock,
        counts: TaskCounts,
        references: References,
        queue: TaskQueue,
        rating_tasks: RatingTasks,
        patterns: Patterns,
        records: Records,
        files: Files,
        endpoints: Collection[str] = (),
        *,
        sources: IntakeSources,
        sealed: SealedRecords,
    ) -> None:
        self._sealed, self._commits = sealed, SharedCommits(store)
        self._store, self._operations, self._changes = store, operations, changes
        self._datasets, self._counts, self._references = datasets, counts, references
        self._threads, self._clock, self._queue, self._rating_tasks = threads, clock, queue, rating_tasks
        self._guidelines = StandardMethods(store, threads, Guideline, names.GUIDELINE, mapping.guideline)
        self._versions = StandardMethods(
            store, threads, GuidelineVersion, names.GUIDELINE_VERSION, mapping.guideline_version
        )
        self._label_sets = StandardMethods(
            store, threads, LabelSet, names.LABEL_SET, mapping.label_set, lambda each: each.state.ended
        )
        self._annotations = StandardMethods(store, threads, Annotation, names.ANNOTATION, mapping.annotation)
        self._tasks = StandardMethods(store, threads, Task, names.TASK, _shown)
        self._patterns, self._endpoints = patterns, endpoints
        self._records, self._files = records, files
        self._sources = sources
        self._summaries = QueueSummaries(store, queue, clock)
        self._queues = StandardMethods(store, threads, Queue, names.QUEUE, queue_mapping.queue)
        self._refills = StandardMethods(
            store, threads, Refill, names.REFILL, queue_mapping.refill, lambda each: each.state.ended
        )

    async def CreateGuideline(
        self, request: pb.CreateGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """Create a guideline for annotators."""
        command = mapping.create_guideline(request)
        return mapping.guideline(
            await self._threads(handlers.create_guideline, command, self._store, self._clock)
        )

    async def GetGuideline(
        self, request: pb.GetGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """One guideline."""
        return await self._guidelines.get(request)

    async def ListGuidelines(
        self, request: pb.ListGuidelinesRequest, context: Context
    ) -> pb.ListGuidelinesResponse:
        """The guidelines of a project."""
        page = await self._guidelines.list(request)
        return pb.ListGuidelinesResponse(guidelines=page.items, next_page_token=page.next_token)

    async def UpdateGuideline(
        self, request: pb.UpdateGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """Change a guideline."""
        command = mapping.update_guideline(request)
        ports = (self._store, self._operations, self._queue, self._clock)
        return mapping.guideline(await self._threads(handlers.update_guideline, command, *ports))

    async def DeleteGuideline(
        self, request: pb.DeleteGuidelineRequest, context: Context
    ) -> pb.DeleteGuidelineResponse:
        """Delete a guideline."""
        command = mapping.delete_guideline(request)
        await self._threads(handlers.delete_guideline, command, self._store, self._operations)
        return pb.DeleteGuidelineResponse()

    async def GetGuidelineVersion(
        self, request: pb.GetGuidelineVersionRequest, context: Context
    ) -> annotation_pb2.GuidelineVersion:
        """One version of a guideline."""
        return await self._versions.get(request)

    async def ListGuidelineVersions(
        self, request: pb.ListGuidelineVersionsRequest, context: Context
    ) -> pb.ListGuidelineVersionsResponse:
        """The versions of a guideline."""
        page = await self._versions.list(request)
        return pb.ListGuidelineVersionsResponse(
            guideline_versions=page.items, next_page_token=page.next_token
        )

    async def CreateLabelSet(
        self, request: pb.CreateLabelSetRequest, context: Context
    ) -> label_set_pb2.LabelSet:
        """Freeze the labels of a dataset version."""
        command = mapping.create_label_set(request)
        created = await self._threads(
            handlers.create_label_set, command, self._store, self._operations, self._datasets, self._clock
        )
        return mapping.label_set(created)

    async def GetLabelSet(self, request: pb.GetLabelSetRequest, context: Context) -> label_set_pb2.LabelSet:
        """One label set."""
        return await self._label_sets.get(request)

    async def ListLabelSets(
        self, request: pb.ListLabelSetsRequest, context: Context
    ) -> pb.ListLabelSetsResponse:
        """The label sets of a project."""
        page = await self._label_sets.list(request)
        return pb.ListLabelSetsResponse(label_sets=page.items, next_page_token=page.next_token)

    async def WatchLabelSet(
        self, request: pb.WatchLabelSetRequest, context: Context
    ) -> AsyncIterator[label_set_pb2.LabelSet]:
        """A label set's state, then each newer one, until it has ended."""
        async for state in self._label_sets.watch(request, self._changes):
            yield state

    async def CancelLabelSet(
        self, request: pb.CancelLabelSetRequest, context: Context
    ) -> label_set_pb2.LabelSet:
        """Cancel a label set."""
        self._label_sets.check_name(request)
        return await self._label_sets.cancel(request, self._operations)

    async def DeleteLabelSet(
        self, request: pb.DeleteLabelSetRequest, context: Context
    ) -> pb.DeleteLabelSetResponse:
        """Delete a label set that has ended and is not in use."""
        await self._threads(
            handlers.delete_label_set, request.name, request.allow_missing, self._store, self._references
        )
        return pb.DeleteLabelSetResponse()

    async def CreateAnnotation(
        self, request: pb.CreateAnnotationRequest, context: Context
    ) -> annotation_pb2.Annotation:
        """Give a record an answer."""
        who = caller()
        command = mapping.create_annotation(request, who.name, who.role is Role.SERVICE)
        return mapping.annotation(
            await self._threads(handlers.create_annotation, command, self._store, self._clock)
        )

    async def BatchCreateAnnotations(
        self, request: pb.BatchCreateAnnotationsRequest, context: Context
    ) -> pb.BatchCreateAnnotationsResponse:
        """Give records answers."""
        who = caller()
        command = mapping.create_annotations(request, who.name, who.role is Role.SERVICE)
        names = await self._threads(handlers.create_annotations, command, self._store, self._clock)
        return pb.BatchCreateAnnotationsResponse(names=names)

    async def GetAnnotation(
        self, request: pb.GetAnnotationRequest, context: Context
    ) -> annotation_pb2.Annotation:
        """One annotation."""
        self._annotations.check_name(request)
        annotation = await self._threads(self._store.get, Annotation, request.name)
        return mapping.annotation(
            await self._threads(sealing.visible, annotation, _viewer(request), self._sealed)
        )

    async def ListAnnotations(
        self, request: pb.ListAnnotationsRequest, context: Context
    ) -> pb.ListAnnotationsResponse:
        """The annotations of a project."""
        page = await self._threads(
            sealing.list_annotations,
            request.parent,
            request.page_size,
            request.page_token,
            request.order_by,
            _viewer(request),
            self._store,
            self._sealed,
        )
        return pb.ListAnnotationsResponse(
            annotations=map(mapping.annotation, page.items), next_page_token=page.next_token
        )

    async def BatchCreateTasks(
        self, request: pb.BatchCreateTasksRequest, context: Context
    ) -> pb.BatchCreateTasksResponse:
        """Create tasks."""
        command = mapping.create_tasks(request)
        names = await self._threads(handlers.create_tasks, command, self._store, self._clock)
        return pb.BatchCreateTasksResponse(names=names)

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> annotation_pb2.Task:
        """One task."""
        self._tasks.check_name(request)
        task = await self._threads(self._store.get, Task, request.name)
        shown = _shown(await self._threads(sealing.visible, task, _viewer(request), self._sealed))
        if shown.answer_id and (_is_engineer() or shown.lease_holder == caller().name):
            return await self._threads(self._with_text, task) or shown
        return shown

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        """The tasks of a project."""
        list_tasks = partial(
            handlers.list_tasks, with_queues=_is_engineer(), viewer=_viewer(request), sealed=self._sealed
        )
        page = await self._threads(
            list_tasks,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
            request.filter,
        )
        return pb.ListTasksResponse(tasks=map(_shown, page.items), next_page_token=page.next_token)

    async def SummarizeTasks(
        self, request: pb.SummarizeTasksRequest, context: Context
    ) -> pb.SummarizeTasksResponse:
        """Counts of a project's tasks."""
        summary = await self._threads(handlers.summarize_tasks, request.parent, self._counts)
        return mapping.task_summary(summary)

    async def SummarizeRatings(
        self, request: pb.SummarizeRatingsRequest, context: Context
    ) -> pb.SummarizeRatingsResponse:
        """Ratings and comparisons of a project."""
        summaries = await self._threads(handlers.summarize_ratings, request.parent, self._rating_tasks)
        return mapping.ratings(*summaries)

    async def ClaimTask(self, request: pb.ClaimTaskRequest, context: Context) -> pb.ClaimTaskResponse:
        """Lease the next open task to the caller."""
        command = mapping.claim_task(request, caller().name, _is_engineer())
        while task := await self._threads(
            handlers.claim_task, command, self._commits, self._clock, self._queue
        ):
            if message := await self._claimed(task):
                return pb.ClaimTaskResponse(task=message)
        return pb.ClaimTaskResponse()

    async def _claimed(self, task: Task) -> annotation_pb2.Task | None:
        """Return a claimed task; None if the text of its answer is gone, and the task with it."""
        if not task.answer_id:
            return _shown(task)
        message = await self._threads(self._with_text, task)
        if message is None:
            await self._threads(intake.drop_task, task.name, self._store, self._queue)
        return message

    def _with_text(self, task: Task) -> annotation_pb2.Task | None:
        """Return a task about an answer with the text that it answers; None if that is gone."""
        read = intake.with_text(task, self._sources)
        if read is None:
            return None
        filled, text = read
        message = _shown(filled)
        message.text = text
        return message

    async def CompleteTask(self, request: pb.CompleteTaskRequest, context: Context) -> annotation_pb2.Task:
        """Answer a task."""
        command = mapping.complete_task(request, caller().name)
        return _shown(
            await self._threads(
                handlers.complete_task,
                command,
                self._store,
                self._operations,
                self._datasets,
                self._queue,
                self._clock,
                self._commits,
            )
        )

    async def SubmitTask(self, request: pb.SubmitTaskRequest, context: Context) -> pb.SubmitTaskResponse:
        """Answer a task and claim the next ones."""
        command = mapping.submit_task(request, caller().name)
        ports = (self._store, self._operations, self._datasets, self._queue, self._clock, self._commits)
        task, claims = await self._threads(handlers.submit_task, command, *ports)
        messages = [await self._claimed(each) for each in claims]
        return pb.SubmitTaskResponse(task=_shown(task), next_tasks=[each for each in messages if each])

    async def WithdrawAnswer(
        self, request: pb.WithdrawAnswerRequest, context: Context
    ) -> annotation_pb2.Task:
        """Take back the caller's answer to a task."""
        command = WithdrawAnswer(request.name, caller().name)
        return _shown(
            await self._threads(queues.withdraw_answer, command, self._store, self._queue, self._clock)
        )

    async def ReviewTask(self, request: pb.ReviewTaskRequest, context: Context) -> annotation_pb2.Task:
        """Accept, fix or send back the answers to a task."""
        command = mapping.review_task(request, caller().name, _is_engineer())
        return mapping.task(
            await self._threads(
                queues.review_task, command, self._store, self._datasets, self._queue, self._clock
            )
        )

    async def CreateQueue(self, request: pb.CreateQueueRequest, context: Context) -> queue_pb2.Queue:
        """Create a queue."""
        ports = (
            self._store,
            self._operations,
            self._datasets,
            self._patterns,
            self._clock,
            self._endpoints,
        )
        create_queue = partial(queues.create_queue, sources=self._sources)
        return queue_mapping.queue(
            await self._threads(create_queue, queue_mapping.create_queue(request), *ports)
        )

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> queue_pb2.Queue:
        """One queue."""
        return await self._queues.get(request)

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Context) -> pb.ListQueuesResponse:
        """The queues of a project."""
        page = await self._queues.list(request)
        return pb.ListQueuesResponse(queues=page.items, next_page_token=page.next_token)

    async def UpdateQueue(self, request: pb.UpdateQueueRequest, context: Context) -> queue_pb2.Queue:
        """Change the settings of a queue."""
        command = queue_mapping.update_queue(request)
        ports = (
            self._store,
            self._operations,
            self._datasets,
            self._patterns,
            self._queue,
            self._clock,
            self._endpoints,
        )
        update_queue = partial(queues.update_queue, sources=self._sources)
        return queue_mapping.queue(await self._threads(update_queue, command, *ports))

    async def DeleteQueue(self, request: pb.DeleteQueueRequest, context: Context) -> pb.DeleteQueueResponse:
        """Delete a queue with its refills and tasks."""
        await self._threads(
            queues.delete_queue,
            request.name,
            request.allow_missing,
            self._store,
            self._operations,
            self._queue,
        )
        return pb.DeleteQueueResponse()

    async def WatchQueue(
        self, request: pb.WatchQueueRequest, context: Context
    ) -> AsyncIterator[queue_pb2.Queue]:
        """A queue's state, then each newer one."""
        async for state in self._queues.watch(request, self._changes):
            yield state

    async def SummarizeQueue(
        self, request: pb.SummarizeQueueRequest, context: Context
    ) -> pb.SummarizeQueueResponse:
        """Answers of a queue, and how far annotators agree."""
        who, whole = caller().name, _is_engineer()
        summary = await self._threads(self._summaries.of, request.name)
        return queue_mapping.queue_summary(summary if whole else summary.for_annotator(who))

    async def AddGoldItems(
        self, request: pb.AddGoldItemsRequest, context: Context
    ) -> pb.AddGoldItemsResponse:
        """Add records whose answer is known."""
        command = queue_mapping.add_gold_items(request)
        added, total = await self._threads(
            queues.add_gold_items, command, self._store, self._queue, self._clock
        )
        return pb.AddGoldItemsResponse(added_count=added, gold_count=total)

    async def ExportQueue(self, request: pb.ExportQueueRequest, context: Context) -> pb.ExportQueueResponse:
        """Write the tasks of a queue to a file."""
        command = exchange_mapping.export_queue(request)
        ports = (self._store, self._records, self._queue, self._files)
        return exchange_mapping.exported_queue(await self._threads(exchange.export_queue, command, *ports))

    async def ImportAnnotations(
        self, request: pb.ImportAnnotationsRequest, context: Context
    ) -> pb.ImportAnnotationsResponse:
        """Store the answers in a file as annotations."""
        command = exchange_mapping.import_annotations(request)
        ports = (self._store, self._datasets, self._records, self._files, self._clock)
        return exchange_mapping.imported(await self._threads(exchange.import_annotations, command, *ports))

    async def CreateRefill(self, request: pb.CreateRefillRequest, context: Context) -> queue_pb2.Refill:
        """Draw records into a queue."""
        ports = (self._store, self._operations, self._datasets, self._queue, self._clock)
        return queue_mapping.refill(
            await self._threads(queues.create_refill, queue_mapping.create_refill(request), *ports)
        )

    async def GetRefill(self, request: pb.GetRefillRequest, context: Context) -> queue_pb2.Refill:
        """One refill."""
        return await self._refills.get(request)

    async def ListRefills(self, request: pb.ListRefillsRequest, context: Context) -> pb.ListRefillsResponse:
        """The refills of a queue."""
        page = await self._refills.list(request)
        return pb.ListRefillsResponse(refills=page.items, next_page_token=page.next_token)

    async def WatchRefill(
        self, request: pb.WatchRefillRequest, context: Context
    ) -> AsyncIterator[queue_pb2.Refill]:
        """A refill's state, then each newer one, until it has ended."""
        async for state in self._refills.watch(request, self._changes):
            yield state

    async def CancelRefill(self, request: pb.CancelRefillRequest, context: Context) -> queue_pb2.Refill:
        """Cancel a refill."""
        self._refills.check_name(request)
        return await self._refills.cancel(request, self._operations)


def _viewer(
    request: pb.GetAnnotationRequest | pb.ListAnnotationsRequest | pb.GetTaskRequest | pb.ListTasksRequest,
) -> sealing.Viewer:
    """Return who reads annotations or tasks."""
    who = caller()
    return sealing.Viewer(
        who.name, who.role is Role.SERVICE, who.role >= Role.ENGINEER, request.reader, request.purpose
    )


def _is_engineer() -> bool:
    return caller().role >= Role.ENGINEER


def _shown(task: Task) -> annotation_pb2.Task:
    """Return a task as the caller sees it."""
    return mapping.task(presented(task, caller().name, whole=_is_engineer()))
