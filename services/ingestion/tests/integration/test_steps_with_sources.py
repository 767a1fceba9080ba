"""Steps that read sources of the project, through the service: version, preview, split, deletion."""

import json
from collections.abc import Iterator

import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.security.identity import Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings

PROJECT, DATASET = "projects/p", "projects/p/datasets/mail"


@pytest.fixture
def state(tmp_path) -> Iterator[State]:
    settings = Settings(state=tmp_path, processes=1)
    with State(tmp_path) as state, running([settings]):
        yield state


@pytest.fixture
def rpc(state: State) -> IngestionServiceStub:
    stub = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    stub.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    return stub


def source(rpc, state: State, texts: list[str], source_id: str) -> str:
    data = "\n".join(json.dumps({"text": text, "label": "x"}) for text in texts).encode()
    digest = ArtifactStore(f"{state.folder}/artifacts").put_bytes(data)
    message = source_pb2.Source(format=source_pb2.Source.FORMAT_JSONL, digest=digest)
    request = pb.CreateSourceRequest(parent=PROJECT, source=message, source_id=source_id)
    return str(rpc.CreateSource(request).name)


def letter(number: int) -> str:
    return f"The big letter number {number} says that neighbour {number * 13 + 5} has moved to street {number * 7}."


def version_of(rpc, source: str, **steps: dict[str, str]) -> dataset_pb2.DatasetVersion:
    listed = [dataset_pb2.CurationStep(name=name, params=params) for name, params in steps.items()]
    curation = dataset_pb2.Curation(steps=listed, min_chars=1, near_duplicate_threshold=0)
    version = dataset_pb2.DatasetVersion(sources=[source], curation=curation)
    request = pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=version)
    created = rpc.CreateDatasetVersion(request)
    *_, last = rpc.WatchDatasetVersion(pb.WatchDatasetVersionRequest(name=created.name), timeout=90)
    assert last.state == dataset_pb2.DatasetVersion.STATE_READY, last.failure
    return last


def test_steps_read_sources_of_the_project_and_a_split_makes_copies(rpc, state):
    adverts = [f"Buy now, cheap offer {number}!" for number in range(30)]
    source(rpc, state, adverts, "adverts")
    source(rpc, state, [letter(number) for number in range(500, 530)], "letters")
    source(rpc, state, ["big, large, huge"], "thesaurus")
    mails = source(rpc, state, [letter(number) for number in range(40)] + adverts[:4], "mails")
    steps = {
        "classifier": {"good": "letters", "bad": "adverts"},
        "augment": {"synonyms": "thesaurus", "synonym_share": "1"},
    }
    built = version_of(rpc, mails, **steps)
    report = next(each for each in built.step_reports if each.name == "classifier")
    assert report.removed_counts == {"LOW_QUALITY_SCORE": 4}
    assert report.counts["held_out"] == report.counts["held_out_right"] == 60
    request = pb.CreateSplitRequest(parent=DATASET, split=split_pb2.Split(dataset_version=built.name, seed=7))
    *_, split = rpc.WatchSplit(pb.WatchSplitRequest(name=rpc.CreateSplit(request).name), timeout=90)
    train = next(part.record_count for part in split.parts if part.part == split_pb2.PART_TRAIN)
    assert split.augmented_count * 2 == train
    assert sum(part.record_count for part in split.parts) == built.record_count + split.augmented_count

    named = [
        f"{name}:{';'.join(f'{key}={value}' for key, value in params.items())}"
        for name, params in steps.items()
    ]
    shown = rpc.PreviewSource(
        pb.PreviewSourceRequest(
            parent=PROJECT, source=rpc.GetSource(pb.GetSourceRequest(name=mails)), steps=named
        ),
        timeout=90,
    )
    by_name = {step.name: step for step in shown.steps}
    assert by_name["classifier"].removed_counts == {"LOW_QUALITY_SCORE": 4}
    assert by_name["augment"].counts["augmented"] == 40
    assert "big" in by_name["augment"].changes[0].before
    assert "big" not in by_name["augment"].changes[0].after

    for used in ("adverts", "thesaurus"):
        with pytest.raises(FailedPrecondition, match=f"Steps of the curation of {built.name} read"):
            rpc.DeleteSource(pb.DeleteSourceRequest(name=f"{PROJECT}/sources/{used}"))
    with pytest.raises(NotFound, match="sources/nothing"):
        version_of(rpc, mails, toxic_words={"lists": "nothing"})
