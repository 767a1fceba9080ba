"""Labeling: the labelling queue and label sets, under a guideline of the project's labels and instructions."""

import hashlib
from dataclasses import replace

import grpc

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.service.tasks import message_of
from ratoon_flywheel.adapters.children import child, ensure, ensure_cancelled
from ratoon_flywheel.domain.pipelines.actions import FreezeLabels, QueueRecords
from ratoon_flywheel.domain.pipelines.runs import Products, Progress
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState
from ratoon_flywheel.domain.projects import Project

_REVIEW_SAMPLE = 50
"""Records that are drawn for review by people."""
_QUEUE_ID = "pipeline"
"""Id of the labelling queue of a project's pipeline runs."""


class LabelStage:
    """The stage `labels`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._labeling = LabelingServiceStub(channel)

    def create(self, spec: FreezeLabels, request_id: str) -> str:
        """Freeze the labels that came with a dataset version."""
        source = annotation_pb2.Annotation
        label_set = label_set_pb2.LabelSet(
            dataset_version=spec.dataset_version,
            guideline=guideline_of(spec.project, self._labeling),
            import_as=source.SOURCE_FEEDBACK if spec.from_feedback else source.SOURCE_IMPORT,
            review_sample_size=_REVIEW_SAMPLE,
        )
        request = pb.CreateLabelSetRequest(
            parent=spec.project.name, label_set=label_set, request_id=request_id
        )
        return str(self._labeling.CreateLabelSet(request).name)

    def observe(self, resource: str) -> Child:
        """How far the label set is."""
        label_set = self._labeling.GetLabelSet(pb.GetLabelSetRequest(name=resource))
        products = Products(
            label_set=label_set.name,
            label_set_digest=label_set.digest,
            label_counts=dict(label_set.class_counts),
            labelled_count=label_set.label_count,
        )
        classes = ", ".join(f"{count} {label}" for label, count in sorted(label_set.class_counts.items()))
        return child(
            label_set_pb2.LabelSet.State.Name(label_set.state),
            products,
            label_set.progress,
            label_set.failure,
            classes or f"{label_set.label_count} records with an answer",
        )

    def cancel(self, resource: str) -> None:
        """Cancel the label set."""
        ensure_cancelled(lambda: self._labeling.CancelLabelSet(pb.CancelLabelSetRequest(name=resource)))


class QueueStage:
    """The stage `queue`: the labelling queue of a project."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._labeling = LabelingServiceStub(channel)

    def create(self, spec: QueueRecords, request_id: str) -> str:
        """Point the queue at a dataset version, and draw the records that lack to the number of labels."""
        settings = spec.project.label_queue
        name = f"{spec.project.name}/queues/{_QUEUE_ID}"
        queue = queue_pb2.Queue(
            name=name,
            dataset_version=spec.dataset_version,
            guideline=guideline_of(spec.project, self._labeling),
            overlap=settings.overlap,
            pre_labels=queue_pb2.Queue.PreLabels(origin=queue_pb2.Queue.PreLabels.ORIGIN_CLASSICAL)
            if settings.pre_labels
            else None,
            refill_rule=queue_pb2.Queue.RefillRule(
                size=settings.min_labels,
                strategy=queue_pb2.Queue.Strategy.Value(f"STRATEGY_{settings.strategy}"),
            ),
        )
        request = pb.CreateQueueRequest(parent=spec.project.name, queue_id=_QUEUE_ID, queue=queue)
        ensure(lambda: self._labeling.CreateQueue(request))
        self._labeling.UpdateQueue(pb.UpdateQueueRequest(queue=queue))
        refill = queue_pb2.Refill(size=settings.min_labels, min_labelled=settings.min_labels)
        self._labeling.CreateRefill(pb.CreateRefillRequest(parent=name, refill=refill, request_id=request_id))
        return name

    def observe(self, resource: str) -> Child:
        """Return how many of the tasks people have answered; it ends when none waits."""
        queue = self._labeling.GetQueue(pb.GetQueueRequest(name=resource))
        refill = self._labeling.GetRefill(pb.GetRefillRequest(name=queue.last_refill))
        state = queue_pb2.Refill.State.Name(refill.state)
        drawn = child(state, Products(), refill.progress, refill.failure)
        waiting = queue.open_count + queue.review_count
        if drawn.state is not ChildState.SUCCEEDED or not (refill.task_count and waiting):
            answered = f"{refill.labelled_count} records had an answer, {refill.task_count} tasks were drawn"
            return replace(drawn, message=drawn.message or answered)
        total = max(refill.task_count, waiting)
        message = f"{waiting} of {total} tasks of {resource} wait for people"
        return Child(ChildState.WORKING, progress=Progress(1 - waiting / total, message))

    def cancel(self, resource: str) -> None:
        """Cancel the refill of the queue; its tasks stay."""
        queue = self._labeling.GetQueue(pb.GetQueueRequest(name=resource))
        ensure_cancelled(lambda: self._labeling.CancelRefill(pb.CancelRefillRequest(name=queue.last_refill)))


def guideline_of(project: Project, labeling: LabelingServiceStub) -> str:
    """The guideline of a task and instructions; its id is a mark of them, so that it never goes stale."""
    marks = project.labels or (repr(project.task),)
    content = "\n".join((project.instructions, *marks))
    guideline_id = f"project-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    guideline = annotation_pb2.Guideline(
        instructions=project.instructions,
        labels=project.labels,
        task=message_of(project.task),
    )
    request = pb.CreateGuidelineRequest(parent=project.name, guideline_id=guideline_id, guideline=guideline)
    ensure(lambda: labeling.CreateGuideline(request))
    return f"{project.name}/guidelines/{guideline_id}"
