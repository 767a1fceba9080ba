"""Records of test parts: no method of the API shows their texts or that they are in a test part, to no role."""

import json
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from ratoon.ingestion.v1 import (
    dataset_pb2,
    export_pb2,
    ingestion_service_pb2,
    profile_pb2,
    source_pb2,
    split_pb2,
)
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import NotFound, PermissionDenied
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

PROJECT, DATASET = "projects/p", "projects/p/datasets/mail"
SERVICE = ingestion_service_pb2.DESCRIPTOR.services_by_name["IngestionService"]
CHANGES = ("Create", "Delete", "Cancel", "Update", "Append", "Seal", "ReadConnection", "Open", "Preview")
"""Prefixes of methods that change something, or that only hand out what their caller sends or is logged for."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("sealed")
    settings = Settings(state=folder, processes=1)
    with State(folder) as state, running([settings]):
        yield state


def sentence(number: int) -> str:
    return " ".join(f"word{(number * 37 + n * n) % 1009}" for n in range(15)) + f" canary{number}x"


class Project:
    """A project with two versions of the same records, a mixture, a split, exports and profiles."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.rpc = IngestionServiceStub(state.as_role(Role.OPERATOR, "ingestion"))
        self.store = ArtifactStore(f"{state.folder}/artifacts")
        self.rpc.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
        self.before = self.version(range(60))
        self.profile_before = self.profile(self.before, "before")
        self.split = self._split(self.before)
        self.after = self.version(range(60), note="changed")
        self.profile_after = self.profile(self.after, "after")
        self.sealed = self._texts(self.split)

    def version(self, numbers, note: str = "") -> str:
        rows = [
            {"text": sentence(n), "label": "spam" if n % 3 else "ham", "id": str(n), "note": note or "first"}
            for n in [*numbers, *numbers[:3]]
        ]
        digest = self.store.put_bytes("\n".join(map(json.dumps, rows)).encode())
        source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest, license="CC0-1.0")
        name = self.rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source=source)).name
        created = self.rpc.CreateDatasetVersion(
            pb.CreateDatasetVersionRequest(
                parent=DATASET, dataset_version=dataset_pb2.DatasetVersion(sources=[name])
            )
        )
        *_, last = self.rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=90)
        assert last.state == dataset_pb2.DatasetVersion.STATE_READY, last.failure
        return str(last.name)

    def profile(self, version: str, profile_id: str) -> profile_pb2.Profile:
        created = self.rpc.CreateProfile(
            pb.CreateProfileRequest(
                parent=DATASET, profile_id=profile_id, profile=profile_pb2.Profile(dataset_version=version)
            )
        )
        *_, last = self.rpc.WatchProfile(pb.WatchProfileRequest(name=created.name), timeout=90)
        assert last.state == profile_pb2.Profile.STATE_READY, last.failure
        return last

    def _split(self, version: str) -> split_pb2.Split:
        request = pb.CreateSplitRequest(parent=DATASET, split=split_pb2.Split(dataset_version=version))
        *_, last = self.rpc.WatchSplit(
            pb.WatchSplitRequest(name=self.rpc.CreateSplit(request).name), timeout=90
        )
        assert last.state == split_pb2.Split.STATE_READY, last.failure
        return last

    def _texts(self, split: split_pb2.Split) -> dict[str, str]:
        import pyarrow.parquet as pq

        opened = self.rpc.OpenSplit(
            pb.OpenSplitRequest(name=split.name, part=split_pb2.PART_TEST, reader="tests", purpose="canaries")
        )
        with self.store.open(opened.digest) as stream:
            rows = pq.read_table(stream).select(["record_id", "text"]).to_pylist()
        return {row["record_id"]: row["text"].split()[-1] for row in rows}


@pytest.fixture(scope="module")
def project(state: State) -> Project:
    return Project(state)


def requests(method: MethodDescriptor, project: Project) -> Iterator[object]:
    """Requests of a reading method that name everything there is."""
    kind = GetMessageClass(method.input_type)
    fields = method.input_type.fields_by_name
    profiles = [project.profile_before.name, project.profile_after.name]
    resources = [project.before, project.after, project.split.name, *profiles, PROJECT, DATASET]
    for name in resources:
        request = kind()
        for field in ("name", "parent"):
            if field in fields:
                setattr(request, field, name)
        if "base" in fields:
            request.base = project.before if name == project.after else project.after
        if "page_size" in fields:
            request.page_size = 100
        for record_id in list(project.sealed)[:2] if "record_id" in fields else [""]:
            if "record_id" in fields:
                request.record_id = record_id
            yield request


def answers(stub: IngestionServiceStub, method: MethodDescriptor, project: Project) -> Iterator[str]:
    for request in requests(method, project):
        call = getattr(stub, method.name)
        try:
            if method.server_streaming:
                yield from (str(each) for each in call(request, timeout=20))
            else:
                yield str(call(request, timeout=20))
        except grpc.RpcError:
            continue
        except Exception as refused:
            assert not isinstance(refused, AssertionError)
            yield str(refused).replace(str(request), "")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR, Role.ENGINEER, Role.OPERATOR, Role.SERVICE])
def test_no_reading_method_shows_a_sealed_text_or_record(state: State, project: Project, role: Role):
    stub = IngestionServiceStub(state.as_role(role, "ingestion", "p" if role < Role.OPERATOR else "-"))
    reading = [method for method in SERVICE.methods if not method.name.startswith(CHANGES)]
    count = 0
    for method in reading:
        for answer in answers(stub, method, project):
            count += 1
            for record_id, canary in project.sealed.items():
                assert canary not in answer, method.name
                if "record_id" not in method.input_type.fields_by_name:
                    assert record_id not in answer or method.name in PROFILED, method.name
    assert count > len(reading)


PROFILED = ("GetDatasetVersion", "ListDatasetVersions", "WatchDatasetVersion")
"""Methods whose profile of a version names a random sample of its records, sealed or not: that reveals nothing."""


def test_the_other_records_are_shown(state: State, project: Project):
    stub = IngestionServiceStub(state.as_role(Role.VIEWER, "ingestion", "p"))
    page = stub.ListRecords(pb.ListRecordsRequest(parent=project.after, page_size=100))
    assert len(page.records) == 60 - len(project.sealed)
    report = stub.GetProfileReport(pb.GetProfileReportRequest(name=project.profile_after.name))
    assert (report.record_count, report.sealed_count) == (60 - len(project.sealed), len(project.sealed))
    assert report.examples[0].text_start


def test_a_sealed_record_is_unknown_to_viewers_and_its_reading_by_others_is_logged(state, project):
    sealed = next(iter(project.sealed))
    request = pb.GetRecordRequest(
        parent=project.after, record_id=sealed, reader="projects/p/tasks/1", purpose="annotation"
    )
    viewer = IngestionServiceStub(state.as_role(Role.VIEWER, "ingestion", "p"))
    with pytest.raises(NotFound, match="or it is sealed"):
        viewer.GetRecord(request)
    logged = len(
        project.rpc.ListSplitReadings(pb.ListSplitReadingsRequest(parent=project.split.name)).readings
    )
    annotator = IngestionServiceStub(state.as_role(Role.ANNOTATOR, "ingestion", "p", "ann"))
    assert project.sealed[sealed] in annotator.GetRecord(request).text
    readings = project.rpc.ListSplitReadings(pb.ListSplitReadingsRequest(parent=project.split.name)).readings
    assert len(readings) == logged + 1
    assert (readings[-1].reader, readings[-1].purpose) == ("projects/p/tasks/1", "annotation")
    assert readings[-1].principal.endswith("ann")


def test_the_lineage_of_a_sealed_record_is_that_of_an_unknown_one(project):
    sealed = next(iter(project.sealed))
    request = pb.GetRecordLineageRequest(parent=PROJECT, record_id=sealed)
    lineage = project.rpc.GetRecordLineage(request)
    assert not lineage.dataset_versions and not lineage.placements
    opened = pb.GetRecordLineageRequest(parent=PROJECT, record_id=sealed, reader="erasure", purpose="request")
    assert split_pb2.PART_TEST in [each.part for each in project.rpc.GetRecordLineage(opened).placements]


def test_the_blobs_that_hold_sealed_records_are_withheld(state, project):
    engineer = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion", "p"))
    version = engineer.GetDatasetVersion(pb.GetDatasetVersionRequest(name=project.after))
    test = engineer.OpenSplit(
        pb.OpenSplitRequest(
            name=project.split.name, part=split_pb2.PART_TEST, reader="tests", purpose="seals"
        )
    )
    training = engineer.OpenSplit(
        pb.OpenSplitRequest(
            name=project.split.name, part=split_pb2.PART_TRAIN, reader="tests", purpose="seals"
        )
    )
    assert project.store.is_sealed("p", version.artifact_digest)
    assert project.store.is_sealed("p", test.digest)
    assert project.store.is_sealed("-", test.digest)
    assert not project.store.is_sealed("p", training.digest)
    assert not project.store.is_sealed("other", test.digest)
    viewer = IngestionServiceStub(state.as_role(Role.VIEWER, "ingestion", "p"))
    assert not viewer.GetSource(pb.GetSourceRequest(name=version.sources[0])).digest


def test_services_ask_which_records_are_sealed_and_their_reading_is_logged(state, project):
    service = IngestionServiceStub(state.as_role(Role.SERVICE, "ingestion"))
    first = service.ListRecords(pb.ListRecordsRequest(parent=project.after, page_size=1)).records[0]
    sealed, identity = next(iter(project.sealed)), pb.CheckSealedRecordsRequest.RecordIdentity
    records = [identity(record_id=first.record_id), identity(record_id=sealed), identity(record_id="none")]
    readings = pb.ListSplitReadingsRequest(parent=project.split.name)
    before = len(project.rpc.ListSplitReadings(readings).readings)
    request = pb.CheckSealedRecordsRequest(parent=PROJECT, records=records)
    assert list(service.CheckSealedRecords(request).sealed) == [False, True, False]
    assert len(project.rpc.ListSplitReadings(readings).readings) == before
    request.MergeFrom(pb.CheckSealedRecordsRequest(reader="r", purpose="a dispute", principal="keys/k"))
    service.CheckSealedRecords(request)
    logged = project.rpc.ListSplitReadings(readings).readings
    assert len(logged) == before + 1
    assert (logged[-1].purpose, logged[-1].principal) == ("a dispute", "keys/k")
    engineer = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion", "p"))
    with pytest.raises(PermissionDenied):
        engineer.CheckSealedRecords(request)


def test_an_export_of_a_version_leaves_sealed_records_out(project):
    for format in (export_pb2.Export.FORMAT_JSONL, export_pb2.Export.FORMAT_PARQUET):
        created = project.rpc.CreateExport(
            pb.CreateExportRequest(
                parent=DATASET, export=export_pb2.Export(dataset_version=project.after, format=format)
            )
        )
        *_, last = project.rpc.WatchExport(pb.WatchExportRequest(name=created.name), timeout=90)
        assert last.record_count == 60 - len(project.sealed), last.failure
        for file in last.files:
            with project.store.open(file.digest) as stream:
                content = stream.read()
            assert not any(canary.encode() in content for canary in project.sealed.values())
