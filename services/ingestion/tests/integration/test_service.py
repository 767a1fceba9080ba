"""Ingestion as a service: its gRPC API over a real socket, its database and its real worker, on made-up mails."""

import json
import time
from collections.abc import Iterator

import pytest

from ratoon.common.v1.reference_service_pb2 import FindReferrersRequest
from ratoon.common.v1.reference_service_pb2_grpc import ReferenceServiceStub
from ratoon.ingestion.v1 import dataset_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import DEFAULT_STEPS
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

PROJECT, DATASET = "projects/p", "projects/p/datasets/mail"
READY = dataset_pb2.DatasetVersion.STATE_READY
NOUNS = [
    "invoice",
    "meeting",
    "garden",
    "engine",
    "library",
    "harbour",
    "lantern",
    "orchard",
    "compass",
    "violin",
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("ingestion")
    url = databases.url("ingestion", folder)
    settings = Settings(state=folder, processes=1, database_url=url)
    with State(folder) as state, running([settings]):
        yield state


@pytest.fixture(scope="module")
def store(state: State) -> ArtifactStore:
    return ArtifactStore(f"{state.folder}/artifacts")


@pytest.fixture(scope="module")
def rpc(state: State) -> IngestionServiceStub:
    stub = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    stub.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    return stub


def sentence(number: int) -> str:
    a, b, c = NOUNS[number % 10], NOUNS[number // 10 % 10], NOUNS[(number * 7 + 3) % 10]
    return (
        f"Letter {number} says that the {a} near the {b} belongs to the {c} of neighbour {number * 13 + 5}."
    )


def rows(count: int, start: int = 0) -> bytes:
    lines = [
        {
            "text": sentence(n),
            "label": "spam" if n % 4 == 0 else "ham",
            "id": f"m-{n}",
            "time": 1_700_000_000 + n,
        }
        for n in range(start, start + count)
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


def add_source(rpc, store, data: bytes, format: int = source_pb2.Source.FORMAT_JSONL) -> str:
    source = source_pb2.Source(format=format, digest=store.put_bytes(data), license="CC0-1.0")
    return rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source=source)).name


def curate(rpc, *sources: str, **curation: object) -> dataset_pb2.DatasetVersion:
    version = dataset_pb2.DatasetVersion(sources=sources, curation=dataset_pb2.Curation(**curation))
    created = rpc.CreateDatasetVersion(
        pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=version)
    )
    *_, last = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=90)
    return last


def part(rpc, version: str, **fields: object) -> split_pb2.Split:
    split = split_pb2.Split(dataset_version=version, **fields)
    created = rpc.CreateSplit(pb.CreateSplitRequest(parent=DATASET, split=split))
    *_, last = rpc.WatchSplit(pb.WatchSplitRequest(name=created.name), timeout=90)
    return last


@pytest.fixture(scope="module")
def version(rpc, store) -> dataset_pb2.DatasetVersion:
    return curate(rpc, add_source(rpc, store, rows(120) + b"\n{broken\n" + rows(5)))


@pytest.fixture(scope="module")
def split(rpc, version) -> split_pb2.Split:
    return part(rpc, version.name, seed=7)


def test_a_version_is_curated_and_its_books_balance(version):
    assert version.state == READY, version.failure
    assert (version.item_count, version.record_count, version.rejected_count) == (126, 120, 6)
    profile = json.loads(version.profile_json)
    assert {(row["step"], row["reason"], row["count"]) for row in profile["removed"]} == {
        ("read", "BAD_ROW", 1),
        ("exact_duplicate", "EXACT_DUPLICATE", 5),
    }
    assert profile["labels"] == {"ham": 90, "spam": 30}


def test_a_version_with_steps_reports_what_each_of_them_did(rpc, store):
    steps = [
        dataset_pb2.CurationStep(name="normalize", params={"form": "NFC"}),
        dataset_pb2.CurationStep(name="license", params={"allow": "none that there is"}),
    ]
    source = add_source(rpc, store, rows(20))
    failed = curate(rpc, source, steps=steps)
    assert failed.failure.reason == "NO_RECORDS"
    assert "20 LICENSE_NOT_ALLOWED in license" in failed.failure.message
    last = curate(rpc, source, steps=steps[:1])
    version = rpc.GetDatasetVersion(pb.GetDatasetVersionRequest(name=last.name))
    assert version.curation.steps == steps[:1]
    assert [report.name for report in version.step_reports] == ["normalize", *DEFAULT_STEPS]
    assert {report.record_count for report in version.step_reports} == {20}


def test_records_come_page_by_page_in_record_id_order_with_their_text(rpc, version):
    records, token = [], ""
    while True:
        page = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name, page_size=50, page_token=token))
        records += page.records
        if not (token := page.next_page_token):
            break
    ids = [record.record_id for record in records]
    assert ids == sorted(set(ids))
    assert len(ids) == 120
    assert {record.text for record in records} == {sentence(n) for n in range(120)}


def test_a_split_seals_its_test_part_and_logs_each_reading(rpc, store, split):
    assert split.state == split_pb2.Split.STATE_READY, split.failure
    sizes = {summary.part: summary.record_count for summary in split.parts}
    assert sizes == {split_pb2.PART_TRAIN: 96, split_pb2.PART_VALIDATION: 12, split_pb2.PART_TEST: 12}
    with pytest.raises(InvalidArgument, match="reader"):
        rpc.OpenSplit(pb.OpenSplitRequest(name=split.name, part=split_pb2.PART_TEST))
    request = pb.OpenSplitRequest(
        name=split.name, part=split_pb2.PART_TEST, reader="a" * 64, purpose="gate of v1.0"
    )
    digest = rpc.OpenSplit(request).digest
    assert digest not in str(rpc.GetSplit(pb.GetSplitRequest(name=split.name)))
    assert store.exists(digest)
    readings = rpc.ListSplitReadings(pb.ListSplitReadingsRequest(parent=split.name)).readings
    assert [(r.reader, r.purpose, r.principal) for r in readings] == [
        ("a" * 64, "gate of v1.0", "projects/-/apiKeys/test")
    ]


def test_one_record_is_found_by_its_id_and_an_unknown_one_is_not(rpc, version):
    listed = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name, page_size=3)).records
    records = [rpc.GetRecord(pb.GetRecordRequest(parent=version.name, record_id=r.record_id)) for r in listed]
    assert records == list(listed)
    with pytest.raises(NotFound) as refused:
        rpc.GetRecord(pb.GetRecordRequest(parent=version.name, record_id="f" * 64))
    assert refused.value.reason == "RECORD_NOT_FOUND"


def test_lineage_names_every_version_and_part_that_holds_a_record(rpc, version, split):
    record = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name, page_size=1)).records[0]
    lineage = rpc.GetRecordLineage(pb.GetRecordLineageRequest(parent=PROJECT, record_id=record.record_id))
    assert version.name in lineage.dataset_versions
    assert split.name in [placement.split for placement in lineage.placements]
    assert not rpc.GetRecordLineage(
        pb.GetRecordLineageRequest(parent=PROJECT, record_id="f" * 64)
    ).dataset_versions


def test_traffic_is_split_by_time_with_replay_and_without_what_was_tested_before(rpc, store, version, split):
    traffic = curate(rpc, add_source(rpc, store, rows(200, start=60)))
    ratios = split_pb2.Split.Ratios(train=0.5, validation=0, test=0.5)
    replay = split_pb2.Split.Replay(split=split.name, count=20)
    later = part(rpc, traffic.name, mode=split_pb2.Split.MODE_TIME, ratios=ratios, replay=replay)
    assert later.state == split_pb2.Split.STATE_READY, later.failure
    sizes = {summary.part: summary.record_count for summary in later.parts}
    assert sizes[split_pb2.PART_TEST] == 100
    assert later.replayed_count == 20
    assert sizes[split_pb2.PART_TRAIN] + later.withheld_counts["EARLIER_TEST"] == 100 + 20
    assert later.withheld_counts["EARLIER_TEST"] > 0


def test_a_build_that_cannot_succeed_says_why(rpc, store):
    failed = curate(rpc, add_source(rpc, store, b"\n\n"))
    assert failed.state == dataset_pb2.DatasetVersion.STATE_FAILED
    assert failed.failure.reason == "SOURCE_EMPTY"
    with pytest.raises(FailedPrecondition, match="FAILED"):
        rpc.ListRecords(pb.ListRecordsRequest(parent=failed.name))


def test_a_build_can_be_cancelled(rpc, store):
    source = add_source(rpc, store, rows(30_000))
    version = dataset_pb2.DatasetVersion(sources=[source])
    created = rpc.CreateDatasetVersion(
        pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=version)
    )
    while rpc.GetDatasetVersion(pb.GetDatasetVersionRequest(name=created.name)).progress.done == 0:
        time.sleep(0.05)
    rpc.CancelDatasetVersion(pb.CancelDatasetVersionRequest(name=created.name))
    *_, last = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=60)
    assert last.state == dataset_pb2.DatasetVersion.STATE_CANCELLED


def test_what_has_no_result_is_deleted_and_the_rest_is_refused_by_name(rpc, store, version, split):
    failed = curate(rpc, add_source(rpc, store, b"\n\n"))
    assert failed.state == dataset_pb2.DatasetVersion.STATE_FAILED
    for method, request, reason in (
        ("DeleteDataset", pb.DeleteDatasetRequest(name=DATASET), f"{DATASET} has "),
        ("DeleteDatasetVersion", pb.DeleteDatasetVersionRequest(name=version.name), "is READY"),
        ("DeleteSplit", pb.DeleteSplitRequest(name=split.name), "is READY"),
    ):
        with pytest.raises(FailedPrecondition, match=reason) as refused:
            getattr(rpc, method)(request)
        assert refused.value.reason == "IN_USE"
    rpc.DeleteDatasetVersion(pb.DeleteDatasetVersionRequest(name=failed.name))
    with pytest.raises(NotFound):
        rpc.DeleteDatasetVersion(pb.DeleteDatasetVersionRequest(name=failed.name))
    rpc.DeleteDatasetVersion(pb.DeleteDatasetVersionRequest(name=failed.name, allow_missing=True))
    empty = rpc.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="empty")).name
    rpc.DeleteDataset(pb.DeleteDatasetRequest(name=empty))
    rpc.DeleteDataset(pb.DeleteDatasetRequest(name=empty, allow_missing=True))


def test_a_split_without_parts_uses_its_labels_until_it_is_deleted(rpc, version, state):
    def users_of_labels() -> list[str]:
        request = FindReferrersRequest(parent=PROJECT, values=["f" * 64])
        return list(references.FindReferrers(request).referrers)

    references = ReferenceServiceStub(state.as_service("labeling", "ingestion"))
    failed = part(rpc, version.name, label_set_digest="f" * 64)
    assert failed.state == split_pb2.Split.STATE_FAILED
    assert users_of_labels() == [failed.name]
    rpc.DeleteSplit(pb.DeleteSplitRequest(name=failed.name))
    with pytest.raises(NotFound):
        rpc.GetSplit(pb.GetSplitRequest(name=failed.name))
    assert not users_of_labels()


def test_errors_say_what_is_wrong(rpc):
    missing = source_pb2.Source(format=source_pb2.Source.FORMAT_CSV, digest="0" * 64)
    with pytest.raises(FailedPrecondition) as not_uploaded:
        rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source=missing))
    assert not_uploaded.value.reason == "BLOB_NOT_FOUND"
    with pytest.raises(InvalidArgument, match="sum to 1"):
        part(rpc, f"{DATASET}/versions/v1", ratios=split_pb2.Split.Ratios(train=0.5))
    with pytest.raises(NotFound):
        curate(rpc, f"{PROJECT}/sources/none")
    with pytest.raises(InvalidArgument, match="near_duplicate_threshold"):
        curate(rpc, f"{PROJECT}/sources/none", near_duplicate_threshold=0.1)


def test_the_same_request_id_makes_one_version(rpc, version):
    repeated = dataset_pb2.DatasetVersion(sources=version.sources)
    request = pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=repeated, request_id="once")
    assert rpc.CreateDatasetVersion(request).name == rpc.CreateDatasetVersion(request).name


def test_a_version_of_new_records_alone_has_none_of_an_earlier_version(rpc, store):
    first = curate(rpc, add_source(rpc, store, rows(20, start=4_000)))
    source = add_source(rpc, store, rows(30, start=4_000))
    new = curate(rpc, source, earlier_versions="EARLIER_VERSIONS_EXCLUDE")
    assert (first.record_count, new.record_count, new.rejected_count) == (20, 10, 20)
    assert new.curation.earlier_versions == dataset_pb2.Curation.EARLIER_VERSIONS_EXCLUDE
    old = {record.record_id for record in rpc.ListRecords(pb.ListRecordsRequest(parent=first.name)).records}
    rejections = rpc.ListRejections(pb.ListRejectionsRequest(parent=new.name)).rejections
    assert {each.detail for each in rejections} == {f"stays: {record_id}" for record_id in old}
    assert curate(rpc, source).record_count == 30
