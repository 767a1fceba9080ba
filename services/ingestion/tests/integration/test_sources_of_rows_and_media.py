"""Joined tables and media archives over the API: creation, refusals, preview, versions, their completeness, records."""

import json
from collections.abc import Iterator

import pytest

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.dataset_pb2 import DatasetVersion
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.ingestion.v1.source_pb2 import Source
from ratoon.process.errors import FailedPrecondition, InvalidArgument
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings
from services.ingestion.tests.integration.test_media import CHINA, archive, png
from services.ingestion.tests.integration.test_service import PROJECT

LONG = "a text that is long enough to be kept by the default curation of a dataset version"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("rows")
    settings = Settings(state=folder, processes=1, database_url=databases.url("rows", folder))
    with State(folder) as state, running([settings]):
        yield state


@pytest.fixture(scope="module")
def rpc(state: State) -> IngestionServiceStub:
    return IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))


@pytest.fixture(scope="module")
def store(state: State) -> ArtifactStore:
    return ArtifactStore(f"{state.folder}/artifacts")


def create(rpc: IngestionServiceStub, name: str, **fields: object) -> Source:
    source = Source(**fields)  # type: ignore[arg-type]
    return rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id=name, source=source))


def built(rpc: IngestionServiceStub, source: Source) -> DatasetVersion:
    dataset = source.name.rpartition("/")[2]
    rpc.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id=dataset))
    request = pb.CreateDatasetVersionRequest(
        parent=f"{PROJECT}/datasets/{dataset}", dataset_version=DatasetVersion(sources=[source.name])
    )
    name = rpc.CreateDatasetVersion(request).name
    (*_, last) = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=name))
    assert last.state == DatasetVersion.STATE_READY, last.failure
    return last


def records(rpc: IngestionServiceStub, version: DatasetVersion) -> list[object]:
    return list(rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records)


def jsonl(store: ArtifactStore, rows: list[dict[str, object]]) -> str:
    return store.put_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())


def test_a_joined_source_from_creation_to_its_version(rpc, store):
    topics = create(
        rpc,
        "topics",
        format=Source.FORMAT_JSONL,
        digest=jsonl(store, [{"id": 1, "topic": "a"}, {"id": 2, "topic": "b"}, {"id": 2, "topic": "c"}]),
    )
    texts = [{"ticket": n, "body": f"Ticket {n}: {LONG}", "region": "eu" if n < 2 else ""} for n in (1, 2, 3)]
    rows = Source.Rows(
        join=Source.Join(source=topics.name, key="ticket", other_key="id"), sort_by=["-ticket"]
    )
    settings = {
        "format": Source.FORMAT_JSONL,
        "digest": jsonl(store, texts),
        "columns": Source.Columns(text="body", label="topic", attributes=["region"]),
        "rows": rows,
    }
    shown = rpc.PreviewSource(pb.PreviewSourceRequest(parent=PROJECT, source=Source(**settings)))
    assert [record.label for record in shown.records] == ["", "b", "a"]
    assert (shown.row_counts["joined"], shown.row_counts["duplicate_keys"]) == (2, 1)
    source = create(rpc, "tickets", **settings)
    assert source.rows == Source.Rows(
        join=Source.Join(source=topics.name, key="ticket", other_key="id", kind=Source.JOIN_KIND_LEFT),
        sort_by=["-ticket"],
    )
    version = built(rpc, source)
    assert {record.text[:8]: record.source_label for record in records(rpc, version)} == {
        "Ticket 1": "a", "Ticket 2": "b", "Ticket 3": "",
    }  # fmt: skip
    assert version.completeness["text"] == 1.0 and version.completeness["time"] == 0.0
    assert version.completeness["label"] == pytest.approx(2 / 3, abs=1e-5)
    assert version.completeness["region"] == pytest.approx(1 / 3, abs=1e-5)
    report = next(each for each in version.step_reports if each.name == "rows")
    assert dict(report.counts) == {
        "rows": 3, "joined": 2, "unmatched": 1, "other_rows": 3, "duplicate_keys": 1,
    }  # fmt: skip
    with pytest.raises(FailedPrecondition) as refusal:
        rpc.DeleteSource(pb.DeleteSourceRequest(name=topics.name))
    assert refusal.value.reason == "SOURCE_IN_USE"


def test_settings_of_rows_that_do_not_fit_are_refused(rpc, store):
    plain = {"format": Source.FORMAT_JSONL, "digest": jsonl(store, [{"text": "a"}])}
    other = create(rpc, "other", **plain, rows=Source.Rows(sort_by=["text"]))
    for rows in (
        Source.Rows(),
        Source.Rows(join=Source.Join(key="id")),
        Source.Rows(join=Source.Join(source=other.name, key="id")),
        Source.Rows(join=Source.Join(source="projects/another/sources/x", key="id")),
        Source.Rows(group_by=["-"]),
    ):
        with pytest.raises(InvalidArgument):
            create(rpc, "bad", **plain, rows=rows)
    with pytest.raises(InvalidArgument):
        create(rpc, "bad", **{**plain, "format": Source.FORMAT_TEXT}, rows=Source.Rows(sort_by=["text"]))


def test_a_media_archive_is_detected_and_its_records_show_their_files(rpc, store):
    files = {
        "place/china.jpg": CHINA.read_bytes(),
        "grey/one.png": png(4, 2, 9),
        "grey/two.png": png(4, 2, 10),
    }
    digest = store.put_bytes(archive(files))
    shown = rpc.PreviewSource(
        pb.PreviewSourceRequest(parent=PROJECT, source=Source(digest=digest, display_name="pictures.tar"))
    )
    assert shown.format == Source.FORMAT_MEDIA_ARCHIVE and shown.record_count == 3
    version = built(rpc, create(rpc, "pictures", format=shown.format, digest=digest))
    assert version.record_count == 3
    for record in records(rpc, version):
        assert not record.attachments
        request = pb.GetRecordRequest(parent=version.name, record_id=record.record_id)
        (file,) = rpc.GetRecord(request).attachments
        assert store.read(file.digest) == files[record.source_path]
        assert (file.width, file.height) == ((640, 427) if "china" in record.source_path else (4, 2))
