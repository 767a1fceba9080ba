"""An erased record is gone from an installation: all services, the public API, and every file."""

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from ratoon.client import APIStatusError, OperationFailedError, Ratoon
from ratoon.client.types import DatasetVersion, LabelSet, Part, Recipe, SourceFormat, Split, SplitRatios
from ratoon.flywheel.v1 import flywheel_service_pb2 as flywheel
from ratoon.flywheel.v1 import signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, settings_class
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Principal, Role
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.names import uuid7
from ratoon.testkit.services import State, running
from ratoon.testkit.waiting import until

P = "projects/p"
DATASET = f"{P}/datasets/p"
WORDS = ("harbour", "lantern", "orchard", "compass", "violin", "garden", "engine")
PHRASE = "xylophones are what only this one letter ever mentions"
JSON = dict[str, Any]


def text(number: int) -> str:
    a, b = WORDS[number % 7], WORDS[number // 7 % 7]
    return f"Letter {number * 17} of the {a} goes by the {b} to number {number * 31}, and so on to its end."


class Environment:
    """All services in this process, and one client of their public API."""

    def __init__(self, state: State, url: str) -> None:
        token = state.signer("flywheel").token_for(Principal("flywheel", Role.SERVICE), 3600)
        self.state, self.client = state, Ratoon(base_url=url, api_key=token)
        self.store = ArtifactStore(f"{state.folder}/artifacts")

    def source(self, rows: list[JSON]) -> str:
        digest = self.client.blobs.upload("\n".join(map(json.dumps, rows)).encode())
        sources = self.client.sources
        return sources.create(P, format=SourceFormat.JSONL, digest=digest, license="CC0-1.0").name

    def dataset_version(self, *sources: str) -> DatasetVersion:
        versions = self.client.dataset_versions
        return versions.wait(versions.create(DATASET, sources=sources).name)

    def label_set(self, version: str, guideline: str, review: int | None = None) -> LabelSet:
        sets = self.client.label_sets
        created = sets.create(P, dataset_version=version, guideline=guideline, review_sample_size=review)
        return sets.wait(created.name)

    def split(self, version: str, labels: str) -> Split:
        splits, ratios = self.client.splits, SplitRatios(train=1)
        created = splits.create(DATASET, dataset_version=version, label_set_digest=labels, ratios=ratios)
        return splits.wait(created.name)

    def traffic(self, texts: list[str]) -> list[str]:
        """A segment as a gateway announces it; the ids of its answers."""
        ids, segment = AnswerIds.of_folder(self.state.folder / "keys"), f"{P}/trafficSegments/{uuid7()}"
        version, now = f"{P}/models/p/versions/v1.0", datetime.now(UTC)
        named = [ids.mint(version, segment) for _ in texts]
        rows = [
            {
                "answer_id": answer_id,
                "time": now.isoformat(),
                "deployment": f"{P}/deployments/p",
                "version": version,
                "messages": [{"role": "user", "content": prompt}],
                "answer": "ham",
                "status": 200,
            }
            for answer_id, prompt in zip(named, texts, strict=True)
        ]
        lines = "\n".join(map(json.dumps, rows)).encode()
        message = signal_pb2.TrafficSegment(deployment=f"{P}/deployments/p", answer_count=len(rows))
        message.digest = self.store.put_bytes(zstandard.compress(lines))
        message.start_time.FromDatetime(now)
        message.end_time.FromDatetime(now)
        gateway = FlywheelServiceStub(self.state.as_service("gateway", "flywheel"))
        gateway.CreateTrafficSegment(
            flywheel.CreateTrafficSegmentRequest(
                parent=P, traffic_segment_id=segment.rpartition("/")[2], traffic_segment=message
            )
        )
        return named

    def holding(self, phrase: str) -> list[str]:
        """Every file below the state folder that holds a text, plain or packed."""
        paths = (path for path in self.state.folder.rglob("*") if path.is_file())
        return [str(path) for path in paths if phrase.encode() in _plain(path.read_bytes())]


def _plain(data: bytes) -> bytes:
    if data.startswith(b"PAR1"):
        return repr(pq.read_table(io.BytesIO(data)).to_pylist()).encode()
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(data).read()
    return data


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("installation")
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"gateway": {"port": 0, "grpc": "off"}, "ingestion": {"processes": 1}}
    settings = [settings_class(name)(state=folder, **options.get(name, {})) for name in service_names()]
    try:
        with State(folder) as state, running(settings) as apps:
            gateway = next(app for app in apps if app.settings.service == "gateway")
            environment = Environment(state, f"http://127.0.0.1:{gateway.listeners[-1].port}")
            with environment.client:
                yield environment
    finally:
        _end_jobs(folder)


def _end_jobs(folder: Path) -> None:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)


def test_a_record_is_erased_from_every_service_and_every_file(environment):
    client = environment.client
    client.projects.create(project_id="p", labels=["ham", "spam"], instructions="Ham or spam?")
    client.datasets.create(P, dataset_id="p")
    texts = [f"{text(n)} {PHRASE}" if n == 11 else text(n) for n in range(40)]
    rows = [
        {"id": f"m-{n}", "text": body, "label": "spam" if n % 4 == 0 else "ham"}
        for n, body in enumerate(texts)
    ]
    source = environment.source(rows)
    version = environment.dataset_version(source).name
    guideline = client.guidelines.create(P, instructions="Say.", labels=["ham", "spam"]).name
    labels = environment.label_set(version, guideline, review=40)
    split = environment.split(version, labels.digest)
    record = next(each for each in client.records.list(version) if PHRASE in each.text)
    client.annotations.create(
        P, record_id=record.record_id, content_digest=record.content_digest, label="spam"
    )
    answers = environment.traffic([texts[3], texts[11], texts[5]])
    for answer_id in answers:
        client.chat.feedback(answer_id, thumb="down", comment="about the letter")
    assert len(environment.holding(PHRASE)) >= 4, "source, version, part and segment hold it"

    erasure = client.erasures.wait(
        client.erasures.create(P, record_ids=[record.record_id], reason="asked for").name
    )

    def is_held() -> bool:
        holders = (*client.annotations.list(P), *client.tasks.list(P))
        return any(each.record_id == record.record_id for each in holders)

    until(lambda: not is_held())
    until(lambda: not environment.holding(PHRASE))
    assert len(list(client.annotations.list(P))) == 39
    assert {each.answer_id for each in client.feedback.list(P)} == {answers[0], answers[2]}
    assert (erasure.dataset_versions, erasure.splits) == ([version], [split.name])

    lineage = client.records.lineage(P, record.record_id)
    assert lineage.dataset_versions == [version]
    assert lineage.erasure == erasure.name
    assert [placed.part for placed in lineage.placements] == [Part.TRAIN]
    assert refusal(lambda: train_on(client, split.name)) == "ARTIFACT_ERASED"
    assert refusal(lambda: environment.split(version, labels.digest)) == "VERSION_REDACTED"
    assert refusal(lambda: environment.label_set(version, guideline)) == "VERSION_REDACTED"
    assert refusal(lambda: environment.source(rows)) == "ARTIFACT_ERASED"

    again = environment.dataset_version(source, environment.source(rows[10:12]))
    assert (again.record_count, again.rejected_count) == (39, 2)
    assert not [each for each in client.records.list(again.name) if PHRASE in each.text]


def train_on(client: Ratoon, split: str) -> None:
    parts = client.splits.get(split)
    client.training_runs.create(
        P,
        train_digest=parts.train_digest,
        validation_digest=parts.validation_digest,
        recipe=Recipe(labels=["ham", "spam"]),
    )


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises((APIStatusError, OperationFailedError)) as error:
        call()
    return str(getattr(error.value, "reason", ""))
