"""Objects of a real S3 server: whole listings, changes while they are read, and credentials that are never shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.object_store import BUCKET, ObjectStore, object_store
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.connections import files
from ratoon_ingestion.worker.connections.common import ReadingFailed
from ratoon_ingestion.worker.connections.reading import read_connection
from ratoon_ingestion.worker.readers import Item, Rejection, SourceSpec, read_source

__all__ = ["object_store"]
JSONL = pb.SourceSpec(name="projects/p/connections/c", format="JSONL")


@pytest.fixture
def credentials(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    values = {
        "key": object_store.environment["AWS_ACCESS_KEY_ID"],
        "secret": object_store.environment["AWS_SECRET_ACCESS_KEY"],
        "client_kwargs": {
            "endpoint_url": object_store.environment["AWS_ENDPOINT_URL"],
            "region_name": "us-east-1",
        },
    }
    monkeypatch.setenv("LAKE", json.dumps(values))
    yield values


@pytest.fixture
def bucket(credentials: dict[str, object], request: pytest.FixtureRequest) -> "Bucket":
    fs = fsspec.filesystem("s3", **credentials, skip_instance_cache=True, use_listings_cache=False)
    return Bucket(fs, f"{BUCKET}/{request.node.name[:40].strip('_[]')}")


class Bucket:
    """A prefix of the bucket."""

    def __init__(self, fs: fsspec.AbstractFileSystem, prefix: str) -> None:
        self.fs, self.prefix = fs, prefix

    def put(self, name: str, *texts: str) -> None:
        data = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        self.fs.pipe_file(f"{self.prefix}/{name}", data.encode())


def read(folder: Path, bucket: Bucket, cursor: str = "", **settings: object) -> pb.ReadingResult:
    spec = pb.ReadingSpec(
        kind="FSSPEC",
        url=f"s3://{bucket.prefix}",
        endpoint=f"s3://{BUCKET}",
        credentials="LAKE",
        cursor=cursor,
        **{"source": JSONL, "max_items": 10_000, "max_bytes": 1 << 20, **settings},  # type: ignore[arg-type]
    )
    return read_connection(spec, ArtifactStore(f"{folder}/artifacts"), folder, lambda *_, **__: None)


def test_d05_all_pages_of_a_listing_are_read(bucket, tmp_path):
    bucket.fs.pipe({f"{bucket.prefix}/a/b/c/d/{number}": b"A text.\n" for number in range(1001)})
    source = pb.SourceSpec(name="projects/p/connections/c", format="TEXT_ARCHIVE")
    first = read(tmp_path, bucket, source=source)
    assert (first.listed, first.taken, first.blobs[0].records) == (1001, 1001, 1001)
    again = read(tmp_path, bucket, first.cursor, source=source)
    assert (again.listed, again.taken, again.cursor) == (1001, 0, first.cursor)


def test_new_and_changed_objects_are_read_and_deleted_ones_are_said(bucket, tmp_path):
    for number in range(3):
        bucket.put(f"{number}.jsonl", f"text {number}")
    first = read(tmp_path, bucket)
    assert [blob.title for blob in first.blobs] == ["0.jsonl", "1.jsonl", "2.jsonl"]
    bucket.put("1.jsonl", "changed")
    bucket.put("3.jsonl", "new", "newer")
    bucket.fs.rm_file(f"{bucket.prefix}/2.jsonl")
    second = read(tmp_path, bucket, first.cursor)
    assert [(blob.title, blob.records) for blob in second.blobs] == [("1.jsonl", 1), ("3.jsonl", 2)]
    assert "1 objects that were read before are gone" in second.notes[0]


@pytest.mark.parametrize("format", ["JSONL", "TEXT_ARCHIVE"])
def test_objects_that_vanish_or_change_are_withdrawn(bucket, tmp_path, format):
    store, source = ArtifactStore(f"{tmp_path}/artifacts"), pb.SourceSpec(name="projects/p/c", format=format)
    settings = {"vanished": "withdraw", "source": source}

    def put(number: int, text: str) -> None:
        data = json.dumps({"text": text}) if format == "JSONL" else text
        bucket.fs.pipe_file(f"{bucket.prefix}/deep/{number}.txt", data.encode())

    for number in range(3):
        put(number, f"text {number}")
    first = read(tmp_path, bucket, reading="first", **settings)
    put(1, "changed")
    bucket.fs.rm_file(f"{bucket.prefix}/deep/2.txt")
    second = read(tmp_path, bucket, first.cursor, reading="second", **settings)
    assert (second.vanished, sum(each.added for each in second.withdrawn)) == (1, 2)
    assert "1 of them are withdrawn" in second.notes[0]
    lists = {each.blob: each.digest for each in second.withdrawn}
    entries = [
        entry
        for number, blob in enumerate(first.blobs)
        for entry in read_source(
            SourceSpec("s", blob.digest, Format(format), withdrawn=lists.get(f"first-{number}", "")), store
        )
    ]
    assert [each.payload for each in entries if isinstance(each, Item)] == [b"text 0"]
    assert [each.reason for each in entries if isinstance(each, Rejection)] == [Rejected.WITHDRAWN] * 2
    for number in range(2):
        bucket.fs.rm_file(f"{bucket.prefix}/deep/{number}.txt")
    third = read(tmp_path, bucket, second.cursor, reading="third", **settings)
    assert not third.withdrawn
    assert any("The place is empty" in note for note in third.notes)


def test_an_object_that_changes_while_it_is_read_is_read_again_later(bucket, tmp_path, monkeypatch):
    bucket.put("1.jsonl", "old")
    bucket.put("2.jsonl", "other")
    copy = files._Taker._copy

    def copy_and_change(self, each):
        copy(self, each)
        if each.path == "1.jsonl":
            bucket.put("1.jsonl", "new")

    monkeypatch.setattr(files._Taker, "_copy", copy_and_change)
    first = read(tmp_path, bucket)
    assert [blob.title for blob in first.blobs] == ["2.jsonl"]
    assert dict(first.skipped) == {"CHANGED_WHILE_READ": 1}
    monkeypatch.undo()
    monkeypatch.setenv("LAKE", json.dumps(bucket.fs.storage_options | {"use_listings_cache": False}))
    second = read(tmp_path, bucket, first.cursor)
    store = ArtifactStore(f"{tmp_path}/artifacts")
    assert [json.loads(store.read(blob.digest))["text"] for blob in second.blobs] == ["new"]


def test_errors_do_not_show_credentials(bucket, credentials, tmp_path):
    missing = Bucket(bucket.fs, "no-such-bucket-at-all")
    with pytest.raises(ReadingFailed) as failed:
        read(tmp_path, missing)
    assert str(credentials["secret"]) not in str(failed.value)
    assert str(credentials["key"]) not in str(failed.value)
