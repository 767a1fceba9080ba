"""Sources before and after their creation: a preview that stores nothing, changes, deletion, what was rejected."""

import json
from collections.abc import Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import source_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings
from services.ingestion.tests.integration.test_service import PROJECT, curate

CSV = source_pb2.Source.FORMAT_CSV
TABLE = (
    "Meldung;Art\n"
    "Der Drücker klemmt größtenteils, bitte prüfen;Störung\n"
    "Rechnung über fünf Euro fehlt, bitte nachreichen;Rechnung\n"
    "zu;viele;Felder\n"
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("sources")
    url = databases.url("sources", folder)
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


def previewed(rpc: IngestionServiceStub, digest: str, **fields: object) -> source_pb2.SourcePreview:
    source = source_pb2.Source(digest=digest, **fields)  # type: ignore[arg-type]
    return rpc.PreviewSource(pb.PreviewSourceRequest(parent=PROJECT, source=source))


def columns(**names: str) -> source_pb2.Source.Columns:
    return source_pb2.Source.Columns(**names)


def test_a_preview_reports_what_the_table_becomes_and_keeps_nothing(rpc, store, state):
    digest = store.put_bytes(TABLE.encode("cp1252"))
    preview = previewed(rpc, digest, display_name="a.csv", columns=columns(text="Meldung", label="Art"))
    assert preview.format == CSV
    assert (preview.encoding, preview.encoding_from) == ("cp1252", "detected")
    assert list(preview.columns) == ["Meldung", "Art"]
    assert [row.text for row in preview.records][0].startswith("Der Drücker klemmt größtenteils")
    assert dict(preview.label_counts) == {"Störung": 1, "Rechnung": 1}
    assert (preview.item_count, preview.record_count, preview.complete) == (3, 2, True)
    assert dict(preview.rejected_counts) == {"BAD_ROW": 1}
    assert preview.rejections[0].source_path == "line-4"
    assert not preview.problem
    assert not list(rpc.ListSources(pb.ListSourcesRequest(parent=PROJECT)).sources)
    left = [path for path in (state.folder / "ingestion").rglob("*.json") if "Drücker" in path.read_text()]
    assert not left


def test_a_preview_names_what_is_wrong(rpc, store):
    digest = store.put_bytes(TABLE.encode())
    wrong = previewed(rpc, digest, columns=columns(text="Meldng", label="Art"))
    assert wrong.problem_reason == "COLUMN_MISSING"
    assert "Did you mean 'Meldung'?" in wrong.problem
    assert list(wrong.columns) == ["Meldung", "Art"]
    empty = previewed(rpc, store.put_bytes(b""), display_name="nothing.csv")
    assert empty.problem_reason == "SOURCE_EMPTY"
    unknown = previewed(rpc, store.put_bytes(b"just some words"), display_name="words.bin")
    assert (unknown.problem_reason, "jsonl" in unknown.problem) == ("FORMAT_UNKNOWN", True)
    with pytest.raises(FailedPrecondition):
        previewed(rpc, "0" * 64)


def test_a_large_table_is_previewed_at_its_start(rpc, store):
    rows = "".join(
        json.dumps({"text": f"This is the text of ticket number {n}."}) + "\n" for n in range(4000)
    )
    preview = previewed(rpc, store.put_bytes(rows.encode()))
    assert preview.format == source_pb2.Source.FORMAT_JSONL
    assert (preview.complete, preview.item_count) == (False, 500)
    assert 2800 < preview.estimated_item_count < 5600


def source_of(
    rpc: IngestionServiceStub, store: ArtifactStore, source_id: str, table: str
) -> source_pb2.Source:
    source = source_pb2.Source(
        format=CSV, digest=store.put_bytes(table.encode()), columns=columns(text="Art", label="Art")
    )
    return rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id=source_id, source=source))


def test_a_source_is_changed_until_a_version_uses_it(rpc, store):
    source = source_of(rpc, store, "changed", TABLE)
    source.columns.text, source.display_name = "Meldung", "reports"
    mask = FieldMask(paths=["columns.text", "display_name"])
    after = rpc.UpdateSource(pb.UpdateSourceRequest(source=source, update_mask=mask))
    assert (after.columns.text, after.columns.label, after.display_name) == ("Meldung", "Art", "reports")
    with pytest.raises(Aborted):
        rpc.UpdateSource(pb.UpdateSourceRequest(source=source, update_mask=mask))
    version = curate(rpc, source.name, min_chars=10)
    after.encoding = "windows-1252"
    with pytest.raises(FailedPrecondition, match=version.name):
        rpc.UpdateSource(pb.UpdateSourceRequest(source=after, update_mask=FieldMask(paths=["encoding"])))
    after.license = "CC0-1.0"
    licensed = rpc.UpdateSource(
        pb.UpdateSourceRequest(source=after, update_mask=FieldMask(paths=["license"]))
    )
    assert licensed.license == "CC0-1.0"
    with pytest.raises(FailedPrecondition, match=version.name):
        rpc.DeleteSource(pb.DeleteSourceRequest(name=source.name))
    for path in ("digest", "etag", "columns.body", "columns.text.x", ""):
        with pytest.raises(InvalidArgument):
            rpc.UpdateSource(pb.UpdateSourceRequest(source=after, update_mask=FieldMask(paths=[path])))


def test_a_source_names_only_the_columns_that_were_named(rpc, store):
    rows = [{"prompt": "Is it open?", "completion": "Yes, until nine."}]
    digest = store.put_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
    jsonl = source_pb2.Source.FORMAT_JSONL
    unnamed = source_pb2.Source(format=jsonl, digest=digest)
    created = rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id="unnamed", source=unnamed))
    assert created.columns == columns()
    again = previewed(rpc, digest, format=jsonl, columns=created.columns)
    assert (again.problem, again.record_count) == ("", 1)
    named = source_pb2.Source(format=jsonl, digest=digest, columns=columns(text="text", answer="completion"))
    created = rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id="named", source=named))
    assert created.columns == columns(text="text", answer="completion")
    assert previewed(rpc, digest, format=jsonl, columns=created.columns).problem_reason == "COLUMN_MISSING"


def test_a_source_that_no_version_uses_is_deleted(rpc, store):
    source = source_of(rpc, store, "deleted", TABLE)
    with pytest.raises(Aborted):
        rpc.DeleteSource(pb.DeleteSourceRequest(name=source.name, etag="stale"))
    rpc.DeleteSource(pb.DeleteSourceRequest(name=source.name, etag=source.etag))
    with pytest.raises(NotFound):
        rpc.GetSource(pb.GetSourceRequest(name=source.name))


def test_what_was_rejected_is_listed_with_its_reason(rpc, store):
    rows = [{"text": f"Call me at {n}@example.com soon", "id": f"r{n}"} for n in range(3)]
    rows.append(
        {"text": "This one is long enough to stay, it has more than fifty characters.", "id": "stays"}
    )
    data = "".join(json.dumps(row) + "\n" for row in rows) + "{broken\n"
    source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=store.put_bytes(data.encode()))
    created = rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id="rejected", source=source))
    version = curate(rpc, created.name)
    first = rpc.ListRejections(pb.ListRejectionsRequest(parent=version.name, page_size=3))
    rest = rpc.ListRejections(
        pb.ListRejectionsRequest(parent=version.name, page_size=3, page_token=first.next_page_token)
    )
    assert not rest.next_page_token
    rejections = {each.source_path: each for each in (*first.rejections, *rest.rejections)}
    assert len(rejections) == version.rejected_count == 4
    assert (rejections["line-5"].reason, rejections["line-5"].text_start) == ("BAD_ROW", "")
    assert rejections["r1"].reason == "TOO_SHORT"
    assert rejections["r1"].text_start.startswith("Call me at")
    assert "1@example.com" not in rejections["r1"].text_start


def test_conversations_are_previewed_and_listed_with_their_messages(rpc, store):
    rows = [
        {
            "talk": [
                {"role": "system", "content": "Answer in one sentence."},
                {"role": "user", "content": f"Where does train number {n} leave from, please?"},
                {"role": "assistant", "content": f"It leaves from platform {n}, says ann@example.com."},
            ]
        }
        for n in range(3)
    ]
    digest = store.put_bytes("\n".join(map(json.dumps, [*rows, {"talk": [{"role": "boss"}]}])).encode())
    assert previewed(rpc, digest, columns=columns()).problem_reason == "COLUMN_MISSING"
    preview = previewed(rpc, digest, columns=columns(messages="talk"))
    assert dict(preview.layout_counts) == {"chat": 3}
    assert dict(preview.kind_counts) == {"answer": 3}
    assert "message 1 has the role 'boss'" in preview.rejections[0].detail
    assert preview.records[0].example.answers == ["It leaves from platform 0, says [EMAIL]."]
    source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest)
    source = rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source_id="talks", source=source))
    source.columns.messages = "talk"
    mask = FieldMask(paths=["columns.messages"])
    source = rpc.UpdateSource(pb.UpdateSourceRequest(source=source, update_mask=mask))
    assert source.columns.messages == "talk"
    version = curate(rpc, source.name)
    assert (version.record_count, version.rejected_count) == (3, 1)
    records = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records
    assert {each.source_label for each in records} == {
        f"It leaves from platform {n}, says [EMAIL]." for n in range(3)
    }
    for each in records:
        assert [message.role for message in each.example.messages] == ["system", "user"]
        assert each.example.answers == [each.source_label]
        record = rpc.GetRecord(pb.GetRecordRequest(parent=version.name, record_id=each.record_id))
        assert record.example == each.example
