"""An erased record is gone from an installation: all services, the public API, and every file."""

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from ratoon.client.raw.client import Client
from ratoon.client.raw.errors import ApiError, OperationFailed
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
        self.state, self.client = state, Client(url, token)
        self.store = ArtifactStore(f"{state.folder}/artifacts")

    def source(self, rows: list[JSON]) -> str:
        digest = self.client.upload("\n".join(map(json.dumps, rows)).encode())
        body = {"format": "FORMAT_JSONL", "digest": digest, "license": "CC0-1.0"}
        return str(self.client.create(f"{P}/sources", body)["name"])

    def create_and_wait(self, collection: str, body: JSON) -> JSON:
        return self.client.wait(self.client.create(collection, body)["name"])

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
            with closing(environment.client):
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
    client.create("projects", {"labels": ["ham", "spam"], "instructions": "Ham or spam?"}, "p")
    client.create(f"{P}/datasets", {}, "p")
    texts = [f"{text(n)} {PHRASE}" if n == 11 else text(n) for n in range(40)]
    rows = [
        {"id": f"m-{n}", "text": body, "label": "spam" if n % 4 == 0 else "ham"}
        for n, body in enumerate(texts)
    ]
    source = environment.source(rows)
    version = environment.create_and_wait(f"{DATASET}/versions", {"sources": [source]})["name"]
    guideline = client.create(f"{P}/guidelines", {"instructions": "Say.", "labels": ["ham", "spam"]})["name"]
    labels = environment.create_and_wait(
        f"{P}/labelSets", {"datasetVersion": version, "guideline": guideline, "reviewSampleSize": 40}
    )
    split_request = {"datasetVersion": version, "labelSetDigest": labels["digest"], "ratios": {"train": 1}}
    split = environment.create_and_wait(f"{DATASET}/splits", split_request)
    record = next(each for each in client.list(f"{version}/records") if PHRASE in each["text"])
    annotation = {"recordId": record["recordId"], "contentDigest": record["contentDigest"], "label": "spam"}
    client.create(f"{P}/annotations", annotation)
    answers = environment.traffic([texts[3], texts[11], texts[5]])
    for answer_id in answers:
        client.feedback(answer_id, thumb="down", comment="about the letter")
    assert len(environment.holding(PHRASE)) >= 4, "source, version, part and segment hold it"

    erasure = environment.create_and_wait(
        f"{P}/erasures", {"recordIds": [record["recordId"]], "reason": "asked for"}
    )

    def of_record(collection: str) -> list[JSON]:
        return [each for each in client.list(f"{P}/{collection}") if each["recordId"] == record["recordId"]]

    until(lambda: not of_record("annotations") and not of_record("tasks"))
    until(lambda: not environment.holding(PHRASE))
    assert len(list(client.list(f"{P}/annotations"))) == 39
    assert {each["answerId"] for each in client.list(f"{P}/feedback")} == {answers[0], answers[2]}
    assert (erasure["datasetVersions"], erasure["splits"]) == ([version], [split["name"]])

    lineage = client.get(f"{P}/records/{record['recordId']}:lineage")
    assert lineage["datasetVersions"] == [version]
    assert lineage["erasure"] == erasure["name"]
    part = client.get(split["name"])
    digests = {"trainDigest": part["trainDigest"], "validationDigest": part["validationDigest"]}
    body = {**digests, "recipe": {"labels": ["ham", "spam"]}}
    assert [placed["part"] for placed in lineage["placements"]] == ["PART_TRAIN"]
    assert refusal(lambda: client.create(f"{P}/trainingRuns", body)) == "ARTIFACT_ERASED"
    assert (
        refusal(lambda: environment.create_and_wait(f"{DATASET}/splits", split_request)) == "VERSION_REDACTED"
    )
    relabel = {"datasetVersion": version, "guideline": guideline}
    assert refusal(lambda: environment.create_and_wait(f"{P}/labelSets", relabel)) == "VERSION_REDACTED"
    assert refusal(lambda: environment.source(rows)) == "ARTIFACT_ERASED"

    again = environment.create_and_wait(
        f"{DATASET}/versions", {"sources": [source, environment.source(rows[10:12])]}
    )
    assert (int(again["recordCount"]), int(again["rejectedCount"])) == (39, 2)
    assert not [each for each in client.list(f"{again['name']}/records") if PHRASE in each["text"]]


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises((ApiError, OperationFailed)) as error:
        call()
    return str(getattr(error.value, "reason", ""))
