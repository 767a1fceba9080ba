"""Decontamination through the service: sealed test parts and benchmarks of a project, and the report of each."""

import json
from collections.abc import Iterator

import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

PROJECT, DATASET = "projects/p", "projects/p/datasets/mail"
NOUNS = (
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
)
QUESTION = (
    "A train leaves the harbour at nine and travels for three hours at sixty miles an hour to the old town."
)


@pytest.fixture
def state(tmp_path) -> Iterator[State]:
    settings = Settings(state=tmp_path, processes=2)
    with State(tmp_path) as state, running([settings]):
        yield state


@pytest.fixture
def rpc(state: State) -> IngestionServiceStub:
    stub = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    stub.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    return stub


@pytest.fixture
def store(state: State) -> ArtifactStore:
    return ArtifactStore(f"{state.folder}/artifacts")


def letter(number: int) -> str:
    a, b, c = NOUNS[number % 10], NOUNS[number // 10 % 10], NOUNS[(number * 7 + 3) % 10]
    return f"Letter {number} says that the {a} near the {b} belongs to the {c} of neighbour {number * 13 + 5} now."


def source(rpc, store, rows: list[dict[str, str]], source_id: str = "") -> str:
    data = "\n".join(map(json.dumps, rows)).encode()
    message = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=store.put_bytes(data))
    request = pb.CreateSourceRequest(parent=PROJECT, source=message, source_id=source_id)
    return rpc.CreateSource(request).name


def version_of(rpc, *sources: str, **params: str) -> dataset_pb2.DatasetVersion:
    steps = [dataset_pb2.CurationStep(name="decontamination", params=params)] if params else []
    curation = dataset_pb2.Curation(steps=steps, min_chars=1)
    version = dataset_pb2.DatasetVersion(sources=sources, curation=curation)
    request = pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=version)
    created = rpc.CreateDatasetVersion(request)
    *_, last = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=90)
    assert last.state == dataset_pb2.DatasetVersion.STATE_READY, last.failure
    return last


def test_records_of_test_parts_and_benchmarks_are_removed_and_reported(rpc, store):
    letters = [{"text": letter(n), "label": "ab"[n % 2]} for n in range(80)]
    mails = source(rpc, store, letters)
    first = version_of(rpc, mails)
    request = pb.CreateSplitRequest(parent=DATASET, split=split_pb2.Split(dataset_version=first.name, seed=7))
    *_, split = rpc.WatchSplit(pb.WatchSplitRequest(name=rpc.CreateSplit(request).name), timeout=90)
    tested = next(part.record_count for part in split.parts if part.part == split_pb2.PART_TEST)
    source(
        rpc, store, [{"prompt": QUESTION, "completion": "180"}, {"prompt": "2+2?", "completion": "4"}], "math"
    )
    leaks = source(
        rpc, store, [{"text": f"Homework! {QUESTION.upper()} Please help."}, {"text": "Nothing new here."}]
    )

    second = version_of(rpc, mails, leaks, benchmarks="math", test_parts="true")
    report = next(report for report in second.step_reports if report.name == "decontamination")
    assert dict(report.counts) == {"test_parts": tested, "math": 1, "math.unchecked": 1}
    assert dict(report.removed_counts) == {"CONTAMINATED": tested + 1}
    assert second.record_count == first.record_count - tested + 1
    rejections = rpc.ListRejections(pb.ListRejectionsRequest(parent=second.name, page_size=100))
    details = [item.detail for item in rejections.rejections if item.reason == "CONTAMINATED"]
    assert not any(detail.startswith("test_parts: ") for detail in details)  # they repeat sealed records
    assert sum(detail.startswith("math: ") for detail in details) == 1

    only = version_of(rpc, leaks, benchmarks="math", test_parts="false")
    assert dict(next(each for each in only.step_reports if each.counts).counts) == {
        "math": 1,
        "math.unchecked": 1,
    }

    preview = rpc.PreviewSource(
        pb.PreviewSourceRequest(
            parent=PROJECT,
            source=rpc.GetSource(pb.GetSourceRequest(name=leaks)),
            steps=["decontamination:benchmarks=math"],
        ),
        timeout=90,
    )
    shown = next(step for step in preview.steps if step.name == "decontamination")
    assert dict(shown.removed_counts) == {"CONTAMINATED": 1}
    assert shown.counts["math"] == 1


def test_a_benchmark_that_is_no_source_is_named(rpc, store):
    mails = source(rpc, store, [{"text": letter(1)}])
    with pytest.raises(NotFound, match="sources/gsm8k"):
        version_of(rpc, mails, benchmarks="gsm8k")
    with pytest.raises(InvalidArgument, match="IDs of sources"):
        version_of(rpc, mails, benchmarks="../x")
