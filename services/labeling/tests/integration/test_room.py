"""Labeling as a room: its gRPC API over a real socket, its database, its worker process; ingestion is a fake."""

from collections.abc import Iterator

import pytest

from ratoon.chassis.app import App, Foundation, Platform, Rpc
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.chassis.identity import Role
from ratoon.chassis.jobs import LocalJobs
from ratoon.chassis.migrations import migrate
from ratoon.labeling.v1 import annotation_pb2, label_set_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import (
    LabelingServiceStub,
    add_LabelingServiceServicer_to_server,
)
from ratoon.testkit.rooms import State, serving
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.freezing import JobFreezing
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.application.procedures import label_set_procedure
from ratoon_labeling.domain.errors import DatasetNotReady
from ratoon_labeling.entrypoints.grpc import LabelingServicer
from ratoon_labeling.settings import Settings

PROJECT = "projects/p"
GUIDELINE = f"{PROJECT}/guidelines/mail"
DATASET = f"{PROJECT}/datasets/mail/versions"
LabelSet = label_set_pb2.LabelSet


class FakeDatasets:
    """The dataset versions that a test put here."""

    def __init__(self) -> None:
        self.ready: dict[str, str] = {}

    def artifact_of(self, dataset_version: str) -> str:
        if dataset_version not in self.ready:
            raise DatasetNotReady(f"{dataset_version} is RUNNING; wait until it is READY.")
        return self.ready[dataset_version]


def build(settings: Settings, datasets: FakeDatasets) -> App:
    base = Foundation(settings, Platform.of_process(), tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    freezing = JobFreezing(LocalJobs(settings.folder / "jobs"), settings.artifacts_url)
    ledger = BulkLedger(base.database, ArtifactStore(settings.artifacts_url), base.clock)
    operations = base.operations(store, [label_set_procedure(freezing, ledger)])
    servicer = LabelingServicer(store, operations, datasets, base.changes(store), base.threads, base.clock)
    rpc = Rpc("ratoon.labeling.v1.LabelingService", add_LabelingServiceServicer_to_server, servicer)
    return base.app([rpc], [operations])


@pytest.fixture(scope="module")
def datasets() -> FakeDatasets:
    return FakeDatasets()


@pytest.fixture(scope="module")
def state(folder, artifacts, datasets, databases) -> Iterator[State]:
    state = State(folder)
    url = databases.url("labeling", folder)
    settings = Settings(state=folder, artifacts_url=artifacts.url, database_url=url)
    migrate("labeling", settings.database_url)
    with serving([build(settings, datasets)]):
        yield state


@pytest.fixture(scope="module")
def labeling(state: State) -> LabelingServiceStub:
    return LabelingServiceStub(state.as_role(Role.ENGINEER, "labeling"))


@pytest.fixture(scope="module", autouse=True)
def guideline(labeling: LabelingServiceStub) -> annotation_pb2.Guideline:
    asked = annotation_pb2.Guideline(instructions="Is it spam?", labels=["ham", "spam"])
    return labeling.CreateGuideline(
        pb.CreateGuidelineRequest(parent=PROJECT, guideline_id="mail", guideline=asked)
    )


def frozen(labeling: LabelingServiceStub, version: str, request_id: str = "", **wanted) -> LabelSet:
    asked = LabelSet(dataset_version=f"{DATASET}/{version}", guideline=GUIDELINE, **wanted)
    created = labeling.CreateLabelSet(
        pb.CreateLabelSetRequest(parent=PROJECT, label_set=asked, request_id=request_id)
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


def test_a_label_set_without_labels_fails_and_says_why(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/3"] = put_dataset(["junk", None], prefix="other")
    failed = frozen(labeling, "3")
    assert (failed.state, failed.failure.reason) == (LabelSet.STATE_FAILED, "NO_LABELS")


def test_what_is_not_ready_or_not_of_this_project_is_refused(labeling):
    with pytest.raises(FailedPrecondition) as early:
        frozen(labeling, "none")
    assert early.value.reason == "DATASET_NOT_READY"
    asked = LabelSet(dataset_version="projects/q/datasets/d/versions/1", guideline=GUIDELINE)
    with pytest.raises(InvalidArgument) as foreign:
        labeling.CreateLabelSet(pb.CreateLabelSetRequest(parent=PROJECT, label_set=asked))
    assert foreign.value.reason == "OTHER_PROJECT"


def test_a_guideline_is_changed_only_by_who_has_seen_it(labeling):
    asked = annotation_pb2.Guideline(labels=["a", "b"])
    made = labeling.CreateGuideline(pb.CreateGuidelineRequest(parent=PROJECT, guideline=asked))
    change = annotation_pb2.Guideline(name=made.name, etag=made.etag, instructions="Look twice.")
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
    asked = annotation_pb2.Annotation(record_id="r", label="ham", annotator="somebody else")
    annotators = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling"))
    made = annotators.CreateAnnotation(pb.CreateAnnotationRequest(parent=PROJECT, annotation=asked))
    assert made.annotator == "projects/-/apiKeys/test"
    assert labeling.GetAnnotation(pb.GetAnnotationRequest(name=made.name)) == made
    asked.source = annotation_pb2.Annotation.SOURCE_FEEDBACK
    with pytest.raises(PermissionDenied) as refused:
        annotators.CreateAnnotation(pb.CreateAnnotationRequest(parent=PROJECT, annotation=asked))
    assert refused.value.reason == "SOURCE_NOT_YOURS"


def test_a_label_set_that_has_ended_cannot_be_called_off(labeling, datasets, put_dataset):
    datasets.ready[f"{DATASET}/4"] = put_dataset(["ham", "spam"])
    done = frozen(labeling, "4")
    again = labeling.CancelLabelSet(pb.CancelLabelSetRequest(name=done.name))
    assert again.state == LabelSet.STATE_SUCCEEDED


def test_a_guideline_is_deleted_by_who_has_seen_it(labeling):
    asked = annotation_pb2.Guideline(labels=["a", "b"])
    name = labeling.CreateGuideline(pb.CreateGuidelineRequest(parent=PROJECT, guideline=asked)).name
    with pytest.raises(Aborted):
        labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name, etag="77"))
    labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name, etag="1"))
    with pytest.raises(NotFound):
        labeling.DeleteGuideline(pb.DeleteGuidelineRequest(name=name))
