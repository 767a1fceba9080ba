"""Mixtures, differences and exports over the API of the service, with its database and its worker."""

import io
import json
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from ratoon.ingestion.v1 import (
    dataset_pb2,
    difference_pb2,
    erasure_pb2,
    export_pb2,
    mixture_pb2,
    source_pb2,
    split_pb2,
)
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

PROJECT, DATASET = "projects/p", "projects/p/datasets/mail"
Export, Mixture = export_pb2.Export, mixture_pb2.Mixture


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder = tmp_path_factory.mktemp("exports")
    settings = Settings(state=folder, processes=1, database_url=databases.url("ingestion", folder))
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


def sentence(number: int) -> str:
    return " ".join(f"word{(number * 37 + n * n) % 1009}" for n in range(15)) + f" and the number {number}"


def version(rpc, store, start: int, count: int) -> dataset_pb2.DatasetVersion:
    rows = [
        {"text": sentence(n), "label": "spam" if n % 3 else "ham", "id": str(n)}
        for n in range(start, start + count)
    ]
    digest = store.put_bytes("\n".join(map(json.dumps, rows)).encode())
    source = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest, license="CC0-1.0")
    name = rpc.CreateSource(pb.CreateSourceRequest(parent=PROJECT, source=source)).name
    return built(rpc, dataset_pb2.DatasetVersion(sources=[name]))


def built(rpc, composed: dataset_pb2.DatasetVersion, **fields) -> dataset_pb2.DatasetVersion:
    request = pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=composed, **fields)
    created = rpc.CreateDatasetVersion(request)
    *_, last = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=90)
    return last


def exported(rpc, **fields) -> Export:
    created = rpc.CreateExport(pb.CreateExportRequest(parent=DATASET, export=Export(**fields)))
    *_, last = rpc.WatchExport(pb.WatchExportRequest(name=created.name), timeout=90)
    return last


@pytest.fixture(scope="module")
def first(rpc, store) -> dataset_pb2.DatasetVersion:
    return version(rpc, store, 0, 60)


@pytest.fixture(scope="module")
def second(rpc, store) -> dataset_pb2.DatasetVersion:
    return version(rpc, store, 1000, 20)


@pytest.fixture(scope="module")
def split(rpc, first) -> split_pb2.Split:
    request = pb.CreateSplitRequest(parent=DATASET, split=split_pb2.Split(dataset_version=first.name))
    *_, last = rpc.WatchSplit(pb.WatchSplitRequest(name=rpc.CreateSplit(request).name), timeout=90)
    return last


def mixture(*versions: dataset_pb2.DatasetVersion, **fields) -> Mixture:
    components = [Mixture.Component(dataset_version=each.name, weight=1, max_repeats=2) for each in versions]
    return Mixture(
        components=components, unit=Mixture.UNIT_RECORDS, strategy=Mixture.STRATEGY_RATIO, **fields
    )


def test_a_plan_shows_what_the_version_then_is(rpc, first, second):
    composed = mixture(first, second)
    plan = rpc.PlanDatasetVersion(pb.PlanDatasetVersionRequest(parent=DATASET, mixture=composed))
    assert [(each.available_records, each.record_count) for each in plan.components] == [(60, 40), (20, 40)]
    last = built(rpc, dataset_pb2.DatasetVersion(mixture=composed))
    assert last.state == dataset_pb2.DatasetVersion.STATE_READY, last.failure
    assert last.record_count == plan.record_count == 80
    assert list(last.sources) == [*first.sources, *second.sources]
    assert last.mixture.components == composed.components
    profile = json.loads(last.profile_json)
    assert profile["mixture"]["components"][1]["repeats"] == 2


def test_a_mixture_that_cannot_be_met_fails_with_the_sentence_of_its_plan(rpc, first, second):
    composed = mixture(first, second, budget=1000)
    plan = rpc.PlanDatasetVersion(pb.PlanDatasetVersionRequest(parent=DATASET, mixture=composed))
    assert "lower the budget to at most 80" in plan.problem
    last = built(rpc, dataset_pb2.DatasetVersion(mixture=composed))
    assert (last.failure.reason, last.failure.message) == ("MIXTURE_NOT_FEASIBLE", plan.problem)
    with pytest.raises(InvalidArgument, match="1 to 100 components"):
        rpc.PlanDatasetVersion(pb.PlanDatasetVersionRequest(parent=DATASET, mixture=Mixture()))


def test_two_versions_are_compared_page_by_page(rpc, first, second):
    diff = rpc.DiffDatasetVersion(pb.DiffDatasetVersionRequest(name=second.name, base=first.name))
    assert diff.counts == {"ADDED": 20, "REMOVED": 60}
    pages, token = [], ""
    while True:
        request = pb.ListRecordDifferencesRequest(
            parent=second.name, base=first.name, page_size=30, page_token=token
        )
        page = rpc.ListRecordDifferences(request)
        pages += page.record_differences
        if not (token := page.next_page_token):
            break
    assert len({each.record_id for each in pages}) == 80
    added = [each for each in pages if each.kind == difference_pb2.RecordDifference.KIND_ADDED]
    assert {each.text for each in added} == {sentence(n) for n in range(1000, 1020)}
    assert {each.base_text for each in added} == {""}
    with pytest.raises(InvalidArgument, match="base is empty"):
        rpc.DiffDatasetVersion(pb.DiffDatasetVersionRequest(name=second.name))


def test_an_export_names_its_files(rpc, store, first):
    last = exported(rpc, dataset_version=first.name, format=Export.FORMAT_PARQUET)
    assert last.state == Export.STATE_READY, last.failure
    assert (last.record_count, last.progress.fraction) == (60, 1.0)
    files = {each.path: each for each in last.files}
    table = pq.read_table(io.BytesIO(store.read(files["train-00000-of-00001.parquet"].digest)))
    assert set(table["text"].to_pylist()) == {sentence(n) for n in range(60)}
    assert store.tree(last.artifact_digest)
    described = json.loads(store.read(files["croissant.json"].digest))
    assert described["license"] == ["CC0-1.0"]


def test_settings_that_do_not_fit_are_refused(rpc, first, split):
    for fields, sentence_ in (
        ({"format": Export.FORMAT_CSV}, "either dataset_version or split"),
        ({"dataset_version": first.name}, "format is not set"),
        ({"dataset_version": first.name, "format": Export.FORMAT_TOKENS}, "need tokenizer_digest"),
        (
            {"dataset_version": first.name, "format": Export.FORMAT_JSONL, "escape_formulas": True},
            "goes with CSV",
        ),
        (
            {"dataset_version": first.name, "format": Export.FORMAT_CSV, "parts": [split_pb2.PART_TRAIN]},
            "of a split",
        ),
    ):
        with pytest.raises(InvalidArgument, match=sentence_):
            rpc.CreateExport(pb.CreateExportRequest(parent=DATASET, export=Export(**fields)))


def test_the_sealed_part_is_exported_with_a_logged_reading_and_its_digest_stays_sealed(
    rpc, state, store, split
):
    fields = {"split": split.name, "format": Export.FORMAT_JSONL, "parts": [split_pb2.PART_TEST]}
    with pytest.raises(InvalidArgument, match="reader"):
        rpc.CreateExport(pb.CreateExportRequest(parent=DATASET, export=Export(**fields)))
    last = exported(rpc, reader="projects/p/models/m", purpose="published benchmark", **fields)
    assert last.state == Export.STATE_READY, last.failure
    assert (last.artifact_digest, list(last.files)) == ("", [])
    opened = rpc.OpenExport(pb.OpenExportRequest(name=last.name, reader="r", purpose="download"))
    assert [each.path for each in opened.files] == ["test-00000-of-00001.jsonl", "croissant.json"]
    readings = rpc.ListSplitReadings(pb.ListSplitReadingsRequest(parent=split.name)).readings
    assert [(each.reader, each.purpose, each.part) for each in readings] == [
        ("projects/p/models/m", "published benchmark", split_pb2.PART_TEST),
        ("r", "download", split_pb2.PART_TEST),
    ]
    with pytest.raises(InvalidArgument, match="reader"):
        rpc.OpenExport(pb.OpenExportRequest(name=last.name))
    both = exported(rpc, split=split.name, format=Export.FORMAT_HUGGING_FACE)
    assert {each.path.partition("/")[2][:5] for each in both.files if each.path.startswith("data/")} == {
        "train",
        "valid",
    }


def test_an_erasure_takes_the_files_of_exports_with_it(rpc, store, second):
    last = exported(rpc, dataset_version=second.name, format=Export.FORMAT_JSONL)
    digests = [each.digest for each in last.files if each.path.endswith(".jsonl")]
    record = rpc.ListRecords(pb.ListRecordsRequest(parent=second.name, page_size=1)).records[0]
    erasure = erasure_pb2.Erasure(record_ids=[record.record_id], reason="on request")
    created = rpc.CreateErasure(pb.CreateErasureRequest(parent=PROJECT, erasure=erasure))
    *_, done = rpc.WatchErasure(pb.WatchErasureRequest(name=created.name), timeout=90)
    assert done.state == erasure_pb2.Erasure.STATE_SUCCEEDED, done.failure
    left = rpc.GetExport(pb.GetExportRequest(name=last.name))
    assert left.state == Export.STATE_REDACTED
    assert (left.artifact_digest, list(left.files)) == ("", [])
    assert not any(map(store.exists, digests))
    with pytest.raises(FailedPrecondition, match="Create a new export"):
        rpc.OpenExport(pb.OpenExportRequest(name=last.name))
    again = exported(rpc, dataset_version=second.name, format=Export.FORMAT_JSONL)
    assert (again.state, again.record_count) == (Export.STATE_READY, 19)
    rpc.DeleteExport(pb.DeleteExportRequest(name=left.name))


def test_a_deleted_export_takes_its_files_with_it_but_not_those_of_others(rpc, store, first):
    one, two = (exported(rpc, dataset_version=first.name, format=Export.FORMAT_CSV) for _ in range(2))
    digest = next(each.digest for each in one.files if each.path.endswith(".csv"))
    rpc.DeleteExport(pb.DeleteExportRequest(name=one.name))
    assert store.exists(digest)
    rpc.DeleteExport(pb.DeleteExportRequest(name=two.name))
    assert not store.exists(digest)
    with pytest.raises(NotFound):
        rpc.GetExport(pb.GetExportRequest(name=two.name))
