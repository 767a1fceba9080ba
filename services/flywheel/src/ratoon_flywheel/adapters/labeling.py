"""Labeling: label sets, under a guideline of the project's labels and instructions."""

import hashlib

import grpc

from ratoon.labeling.v1 import annotation_pb2, label_set_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.service.tasks import message_of
from ratoon_flywheel.adapters.children import child, ensure, ensure_cancelled
from ratoon_flywheel.domain.pipelines.actions import FreezeLabels
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project

_REVIEW_SAMPLE = 50
"""Records that are drawn for review by people."""


class LabelStage:
    """The stage `labels`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._labeling = LabelingServiceStub(channel)

    def create(self, spec: FreezeLabels, request_id: str) -> str:
        """Freeze the labels that came with a dataset version."""
        source = annotation_pb2.Annotation
        label_set = label_set_pb2.LabelSet(
            dataset_version=spec.dataset_version,
            guideline=self._guideline(spec.project),
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

    def _guideline(self, project: Project) -> str:
        """The guideline of a task and instructions; its id is a mark of them, so that it never goes stale."""
        marks = project.labels or (repr(project.task),)
        content = "\n".join((project.instructions, *marks))
        guideline_id = f"project-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        guideline = annotation_pb2.Guideline(
            instructions=project.instructions,
            labels=project.labels,
            task=message_of(project.task),
        )
        request = pb.CreateGuidelineRequest(
            parent=project.name, guideline_id=guideline_id, guideline=guideline
        )
        ensure(lambda: self._labeling.CreateGuideline(request))
        return f"{project.name}/guidelines/{guideline_id}"
