"""Labeling's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceServicer
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes, watch
from ratoon_labeling import mapping
from ratoon_labeling.application import handlers
from ratoon_labeling.application.ports import Datasets, TaskCounts
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.guidelines import Guideline
from ratoon_labeling.domain.label_sets import LabelSet
from ratoon_labeling.domain.tasks import Task

Context = Any


@dataclass(frozen=True)
class LabelingServicer(LabelingServiceServicer):
    """Answers `ratoon.labeling.v1.LabelingService`."""

    store: Store
    operations: Operations
    datasets: Datasets
    changes: Changes
    threads: Threads
    clock: Clock
    counts: TaskCounts

    async def CreateGuideline(
        self, request: pb.CreateGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """Create a guideline for annotators."""
        command = mapping.create_guideline(request)
        return mapping.guideline(
            await self.threads(handlers.create_guideline, command, self.store, self.clock)
        )

    async def GetGuideline(
        self, request: pb.GetGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """One guideline."""
        return mapping.guideline(await self.threads(handlers.get, Guideline, request.name, self.store))

    async def ListGuidelines(
        self, request: pb.ListGuidelinesRequest, context: Context
    ) -> pb.ListGuidelinesResponse:
        """The guidelines of a project."""
        page = await self.threads(
            handlers.listed,
            Guideline,
            request.parent,
            request.page_size,
            request.page_token,
            self.store,
            request.order_by,
        )
        guidelines = map(mapping.guideline, page.items)
        return pb.ListGuidelinesResponse(guidelines=guidelines, next_page_token=page.next_token)

    async def UpdateGuideline(
        self, request: pb.UpdateGuidelineRequest, context: Context
    ) -> annotation_pb2.Guideline:
        """Change a guideline."""
        command = mapping.update_guideline(request)
        return mapping.guideline(await self.threads(handlers.update_guideline, command, self.store))

    async def DeleteGuideline(
        self, request: pb.DeleteGuidelineRequest, context: Context
    ) -> pb.DeleteGuidelineResponse:
        """Delete a guideline."""
        await self.threads(handlers.delete_guideline, mapping.delete_guideline(request), self.store)
        return pb.DeleteGuidelineResponse()

    async def CreateLabelSet(
        self, request: pb.CreateLabelSetRequest, context: Context
    ) -> label_set_pb2.LabelSet:
        """Freeze the labels of a dataset version."""
        command = mapping.create_label_set(request)
        created = await self.threads(
            handlers.create_label_set, command, self.store, self.operations, self.datasets, self.clock
        )
        return mapping.label_set(created)

    async def GetLabelSet(self, request: pb.GetLabelSetRequest, context: Context) -> label_set_pb2.LabelSet:
        """One label set."""
        return mapping.label_set(await self.threads(handlers.get, LabelSet, request.name, self.store))

    async def ListLabelSets(
        self, request: pb.ListLabelSetsRequest, context: Context
    ) -> pb.ListLabelSetsResponse:
        """The label sets of a project."""
        page = await self.threads(
            handlers.listed,
            LabelSet,
            request.parent,
            request.page_size,
            request.page_token,
            self.store,
            request.order_by,
        )
        label_sets = map(mapping.label_set, page.items)
        return pb.ListLabelSetsResponse(label_sets=label_sets, next_page_token=page.next_token)

    async def WatchLabelSet(
        self, request: pb.WatchLabelSetRequest, context: Context
    ) -> AsyncIterator[label_set_pb2.LabelSet]:
        """A label set's state, then each newer one, until it has ended."""
        states = watch(
            self.store,
            self.changes,
            self.threads,
            LabelSet,
            request.name,
            request.revision,
            lambda label_set: label_set.state.ended,
        )
        async for value in states:
            yield mapping.label_set(value)

    async def CancelLabelSet(
        self, request: pb.CancelLabelSetRequest, context: Context
    ) -> label_set_pb2.LabelSet:
        """Cancel a label set."""
        return mapping.label_set(await self.threads(handlers.cancel_label_set, request.name, self.operations))

    async def DeleteLabelSet(
        self, request: pb.DeleteLabelSetRequest, context: Context
    ) -> pb.DeleteLabelSetResponse:
        """Delete a label set that failed or was cancelled."""
        await self.threads(handlers.delete_label_set, request.name, request.allow_missing, self.store)
        return pb.DeleteLabelSetResponse()

    async def CreateAnnotation(
        self, request: pb.CreateAnnotationRequest, context: Context
    ) -> annotation_pb2.Annotation:
        """Give a record a label."""
        who = caller()
        command = mapping.create_annotation(request, who.name, who.role is Role.SERVICE)
        return mapping.annotation(
            await self.threads(handlers.create_annotation, command, self.store, self.clock)
        )

    async def GetAnnotation(
        self, request: pb.GetAnnotationRequest, context: Context
    ) -> annotation_pb2.Annotation:
        """One annotation."""
        return mapping.annotation(await self.threads(handlers.get, Annotation, request.name, self.store))

    async def ListAnnotations(
        self, request: pb.ListAnnotationsRequest, context: Context
    ) -> pb.ListAnnotationsResponse:
        """The annotations of a project."""
        page = await self.threads(
            handlers.listed,
            Annotation,
            request.parent,
            request.page_size,
            request.page_token,
            self.store,
            request.order_by,
        )
        annotations = map(mapping.annotation, page.items)
        return pb.ListAnnotationsResponse(annotations=annotations, next_page_token=page.next_token)

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> annotation_pb2.Task:
        """One task."""
        return mapping.task(await self.threads(handlers.get, Task, request.name, self.store))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        """The tasks of a project."""
        page = await self.threads(
            handlers.list_tasks,
            request.parent,
            request.page_size,
            request.page_token,
            self.store,
            request.order_by,
            request.filter,
        )
        return pb.ListTasksResponse(tasks=map(mapping.task, page.items), next_page_token=page.next_token)

    async def SummarizeTasks(
        self, request: pb.SummarizeTasksRequest, context: Context
    ) -> pb.SummarizeTasksResponse:
        """Counts of a project's tasks."""
        summary = await self.threads(handlers.summarize_tasks, request.parent, self.counts)
        return mapping.task_summary(summary)

    async def ClaimTask(self, request: pb.ClaimTaskRequest, context: Context) -> pb.ClaimTaskResponse:
        """Lease the next open task to the caller."""
        command = mapping.claim_task(request, caller().name)
        task = await self.threads(handlers.claim_task, command, self.store, self.clock)
        return pb.ClaimTaskResponse(task=mapping.task(task) if task else None)

    async def CompleteTask(self, request: pb.CompleteTaskRequest, context: Context) -> annotation_pb2.Task:
        """Answer a task."""
        command = mapping.complete_task(request, caller().name)
        return mapping.task(await self.threads(handlers.complete_task, command, self.store, self.clock))
