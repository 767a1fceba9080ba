"""Connections over the API: directories are read again and again, each object once, with crashes in between."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import source_pb2
from ratoon.ingestion.v1.connection_pb2 import Connection
from ratoon.ingestion.v1.dataset_pb2 import DatasetVersion
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings
from services.ingestion.tests.integration.test_service import PROJECT

JSONL = source_pb2.Source.FORMAT_JSONL
IDLE = Connection.STATE_IDLE


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases, lake: Path) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("connections")
    endpoints = {f"file://{lake}": ""}
    settings = Settings(
        state=folder,
        processes=1,
        database_url=databases.url("connections", folder),
        connection_endpoints=endpoints,
    )
    with State(folder) as state, running([settings]):
        yield state


@pytest.fixture(scope="module")
def store(state: State) -> ArtifactStore:
    return ArtifactStore(f"{state.folder}/artifacts")


@pytest.fixture(scope="module")
def rpc(state: State) -> IngestionServiceStub:
    return IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))


def create(rpc: IngestionServiceStub, name: str, url: str, **fields: object) -> Connection:
    settings = {"kind": Connection.KIND_FSSPEC, "format": JSONL, **fields}
    connection = Connection(url=url, **settings)  # type: ignore[arg-type]
    request = pb.CreateConnectionRequest(parent=PROJECT, connection_id=name, connection=connection)
    return rpc.CreateConnection(request)


def wait(
    rpc: IngestionServiceStub, name: str, until: Callable[[Connection], bool], seconds: float = 40
) -> Connection:
    end = time.monotonic() + seconds
    while not until(connection := rpc.GetConnection(pb.GetConnectionRequest(name=name))):
        assert time.monotonic() < end, connection
        time.sleep(0.1)
    return connection


def read(rpc: IngestionServiceStub, connection: Connection) -> Connection:
    before = rpc.GetConnection(pb.GetConnectionRequest(name=connection.name)).last_reading.number
    rpc.ReadConnection(pb.ReadConnectionRequest(name=connection.name))
    return wait(
        rpc,
        connection.name,
        lambda each: each.state == IDLE and not each.last_reading.more
        and (each.last_reading.number > before or bool(each.failure.reason)),
    )  # fmt: skip


def texts(rpc: IngestionServiceStub, store: ArtifactStore, connection: str) -> list[str]:
    """Return the texts of all sources of a connection."""
    sources = rpc.ListSources(pb.ListSourcesRequest(parent=PROJECT, page_size=1000)).sources
    lines = [
        line
        for source in sources
        if source.connection == connection
        for line in store.read(source.digest).decode().splitlines()
    ]
    return sorted(json.loads(line)["text"] for line in lines)


def write(folder: Path, name: str, *records: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text, "label": "a"}) + "\n" for text in records))
    return path


def test_each_object_is_read_once_and_a_changed_one_again(rpc, store, lake):
    folder = lake / "once"
    write(folder, "1.jsonl", "one", "two")
    write(folder, "deep/down/2.jsonl", "three")
    write(folder, "readme.md", "no data")
    created = create(
        rpc, "once", f"file://{folder}", pattern="*.jsonl", license="CC0-1.0", consent="form 3", domain="mail"
    )
    assert created.state == IDLE and not created.HasField("next_read_time")
    first = read(rpc, created)
    assert (first.last_reading.listed_count, first.last_reading.taken_count) == (2, 2)
    assert first.last_reading.record_count == first.record_count == 3
    assert texts(rpc, store, created.name) == ["one", "three", "two"]
    source = rpc.GetSource(pb.GetSourceRequest(name=first.last_reading.sources[0]))
    assert (source.license, source.consent, source.domain) == ("CC0-1.0", "form 3", "mail")
    second = read(rpc, created)
    assert not second.last_reading.sources and second.last_reading.listed_count == 2
    write(folder, "3.jsonl", "four")
    write(folder, "1.jsonl", "one, changed")
    third = read(rpc, created)
    assert third.last_reading.record_count == 2 and third.record_count == 5
    assert texts(rpc, store, created.name) == ["four", "one", "one, changed", "three", "two"]


def test_a_schedule_reads_by_itself(rpc, store, lake):
    folder = lake / "scheduled"
    write(folder, "1.jsonl", "one")
    schedule = Connection.Schedule(interval_seconds=10)
    created = create(rpc, "scheduled", f"file://{folder}", schedule=schedule)
    first = wait(rpc, created.name, lambda each: each.last_reading.number == 1)
    assert first.next_read_time.ToSeconds() - first.last_reading.end_time.ToSeconds() == 10
    write(folder, "2.jsonl", "two")
    wait(rpc, created.name, lambda each: each.record_count == 2)
    assert texts(rpc, store, created.name) == ["one", "two"]
    paused = Connection(name=created.name, paused=True)
    mask = FieldMask(paths=["paused"])
    after = rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=paused, update_mask=mask))
    assert after.paused and not after.HasField("next_read_time")


def test_texts_and_links(rpc, store, lake, tmp_path):
    folder = lake / "tree"
    for label in ("ham", "spam"):
        (folder / label).mkdir(parents=True)
        (folder / label / "1.txt").write_text(f"A text that is {label}.")
    (tmp_path / "secret.txt").write_text("Not yours.")
    (folder / "ham" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "empty.txt").touch()
    created = create(rpc, "tree", f"file://{folder}", format=source_pb2.Source.FORMAT_TEXT_ARCHIVE)
    reading = read(rpc, created).last_reading
    assert dict(reading.skipped_counts) == {"NOT_A_FILE": 3, "EMPTY": 1}
    (source,) = reading.sources
    tree = store.tree(rpc.GetSource(pb.GetSourceRequest(name=source)).digest)
    assert [file.path for file in tree] == ["ham/1.txt", "spam/1.txt"]
    assert reading.record_count == 2


def test_bounds_of_a_reading_lose_nothing(rpc, store, lake):
    folder = lake / "many"
    for number in range(7):
        write(folder, f"{number}.jsonl", f"text {number}")
    write(folder, "large.jsonl", "x" * 5000)
    created = create(rpc, "many", f"file://{folder}", max_items=3, max_bytes=1000)
    done = read(rpc, created)
    assert done.last_reading.number == 3 and done.record_count == 7
    assert texts(rpc, store, created.name) == [f"text {number}" for number in range(7)]
    sources = rpc.ListSources(pb.ListSourcesRequest(parent=PROJECT, page_size=1000)).sources
    assert len([each for each in sources if each.connection == created.name]) == 7


def test_what_cannot_be_read_is_set_aside_and_the_rest_goes_on(rpc, store, lake):
    folder = lake / "broken"
    write(folder, "1.jsonl", "one")
    (folder / "2.jsonl").write_bytes(b"\x00\x01\x02\x03" * 100)
    write(folder, "3.jsonl", "three")
    created = create(rpc, "broken", f"file://{folder}")
    reading = read(rpc, created).last_reading
    assert texts(rpc, store, created.name) == ["one", "three"]
    assert (reading.taken_count, dict(reading.skipped_counts)) == (2, {"NO_RECORDS": 1})
    assert any("2.jsonl" in note for note in reading.notes)


def test_errors_are_shown_and_the_next_reading_mends_them(rpc, store, lake):
    folder = lake / "later"
    created = create(rpc, "later", f"file://{folder}")
    failed = read(rpc, created)
    assert failed.failure.reason == "NOT_FOUND" and str(folder) in failed.failure.message
    write(folder, "1.jsonl", "one")
    rpc.ReadConnection(pb.ReadConnectionRequest(name=created.name))
    mended = wait(rpc, created.name, lambda each: each.record_count == 1)
    assert not mended.failure.reason


def test_a_link_out_of_the_operators_directory_is_refused(rpc, lake, tmp_path):
    write(tmp_path, "1.jsonl", "Not yours.")
    (lake / "out").symlink_to(tmp_path)
    created = create(rpc, "out", f"file://{lake}/out")
    assert read(rpc, created).failure.reason == "CONNECTION_NOT_ALLOWED"


def test_refusals(rpc, lake):
    with pytest.raises(FailedPrecondition) as refusal:
        create(rpc, "etc", "file:///etc")
    assert refusal.value.reason == "CONNECTION_NOT_ALLOWED"
    for url in (f"file://{lake}/../x", "nothing", f"file://{lake}x/../y"):
        with pytest.raises(InvalidArgument):
            create(rpc, "bad", url)
    with pytest.raises(InvalidArgument):
        create(rpc, "bad", f"file://{lake}", schedule=Connection.Schedule(cron="every day"))
    with pytest.raises(NotFound):
        rpc.ReadConnection(pb.ReadConnectionRequest(name=f"{PROJECT}/connections/none"))


def test_a_deleted_connection_leaves_its_sources_and_starts_again(rpc, store, lake):
    folder = lake / "again"
    write(folder, "1.jsonl", "one")
    created = create(rpc, "again", f"file://{folder}")
    read(rpc, created)
    with pytest.raises(Aborted):
        rpc.DeleteConnection(pb.DeleteConnectionRequest(name=created.name, etag="stale"))
    rpc.DeleteConnection(pb.DeleteConnectionRequest(name=created.name, etag=created.etag))
    assert texts(rpc, store, created.name) == ["one"]
    read(rpc, create(rpc, "again", f"file://{folder}"))
    assert texts(rpc, store, created.name) == ["one", "one"]


def built(rpc: IngestionServiceStub, dataset: str, sources: list[str]) -> DatasetVersion:
    if not any(
        each.name.endswith(dataset)
        for each in rpc.ListDatasets(pb.ListDatasetsRequest(parent=PROJECT)).datasets
    ):
        rpc.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id=dataset))
    version = DatasetVersion(sources=sources)
    request = pb.CreateDatasetVersionRequest(parent=f"{PROJECT}/datasets/{dataset}", dataset_version=version)
    name = rpc.CreateDatasetVersion(request).name
    (*_, last) = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=name))
    return last


@pytest.mark.parametrize("format", [JSONL, source_pb2.Source.FORMAT_TEXT_ARCHIVE])
def test_d08_an_object_that_vanishes_withdraws_its_records(rpc, lake, format):
    name = f"mirror{format}"
    folder = lake / name
    folder.mkdir()

    def put(file: str, text: str) -> None:
        whole = f"{text}: a text that is long enough to be kept by the curation of a version."
        if format == JSONL:
            write(folder, file, whole)
        else:
            (folder / file).write_text(whole)

    for number in range(3):
        put(f"{number}.txt", f"Number {number}")
    created = create(
        rpc, name, f"file://{folder}", format=format, pattern="*.txt", vanished=Connection.VANISHED_WITHDRAW
    )
    first = read(rpc, created).last_reading
    (folder / "0.txt").unlink()
    put("1.txt", "Number one, corrected")
    second = read(rpc, created)
    assert (second.last_reading.vanished_count, second.last_reading.withdrawn_count) == (1, 2)
    assert second.withdrawn_count == 2
    version = built(rpc, name, [*first.sources, *second.last_reading.sources])
    records = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records
    assert sorted(each.text.partition(":")[0] for each in records) == ["Number 2", "Number one, corrected"]
    rejections = rpc.ListRejections(pb.ListRejectionsRequest(parent=version.name)).rejections
    assert [each.reason for each in rejections] == ["WITHDRAWN", "WITHDRAWN"]
    counts = [rpc.GetSource(pb.GetSourceRequest(name=source)).withdrawn_count for source in first.sources]
    assert sum(counts) == 2


def test_what_a_reading_reads_can_be_changed(rpc, store, lake):
    folder = lake / "changed"
    folder.mkdir()
    (folder / "1.csv").write_bytes("body,kind\nder erste größere Text,a\n".encode("latin-1"))
    created = create(rpc, "changed", f"file://{folder}")
    assert "NO_RECORDS" in read(rpc, created).last_reading.skipped_counts
    after = Connection(
        name=created.name,
        format=source_pb2.Source.FORMAT_CSV,
        columns=source_pb2.Source.Columns(text="body", label="kind"),
        encoding="windows-1252",
    )
    mask = FieldMask(paths=["format", "columns", "encoding"])
    after = rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=after, update_mask=mask))
    assert (after.format, after.columns.text, after.encoding) == (
        source_pb2.Source.FORMAT_CSV, "body", "windows-1252",
    )  # fmt: skip
    (folder / "2.csv").write_bytes("body,kind\nder zweite größere Text,a\n".encode("latin-1"))
    reading = read(rpc, created).last_reading
    assert reading.record_count == 1  # the position stays: what was set aside waits until it changes
    with pytest.raises(FailedPrecondition) as refusal:
        rpc.ReplayDeadLetters(pb.ReplayDeadLettersRequest(name=created.name))
    assert refusal.value.reason == "NO_DEAD_LETTERS"
