"""Erasure for real: sources of every format written again, and the service from the request to the last blob."""

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.ingestion.v1 import dataset_pb2, erasure_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, ErasureSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.settings import Settings
from ratoon_ingestion.worker.batches import RECORDS, REJECTED
from ratoon_ingestion.worker.curate import curate as curate_tree
from ratoon_ingestion.worker.decoding import record_id_of
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.readers import SourceSpec, read_source
from ratoon_ingestion.worker.spec import read_spec
from services.ingestion.tests.integration.test_service import (
    PROJECT,
    add_source,
    curate,
    part,
    rows,
    sentence,
)

KEY = "00" * 32
Versions = Sequence[tuple[str, str]]
TEXTS = [
    "The first of three letters.",
    "From here on it is the second,\nwith two lines.",
    "A third, short one.",
]
COLUMNS = Columns(text="body", attributes=("folder",))


def mail(text: str) -> bytes:
    return f"Subject: a letter\nDate: Mon, 1 Jun 2026 10:00:00 +0000\n\n{text}\n".encode()


def tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:bz2") as archive:
        for number, text in enumerate(TEXTS):
            member = tarfile.TarInfo(f"spam/{number}")
            member.size = len(mail(text))
            archive.addfile(member, io.BytesIO(mail(text)))
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, text in enumerate(TEXTS):
            archive.writestr(f"ham/{number}.txt", text)
    return sink.getvalue()


def mbox() -> bytes:
    mails = (mail(text).replace(b"\nFrom ", b"\n>From ") for text in TEXTS)
    return b"".join(b"From ann@example.org Thu Jan  1 00:00:00 1970\n" + each + b"\n" for each in mails)


def table() -> list[dict[str, object]]:
    return [
        {
            "body": text,
            "label": "ham",
            "id": f"m-{number}",
            "time": 1_700_000_000 + number,
            "folder": "in",
            "x": 1,
        }
        for number, text in enumerate(TEXTS)
    ]


def jsonl() -> bytes:
    return "\n".join(map(json.dumps, table())).encode()


def csv() -> bytes:
    lines = ["body;label;id;time;folder"]
    lines += ['"' + str(row["body"]) + f'";ham;{row["id"]};{row["time"]};in' for row in table()]
    return "\n".join(lines).encode()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table()), sink)
    return sink.getvalue()


BLOBS = {
    Format.MAIL_ARCHIVE: tar,
    Format.TEXT_ARCHIVE: zipped,
    Format.MBOX: mbox,
    Format.JSONL: jsonl,
    Format.CSV: csv,
    Format.PARQUET: parquet,
}


def erased(store: ArtifactStore, source: SourceSpec, *record_ids: str, versions: Versions = ()) -> dict:
    return erased_of(store, (source,), *record_ids, versions=versions)


@pytest.mark.parametrize("format", BLOBS)
def test_a_source_of_any_format_reads_as_before_but_for_what_was_erased(tmp_path, format):
    store = ArtifactStore(str(tmp_path))
    source = SourceSpec("projects/p/sources/s", store.put_bytes(BLOBS[format]()), format, columns=COLUMNS)
    items = list(read_source(source, store))
    assert len(items) == len(TEXTS)
    gone = record_id_of(items[0], bytes.fromhex(KEY))
    result = erased(store, source, gone)
    after = SourceSpec(source.name, result["sources"][source.name], format, columns=COLUMNS)
    left = list(read_source(after, store))
    if format is Format.MBOX:  # its mails have no names but their numbers
        assert [item.payload for item in left] == [item.payload for item in items[1:]]
    else:
        assert left == items[1:]
    assert result["blobs"] == [source.digest]
    assert 1 <= len(result["text_digests"]) <= 3
    assert erased(store, after, gone)["sources"] == {}


def test_an_unreadable_source_is_reported_and_left(tmp_path):
    store = ArtifactStore(str(tmp_path))
    source = SourceSpec("projects/p/sources/s", store.put_bytes(b"no archive"), Format.TEXT_ARCHIVE)
    assert erased(store, source, "a" * 64)["unread_sources"] == [source.name]


def erased_of(
    store: ArtifactStore, sources: tuple[SourceSpec, ...], *record_ids: str, versions: Versions = ()
) -> dict:
    """Erase from sources, and from versions (name, tree) of them."""
    names = [source.name for source in sources]
    spec = {
        "record_ids": record_ids,
        "record_key": KEY,
        "sources": [asdict(source) for source in sources],
        "versions": [{"name": name, "digest": tree, "sources": names} for name, tree in versions],
    }
    return to_json(erase(from_json(ErasureSpec, spec), store, lambda *_args, **_counts: None))


def read_as(store: ArtifactStore, name: str, data: bytes, **how: object) -> SourceSpec:
    return SourceSpec(f"projects/p/sources/{name}", store.put_bytes(data), Format.JSONL, **how)


@pytest.mark.parametrize("data", ["same", "other"])
def test_text_that_a_second_source_holds_where_it_cannot_be_read_is_reported(tmp_path, data):
    """Its columns are named wrongly, so that each row is rejected; the bytes are the same, or those of another file."""
    store = ArtifactStore(str(tmp_path))
    good = read_as(store, "good", jsonl(), columns=COLUMNS)
    rows = jsonl() if data == "same" else b"\n".join(reversed(jsonl().splitlines()))
    wrong = read_as(store, "wrong", rows, columns=replace(COLUMNS, text="missing"))
    unrelated = (
        b"\n".join(json.dumps({"body": f"another text {n}"}).encode() for n in range(3)) + b"\n{broken"
    )
    other = read_as(store, "other", unrelated, columns=Columns(text="body"))
    gone = record_id_of(next(iter(read_source(good, store))), bytes.fromhex(KEY))
    for sources in ((good, wrong, other), (wrong, other, good)):
        result = erased_of(store, sources, gone)
        assert list(result["sources"]) == [good.name]
        assert result["unread_sources"] == [wrong.name]


def test_a_source_that_is_read_otherwise_than_when_its_version_was_created_is_reported(tmp_path):
    """As after an upgrade that decodes better: the version's record has another id than the source's item now."""
    store = ArtifactStore(str(tmp_path))
    source = read_as(store, "good", jsonl(), columns=COLUMNS)
    old_id = "c" * 64
    folder = tmp_path / "version"
    folder.mkdir()
    record = dict.fromkeys(RECORDS.names) | {
        "record_id": old_id,
        "source": source.name,
        "text": "as it was read",
    }
    pq.write_table(pa.Table.from_pylist([record], schema=RECORDS), folder / "records-00000.parquet")
    version = ("projects/p/datasets/d/versions/v1", store.put_tree(folder))
    result = erased(store, source, old_id, versions=[version])
    assert result["versions"][version[0]]["erased_count"] == 1
    assert result["unread_sources"] == [source.name]


def test_a_record_goes_from_the_rejections_too_where_its_duplicate_stands(tmp_path):
    """An exact duplicate is rejected under the id of the record that stays for it."""
    store = ArtifactStore(str(tmp_path))
    source = read_as(store, "good", jsonl(), columns=COLUMNS)
    gone = record_id_of(next(iter(read_source(source, store))), bytes.fromhex(KEY))
    folder = tmp_path / "version"
    folder.mkdir()
    for name, schema in (("records-00000", RECORDS), ("rejected", REJECTED)):
        ids = (gone, "d" * 64)
        rows = [dict.fromkeys(schema.names) | {"record_id": each, "source": source.name} for each in ids]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{name}.parquet")
    version = ("projects/p/datasets/d/versions/v1", store.put_tree(folder))
    result = erased(store, source, gone, versions=[version])
    files = {file.path: file.sha256 for file in store.tree(result["versions"][version[0]]["digest"])}
    for path in ("records-00000.parquet", "rejected.parquet"):
        left = pq.read_table(store.open(files[path]))
        assert left.column("record_id").to_pylist() == ["d" * 64]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("erasing")
    url = databases.url("ingestion", folder)
    settings = Settings(state=folder, processes=1, database_url=url)
    with State(folder) as state, running([settings]):
        yield state


@pytest.fixture(scope="module")
def store(state: State) -> ArtifactStore:
    return ArtifactStore(f"{state.folder}/artifacts")


@pytest.fixture(scope="module")
def rpc(state: State) -> IngestionServiceStub:
    stub = IngestionServiceStub(state.as_role(Role.OPERATOR, "ingestion"))
    stub.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    return stub


def all_erased(
    rpc: IngestionServiceStub, *record_ids: str, reason: str = "its writer asked for it"
) -> erasure_pb2.Erasure:
    erasure = erasure_pb2.Erasure(record_ids=record_ids, reason=reason)
    created = rpc.CreateErasure(pb.CreateErasureRequest(parent=PROJECT, erasure=erasure))
    *_, last = rpc.WatchErasure(pb.WatchErasureRequest(name=created.name), timeout=90)
    return last


def holding(store: ArtifactStore, text: str) -> list[str]:
    """All blobs of the store that hold a text."""
    files = []
    for path in (store.folder / "sha256").glob("*/*"):
        data = path.read_bytes()
        if data[:4] == b"PAR1":
            data = repr(pq.read_table(io.BytesIO(data)).to_pylist()).encode()
        if text.encode() in data:
            files.append(path.name)
    return files


def test_a_record_is_erased_from_all_that_holds_it_and_does_not_come_back(rpc, store):
    data = rows(60)
    source = add_source(rpc, store, data)
    version, later = curate(rpc, source), curate(rpc, source, add_source(rpc, store, rows(20, start=60)))
    split = part(rpc, version.name, seed=7)
    listed = {r.text: r for r in rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records}
    doomed, text = listed[sentence(9)], sentence(9)
    before = rpc.GetRecordLineage(pb.GetRecordLineageRequest(parent=PROJECT, record_id=doomed.record_id))
    assert len(before.dataset_versions) == 2
    assert len(before.placements) == 1
    assert holding(store, text)

    done = all_erased(rpc, doomed.record_id)
    assert done.state == erasure_pb2.Erasure.STATE_SUCCEEDED, done.failure
    assert holding(store, text) == []
    assert set(done.dataset_versions) == {version.name, later.name}
    assert (list(done.splits), list(done.sources)) == ([split.name], [source])

    after = rpc.GetDatasetVersion(pb.GetDatasetVersionRequest(name=version.name))
    assert after.state == dataset_pb2.DatasetVersion.STATE_REDACTED
    assert (after.artifact_digest, after.erased_count) == (version.artifact_digest, 1)
    with pytest.raises(FailedPrecondition, match=done.name) as error:
        store.tree(after.artifact_digest)
    assert error.value.reason == "ARTIFACT_ERASED"
    left = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records
    assert {r.text for r in left} == set(listed) - {text}
    with pytest.raises(NotFound):
        rpc.GetRecord(pb.GetRecordRequest(parent=version.name, record_id=doomed.record_id))

    lineage = rpc.GetRecordLineage(pb.GetRecordLineageRequest(parent=PROJECT, record_id=doomed.record_id))
    assert (lineage.dataset_versions, lineage.placements) == (before.dataset_versions, before.placements)
    assert lineage.erasure == done.name

    with pytest.raises(FailedPrecondition) as refused:
        part(rpc, version.name, seed=8)
    assert refused.value.reason == "VERSION_REDACTED"
    with pytest.raises(FailedPrecondition, match="erased"):
        store.put_bytes(data)

    again = curate(rpc, source, add_source(rpc, store, rows(1, start=9)))
    assert (again.record_count, again.rejected_count) == (59, 1)
    assert {(r["step"], r["reason"]) for r in json.loads(again.profile_json)["removed"]} == {
        ("erasure", "ERASED")
    }


def test_what_is_left_of_a_split_is_tested_on_and_replayed(rpc, store):
    source = add_source(rpc, store, rows(60, start=200))
    version = curate(rpc, source)
    split = part(rpc, version.name, seed=7)
    opened = pb.OpenSplitRequest(name=split.name, part=split_pb2.PART_TEST, reader="gate", purpose="test")
    test_part = rpc.OpenSplit(opened).digest
    ids = pq.read_table(store.open(test_part)).column("record_id").to_pylist()
    assert all_erased(rpc, ids[0]).state == erasure_pb2.Erasure.STATE_SUCCEEDED
    left = pq.read_table(store.open(rpc.OpenSplit(opened).digest)).column("record_id").to_pylist()
    assert left == ids[1:]
    redacted = rpc.GetSplit(pb.GetSplitRequest(name=split.name))
    assert redacted.state == split_pb2.Split.STATE_REDACTED
    assert redacted.redaction.train_digest == redacted.train_digest == split.train_digest
    traffic = curate(rpc, add_source(rpc, store, rows(40, start=300)))
    replay = split_pb2.Split.Replay(split=split.name, count=10)
    assert part(rpc, traffic.name, replay=replay).replayed_count == 10


def test_an_erasure_names_records_and_a_reason_and_needs_an_operator(rpc, state):
    with pytest.raises(InvalidArgument, match="a reason"):
        all_erased(rpc, "a" * 64, reason="")
    with pytest.raises(InvalidArgument, match="record id"):
        all_erased(rpc, "../etc/passwd")
    engineer = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    with pytest.raises(PermissionDenied):
        all_erased(engineer, "a" * 64)


def test_the_erasure_of_what_nobody_holds_bars_it_and_ends_well(rpc):
    done = all_erased(rpc, "b" * 64)
    assert done.state == erasure_pb2.Erasure.STATE_SUCCEEDED
    assert not done.dataset_versions
    listed = rpc.ListErasures(pb.ListErasuresRequest(parent=PROJECT)).erasures
    assert done.name in [each.name for each in listed]
    assert rpc.GetErasure(pb.GetErasureRequest(name=done.name)) == done


def test_an_erased_record_leaves_the_indexes_of_near_duplicates(rpc, store):
    """A later split asks the indexes that were written again, and the erased record is not in any byte of them."""
    source = add_source(rpc, store, rows(40, start=500))
    version = curate(rpc, source)
    split = part(rpc, version.name, seed=3)
    opened = pb.OpenSplitRequest(name=split.name, part=split_pb2.PART_TEST, reader="gate", purpose="test")
    doomed = pq.read_table(store.open(rpc.OpenSplit(opened).digest)).column("record_id").to_pylist()[0]
    name = bytes.fromhex(doomed)[::-1]
    forms = {b"".join(name[::-1][at : at + 8][::-1] for at in range(0, 32, 8)), name[::-1]}

    def indexed() -> list[str]:
        files = (store.folder / "sha256").glob("*/*")
        blobs = ((path.name, path.read_bytes()) for path in files)
        return [name for name, data in blobs if any(form in data for form in forms)]

    before = indexed()
    assert len(before) == 2
    assert all_erased(rpc, doomed).state == erasure_pb2.Erasure.STATE_SUCCEEDED
    assert indexed() == []
    for digest in before:
        with pytest.raises(FailedPrecondition, match="erased"):
            store.open(digest)
    traffic = curate(rpc, add_source(rpc, store, rows(30, start=510)))
    assert part(rpc, traffic.name, seed=4).state == split_pb2.Split.STATE_READY


def test_the_erasure_of_a_segment_erases_its_text_and_all_its_segments(tmp_path):
    store = ArtifactStore(str(tmp_path / "artifacts"))
    long = " ".join(f"{word} {number}." for number in range(60) for word in ("harbour", "island", "ferry"))
    texts = [long, sentence(1), sentence(2)]
    source = read_as(store, "s", "\n".join(json.dumps({"text": text}) for text in texts).encode())
    spec = {
        "version": "v",
        "sources": [asdict(source)],
        "curation": CurationConfig(steps=(Step("segment", {"max_tokens": "100"}),)).stated(),
        "record_key": KEY,
        "processes": 1,
    }
    built = curate_tree(
        read_spec(CurationSpec, spec), store, tmp_path, lambda *_args, **_counts: None
    ).artifact_digest
    shard = next(file.sha256 for file in store.tree(built) if file.path.startswith("records-"))
    records = pq.read_table(store.open(shard)).to_pylist()
    segment = next(row["record_id"] for row in records if dict(row["attributes"]).get("segment_of"))
    result = erased_of(store, (source,), segment, versions=(("v", built),))
    assert int(result["versions"]["v"]["erased_count"]) == len(records) - 2
    (left,) = result["sources"].values()
    assert b"harbour" not in store.read(left) and sentence(1).encode() in store.read(left)
