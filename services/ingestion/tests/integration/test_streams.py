"""Streams as callers see them: appended records are durable, stored once, become sources, and are erased."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ratoon.ingestion.v1 import dataset_pb2, erasure_pb2, source_pb2, stream_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_events_pb2 import StreamEvent
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, RatoonError
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings
from services.ingestion.tests.integration import crashing_append
from services.ingestion.tests.integration.published import published
from services.ingestion.tests.integration.test_service import PROJECT, curate, sentence

SMALL = "projects/small"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("ingestion")
    url = databases.url("ingestion", folder)
    settings = Settings(state=folder, processes=1, database_url=url, append_daily_bytes=200_000)
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


def create(rpc, stream_id: str, parent: str = PROJECT, **fields: object) -> str:
    stream = stream_pb2.Stream(license="CC0-1.0", **fields)
    request = pb.CreateStreamRequest(parent=parent, stream_id=stream_id, stream=stream)
    return rpc.CreateStream(request).name


def append(rpc, name: str, *records: dict) -> tuple[int, int]:
    answer = rpc.AppendRecords(pb.AppendRecordsRequest(name=name, records=records))
    return answer.appended_count, answer.duplicate_count


def plain(number: int) -> dict:
    return {"id": f"r-{number}", "text": sentence(number), "label": "ham" if number % 2 else "spam"}


def seal(rpc, name: str) -> stream_pb2.Stream:
    return rpc.SealStream(pb.SealStreamRequest(name=name))


def lines(rpc, store: ArtifactStore, source: str) -> list[dict]:
    digest = rpc.GetSource(pb.GetSourceRequest(name=source)).digest
    return [json.loads(line) for line in store.read(digest).splitlines()]


def test_appended_records_become_records_of_a_version(rpc):
    name = create(rpc, "letters")
    assert append(rpc, name, plain(0)) == (1, 0)
    assert append(rpc, name, *(plain(n) for n in range(1, 20))) == (19, 0)
    chat = {"messages": [{"role": "user", "content": sentence(40)}, {"role": "assistant", "content": "Yes."}]}
    assert append(rpc, name, {"id": "chat", "record_json": json.dumps(chat)}) == (1, 0)
    sealed = seal(rpc, name)
    assert (sealed.open_record_count, sealed.sealed_record_count, sealed.source_count) == (0, 21, 1)
    assert sealed.latest_source == f"{PROJECT}/sources/letters-000001"
    version = curate(rpc, sealed.latest_source)
    assert version.state == dataset_pb2.DatasetVersion.STATE_READY, version.failure
    assert (version.item_count, version.record_count) == (21, 21)
    records = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records
    by_path = {record.source_path: record for record in records}
    assert (by_path["r-3"].text, by_path["r-3"].source_label) == (sentence(3), "ham")
    assert by_path["r-3"].license == "CC0-1.0"
    assert by_path["r-3"].HasField("received_time")
    assert by_path["chat"].example.answers == ["Yes."]


def test_a_repeated_record_is_stored_once_even_after_its_segment_was_sealed(rpc, store):
    name = create(rpc, "repeated")
    assert append(rpc, name, plain(1), plain(2), plain(1)) == (2, 1)
    assert append(rpc, name, plain(1), plain(3)) == (1, 1)
    seal(rpc, name)
    assert append(rpc, name, plain(1), plain(2), plain(3)) == (0, 3)
    assert seal(rpc, name).source_count == 1
    rows = lines(rpc, store, f"{PROJECT}/sources/repeated-000001")
    assert [row["id"] for row in rows] == ["r-1", "r-2", "r-3"]


def test_an_id_of_another_record_is_refused_and_nothing_is_stored(rpc):
    name = create(rpc, "reused")
    append(rpc, name, plain(1))
    with pytest.raises(AlreadyExists, match="'r-1'") as refused:
        append(rpc, name, plain(5), {**plain(1), "text": "Another text."})
    assert refused.value.reason == "RECORD_ID_REUSED"
    assert rpc.GetStream(pb.GetStreamRequest(name=name)).open_record_count == 1


@pytest.mark.parametrize(
    "record",
    [
        {"id": "", "text": "no id"},
        {"id": "x" * 257, "text": "long id"},
        {"id": "line\nbreak", "text": "id of two lines"},
        {"id": "a"},
        {"id": "a", "text": "both", "record_json": "{}"},
        {"id": "a", "record_json": "{}"},
        {"id": "a", "record_json": "[1]"},
        {"id": "a", "record_json": '{"text": "broken'},
        {"id": "a", "record_json": '{"text": "a", "text": "b"}'},
        {"id": "a", "record_json": '{"text": NaN}'},
        {"id": "a", "record_json": '{"text": "half \\ud83d"}'},
        {"id": "a", "record_json": '{"n": 1e999}'},
        {"id": "a", "record_json": "[" * 100_000},
        {"id": "a", "label": "in the object", "record_json": '{"text": "a"}'},
        {"id": "a", "text": "\U0001f33e" * 262_144},
    ],
)
def test_a_record_that_is_not_valid_is_named_and_none_is_stored(rpc, record):
    name = f"{PROJECT}/streams/invalid"
    with suppress(AlreadyExists):
        create(rpc, "invalid")
    with pytest.raises(InvalidArgument, match="Record 2 of 2") as refused:
        append(rpc, name, plain(7), record)
    assert (refused.value.reason, refused.value.field) == ("BAD_RECORD", "records[1]")
    assert rpc.GetStream(pb.GetStreamRequest(name=name)).open_record_count == 0


def test_numbers_of_json_keep_their_digits(rpc, store):
    name = create(rpc, "digits", columns=source_pb2.Source.Columns(attributes=["n"]))
    append(rpc, name, {"id": "n", "record_json": '{"text": "a number", "n": 123456789012345678901}'})
    (row,) = lines(rpc, store, seal(rpc, name).latest_source)
    assert row["n"] == 123456789012345678901


@pytest.mark.parametrize("bounds", [{"segment_records": -1}, {"segment_seconds": 86_401}])
def test_bounds_of_a_segment_are_checked(rpc, bounds):
    with pytest.raises(InvalidArgument) as refused:
        create(rpc, "bounds", **bounds)
    assert refused.value.reason == "BAD_STREAM"


def test_a_full_segment_becomes_a_source_by_itself(rpc):
    name = create(rpc, "full", segment_records=5)
    append(rpc, name, *(plain(n) for n in range(7)))
    assert awaited(rpc, name, 1).sealed_record_count == 7
    append(rpc, name, plain(8))
    assert rpc.GetStream(pb.GetStreamRequest(name=name)).open_record_count == 1


def test_an_old_segment_becomes_a_source_by_itself(rpc):
    name = create(rpc, "old", segment_seconds=1)
    append(rpc, name, plain(1))
    assert awaited(rpc, name, 1).sealed_record_count == 1


def awaited(rpc, name: str, sources: int) -> stream_pb2.Stream:
    deadline = time.monotonic() + 20
    while (stream := rpc.GetStream(pb.GetStreamRequest(name=name))).source_count < sources:
        assert time.monotonic() < deadline, stream
        time.sleep(0.1)
    return stream


def test_a_stream_is_changed_by_its_etag_and_its_open_segment_follows(rpc):
    name = create(rpc, "changed", segment_records=1000, display_name="Before")
    append(rpc, name, plain(1), plain(2))
    before = rpc.GetStream(pb.GetStreamRequest(name=name))
    stream = stream_pb2.Stream(name=name, etag=before.etag, license="CC-BY-4.0", segment_records=2)
    after = rpc.UpdateStream(pb.UpdateStreamRequest(stream=stream))
    assert (after.license, after.segment_records, after.display_name) == ("CC-BY-4.0", 2, "Before")
    assert after.etag != before.etag
    with pytest.raises(RatoonError) as stale:
        rpc.UpdateStream(pb.UpdateStreamRequest(stream=stream))
    assert stale.value.reason == "STALE_ETAG"
    append(rpc, name, plain(3))
    assert awaited(rpc, name, 1).sealed_record_count >= 2
    source = rpc.GetStream(pb.GetStreamRequest(name=name)).latest_source
    assert rpc.GetSource(pb.GetSourceRequest(name=source)).license == "CC-BY-4.0"


@pytest.mark.parametrize(
    "fields", [{"segment_records": 100_001}, {"segment_seconds": 90_000}, {"columns": {"text": "t"}}]
)
def test_a_change_of_a_stream_that_is_not_valid_is_refused(rpc, fields):
    name = create(rpc, f"fixed-{next(iter(fields))}".replace("_", "-"))
    with pytest.raises(InvalidArgument):
        rpc.UpdateStream(pb.UpdateStreamRequest(stream=stream_pb2.Stream(name=name, **fields)))


def test_a_sealed_segment_is_published_once_with_its_source(rpc, state):
    name = create(rpc, "published")
    append(rpc, name, plain(1), plain(2), plain(3))
    source = seal(rpc, name).latest_source
    seal(rpc, name)
    events = [StreamEvent.FromString(each.data) for each in published(state.folder, StreamEvent, name, 1)]
    assert [(each.sealed.source, each.sealed.record_count) for each in events] == [(source, 3)]


def test_a_project_appends_as_many_bytes_as_it_may(rpc):
    name = create(rpc, "quota", SMALL)
    big = {"text": "y" * 60_000}
    for number in range(3):
        append(rpc, name, {"id": str(number), **big})
    with pytest.raises(RatoonError, match="200,000 bytes") as refused:
        append(rpc, name, {"id": "3", **big})
    assert (refused.value.code, refused.value.reason) == ("RESOURCE_EXHAUSTED", "APPEND_QUOTA_EXCEEDED")
    assert append(rpc, name, {"id": "0", **big}) == (0, 1)
    assert rpc.GetStream(pb.GetStreamRequest(name=name)).open_record_count == 3


def test_a_stream_with_open_records_is_not_deleted(rpc):
    name = create(rpc, "deleted")
    append(rpc, name, plain(1))
    with pytest.raises(FailedPrecondition) as refused:
        rpc.DeleteStream(pb.DeleteStreamRequest(name=name))
    assert refused.value.reason == "STREAM_NOT_SEALED"
    source = seal(rpc, name).latest_source
    rpc.DeleteStream(pb.DeleteStreamRequest(name=name))
    rpc.DeleteStream(pb.DeleteStreamRequest(name=name, allow_missing=True))
    with pytest.raises(NotFound):
        rpc.GetStream(pb.GetStreamRequest(name=name))
    assert rpc.GetSource(pb.GetSourceRequest(name=source)).license == "CC0-1.0"


def test_streams_are_listed_with_their_open_records(rpc):
    name = create(rpc, "listed", "projects/listed")
    append(rpc, name, plain(1), plain(2))
    (stream,) = rpc.ListStreams(pb.ListStreamsRequest(parent="projects/listed")).streams
    assert (stream.name, stream.open_record_count) == (name, 2)


def test_an_erasure_reaches_records_that_no_source_held(rpc, store, state):
    name = create(rpc, "erased")
    append(rpc, name, *(plain(n) for n in range(200, 210)))
    first = seal(rpc, name).latest_source
    version = curate(rpc, first)
    doomed = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records[0]
    # the same text under another ID is the same record
    append(rpc, name, {"id": "again", "text": doomed.text}, plain(211))
    erasure = erasure_pb2.Erasure(record_ids=[doomed.record_id], reason="A test.")
    operator = IngestionServiceStub(state.as_role(Role.OPERATOR, "ingestion"))
    created = operator.CreateErasure(pb.CreateErasureRequest(parent=PROJECT, erasure=erasure))
    *_, ended = rpc.WatchErasure(pb.WatchErasureRequest(name=created.name), timeout=60)
    assert ended.state == erasure_pb2.Erasure.STATE_SUCCEEDED, ended.failure
    stream = rpc.GetStream(pb.GetStreamRequest(name=name))
    assert (stream.open_record_count, stream.source_count) == (0, 2)
    assert sorted(ended.sources) == [first, stream.latest_source]
    assert [row["id"] for row in lines(rpc, store, stream.latest_source)] == ["r-211"]
    assert append(rpc, name, {"id": "again", "text": doomed.text}) == (0, 1)


@pytest.mark.parametrize("crash_point", crashing_append.CRASH_POINTS)
def test_a_kill_at_any_moment_neither_loses_nor_doubles_a_record(tmp_path: Path, crash_point: str):
    """The caller repeats what was not acknowledged, with the same IDs."""
    command = [sys.executable, "-m", crashing_append.__name__, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    crashed = subprocess.run([*command, crash_point], env=environment, capture_output=True, check=False)
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr.decode()
    again = subprocess.run([*command, "never"], env=environment, capture_output=True, check=True)
    result = json.loads(again.stdout.splitlines()[-1])
    assert result["rows"] == [f"r-{n}" for n in range(10)]
    assert result["sealed_record_count"] == 10
    assert result["open_record_count"] == 0
