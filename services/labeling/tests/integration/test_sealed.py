"""Labels and tasks of sealed records: no reading method shows them, and what engineers read is logged."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from ratoon.common.v1 import task_pb2
from ratoon.labeling.v1 import annotation_pb2, labeling_service_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import NotFound
from ratoon.security.identity import Role
from ratoon_labeling.application.ports import Reading

PROJECT, VERSION = "projects/sealed", "projects/sealed/datasets/d/versions/v1"
SERVICE = labeling_service_pb2.DESCRIPTOR.services_by_name["LabelingService"]
READING = ("Get", "List", "Watch", "Summarize")
OPEN, SEALED = "a" * 64, "b" * 64
TEXT = task_pb2.TaskSpec(generate=task_pb2.Generate())


class Labelled:
    """A project with an open and a sealed record, each with an annotation, a task and a canary in both."""

    def __init__(self, labeling: LabelingServiceStub, datasets) -> None:
        self.annotations = {
            record: labeling.CreateAnnotation(
                pb.CreateAnnotationRequest(
                    parent=PROJECT,
                    annotation=annotation_pb2.Annotation(
                        record_id=record, content_digest=record, label=f"canary-{record[0]}"
                    ),
                )
            ).name
            for record in (OPEN, SEALED)
        }
        tasks = [
            annotation_pb2.Task(
                record_id=record, dataset_version=VERSION, task=TEXT, proposed_label=f"canary-{record[0]}"
            )
            for record in (OPEN, SEALED)
        ]
        names = labeling.BatchCreateTasks(pb.BatchCreateTasksRequest(parent=PROJECT, tasks=tasks)).names
        self.tasks = dict(zip((OPEN, SEALED), names, strict=True))
        datasets.sealed.add(SEALED)


@pytest.fixture(scope="module")
def labelled(state, labeling, datasets) -> Labelled:
    return Labelled(labeling, datasets)


def answers(stub: LabelingServiceStub, method: MethodDescriptor, labelled: Labelled) -> Iterator[str]:
    kind, fields = GetMessageClass(method.input_type), method.input_type.fields_by_name
    for name in (PROJECT, *labelled.annotations.values(), *labelled.tasks.values()):
        request = kind()
        for field in {"name", "parent"} & set(fields):
            setattr(request, field, name)
        try:
            yield str(getattr(stub, method.name)(request, timeout=10))
        except (grpc.RpcError, Exception) as refused:
            assert not isinstance(refused, AssertionError)
            yield str(refused)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR, Role.ENGINEER, Role.OPERATOR])
def test_no_reading_method_shows_a_label_or_a_task_of_a_sealed_record(state, labelled, role):
    stub = LabelingServiceStub(state.as_role(role, "labeling", key="reader"))
    read = ""
    for method in SERVICE.methods:
        if method.name.startswith(READING) and not method.server_streaming:
            for answer in answers(stub, method, labelled):
                assert "canary-b" not in answer and SEALED not in answer, method.name
                read += answer
    assert "canary-a" in read


def test_a_sealed_annotation_and_task_are_as_unknown_ones(state, labelled):
    stub = LabelingServiceStub(state.as_role(Role.ENGINEER, "labeling", key="reader"))
    for name in (labelled.annotations[SEALED], labelled.tasks[SEALED]):
        get, request = (
            (stub.GetTask, pb.GetTaskRequest)
            if "/tasks/" in name
            else (stub.GetAnnotation, pb.GetAnnotationRequest)
        )
        with pytest.raises(NotFound) as sealed:
            get(request(name=name))
        with pytest.raises(NotFound) as unknown:
            get(request(name=f"{name}x"))
        assert str(sealed.value).replace(name, "") == str(unknown.value).replace(f"{name}x", "")
        assert sealed.value.reason == unknown.value.reason


def test_an_engineer_who_states_reader_and_purpose_reads_them_and_is_logged(state, labelled, datasets):
    stub = LabelingServiceStub(state.as_role(Role.ENGINEER, "labeling", key="reader"))
    why = {"reader": "projects/sealed/tasks/t", "purpose": "A label is disputed"}
    datasets.readings.clear()
    listed = stub.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, **why)).annotations
    assert {each.record_id for each in listed} == {OPEN, SEALED}
    assert stub.GetTask(pb.GetTaskRequest(name=labelled.tasks[SEALED], **why)).record_id == SEALED
    assert [each.purpose for each in datasets.readings] == ["A label is disputed"] * 2
    assert all(isinstance(each, Reading) and each.principal.endswith("reader") for each in datasets.readings)
    viewer = LabelingServiceStub(state.as_role(Role.VIEWER, "labeling", key="reader"))
    assert len(viewer.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT, **why)).annotations) == 1
    assert len(datasets.readings) == 2


def test_annotators_see_their_own_answers_and_claims_and_services_see_all(state, labelled):
    own = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", key="own"))
    service = LabelingServiceStub(state.as_role(Role.SERVICE, "labeling"))
    claimed = own.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT, other_than=[labelled.tasks[OPEN]])).task
    assert claimed.record_id == SEALED
    assert own.GetTask(pb.GetTaskRequest(name=claimed.name)).record_id == SEALED
    submitted = own.SubmitTask(pb.SubmitTaskRequest(name=claimed.name, label="mine", claim_count=2))
    assert submitted.task.label == "mine"
    assert [each.record_id for each in submitted.next_tasks] == [OPEN]
    listed = own.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT)).annotations
    assert sorted(each.label for each in listed) == ["canary-a", "mine"]
    assert len(service.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT)).annotations) == 3
