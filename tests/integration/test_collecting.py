"""Feedback and wrong answers become dataset versions by the command line, over all services in one process."""

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from google.protobuf.timestamp_pb2 import Timestamp

from ratoon import cli
from ratoon.client import Ratoon
from ratoon.client.local_data import create_source
from ratoon.client.types import Domain, EvaluationRun, GateRule, GateRuleKind
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, settings_class
from ratoon.security.answers import AnswerIds
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.names import uuid7
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.services import State, running

Program = Callable[..., tuple[int, str, str]]
P = "projects/mail"
VERSION = f"{P}/models/mail/versions/v1.0"
QUESTIONS = (
    "When does the shop open on Sunday?",
    "Is breakfast included?",
    "May I bring a dog?",
    "Is it far?",
)


@dataclass
class Platform:
    """All services: the address of their gateway, the operator's key, and answers that they captured."""

    state: State
    url: str
    key: str
    ids: AnswerIds = field(init=False)

    def __post_init__(self) -> None:
        self.ids = AnswerIds.of_folder(self.state.folder / "keys")

    def captured(self, *answers: tuple[str, str]) -> list[str]:
        """Store a segment of questions and answers as a gateway does; return the ids of the answers."""
        segment = f"{P}/trafficSegments/{uuid7()}"
        began = datetime.now(UTC) - timedelta(minutes=1)
        rows = [
            {
                "answer_id": self.ids.mint(VERSION, segment),
                "time": (began + timedelta(milliseconds=place)).isoformat(),
                "deployment": f"{P}/deployments/mail",
                "version": VERSION,
                "user": f"user {place}",
                "messages": [{"role": "user", "content": question}],
                "answer": answer,
                "status": 200,
            }
            for place, (question, answer) in enumerate(answers)
        ]
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        digest = ArtifactStore(str(self.state.folder / "artifacts")).put_bytes(zstandard.compress(lines))
        time = Timestamp()
        time.FromDatetime(began)
        spec = signal_pb2.TrafficSegment(
            deployment=f"{P}/deployments/mail",
            digest=digest,
            answer_count=len(rows),
            start_time=time,
            end_time=time,
        )
        request = pb.CreateTrafficSegmentRequest(
            parent=P, traffic_segment_id=segment.rpartition("/")[2], traffic_segment=spec
        )
        FlywheelServiceStub(self.state.as_service("gateway", "flywheel")).CreateTrafficSegment(request)
        return [str(row["answer_id"]) for row in rows]

    def say(self, **feedback: Any) -> None:
        """Give feedback as a caller does."""
        headers = {"authorization": f"Bearer {self.key}"}
        response = httpx.post(f"{self.url}/v1/feedback", json=feedback, headers=headers)
        assert response.status_code == 200, response.text


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("installation")
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"gateway": {"port": 0, "grpc": "off"}, "ingestion": {"processes": 1}}
    settings = [settings_class(name)(state=folder, **options.get(name, {})) for name in service_names()]
    with State(folder) as state, running(settings) as apps:
        gateway = next(app for app in apps if app.settings.service == "gateway")
        key = (folder / "keys" / "operator.key").read_text().strip()
        yield Platform(state, f"http://127.0.0.1:{gateway.listeners[-1].port}", key)


@pytest.fixture
def ratoon(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """Run the program with the operator's role: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("RATOON_URL", platform.url)
    monkeypatch.setenv("RATOON_API_KEY", platform.key)
    monkeypatch.setenv("RATOON_PROJECT", "mail")

    def run(*arguments: str) -> tuple[int, str, str]:
        cli._SESSION.__dict__.pop("client", None)
        monkeypatch.setattr(sys, "argv", ["ratoon", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, " ".join(printed.err.split())

    return run


@pytest.fixture(scope="module")
def evaluated(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> EvaluationRun:
    """An evaluation run of a model that calls every mail ham, on a split of this installation."""
    folder, parent = tmp_path_factory.mktemp("evaluated"), "projects/sort"
    client = Ratoon(base_url=platform.url, api_key=platform.key)
    client.projects.create(project_id="sort", labels=["ham", "spam"], instructions="Ham or spam?")
    words = {
        "ham": "agenda meeting patch review branch release",
        "spam": "prize winner cheap loan click offer",
    }
    rows = [
        {
            "text": f"Mail {n} of the day: {' '.join(random.Random(n).choices(words[label].split(), k=9))}",
            "label": label,
        }
        for n in range(120)
        for label in words
    ]
    file = folder / "mails.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = create_source(client, parent, file)
    client.datasets.create(parent, dataset_id="sort")
    version = client.dataset_versions.create(f"{parent}/datasets/sort", sources=[source.name])
    version = client.dataset_versions.wait(version.name)
    guideline = client.guidelines.create(parent, labels=["ham", "spam"], instructions="Ham or spam?")
    labels = client.label_sets.create(parent, dataset_version=version.name, guideline=guideline.name)
    digest = client.label_sets.wait(labels.name).digest
    split = client.splits.create(
        f"{parent}/datasets/sort", dataset_version=version.name, label_set_digest=digest
    )
    split = client.splits.wait(split.name)
    candidate = client.blobs.upload_tree(tiny_llama(folder / "model", answer="ham"))
    run = client.evaluation_runs.create(
        parent,
        candidate_digest=candidate,
        labels=["ham", "spam"],
        domains=[Domain(name="new", split=split.name)],
        gate=[GateRule(kind=GateRuleKind.BEATS_MAJORITY, domain="new")],
    )
    return client.evaluation_runs.wait(run.name)


def test_wrong_answers_are_collected_into_a_dataset_version_and_a_labelling_queue(
    ratoon, evaluated, monkeypatch
):
    """The records of a sealed test part go from evaluation over ingestion into the queue of annotators."""
    monkeypatch.setenv("RATOON_PROJECT", "sort")
    run = evaluated.name.rpartition("/")[2]
    wrong = evaluated.results[0].wrong_answer_count
    assert wrong > 5
    status, printed, errors = ratoon("evaluations", "collect", run, "--count", "5", "-o", "json")
    assert status == 0, errors
    first = json.loads(printed)
    assert (first["name"], first["recordCount"]) == ("projects/sort/datasets/sort-bad-cases/versions/v1", "5")
    # Records of a test part stay sealed, wherever they are: lists leave them out.
    assert json.loads(ratoon("list", "records", "--in", first["name"], "-o", "json")[1]) == []
    status, printed, errors = ratoon("evaluations", "collect", run, "--label", "-o", "json")
    assert status == 0, errors
    assert "Adding a version to projects/sort/datasets/sort-bad-cases." in errors
    assert json.loads(printed)["datasetVersion"] == "projects/sort/datasets/sort-bad-cases/versions/v2"
    # So are their tasks, but for whom a reading is logged.
    assert json.loads(ratoon("list", "tasks", "-o", "json")[1]) == []
    reader = ("--reader", evaluated.name, "--purpose", "What the model got wrong")
    status, printed, errors = ratoon("labels", "tasks", *reader, "-o", "json")
    assert status == 0, errors
    tasks = json.loads(printed)
    assert len(tasks) == wrong
    assert {(each["proposedLabel"], each["reason"]) for each in tasks} == {("spam", "review-sample")}
    status, _, errors = ratoon("evaluations", "collect", run, "--domain", "old")
    assert (status, "domains" in errors) == (2, True), errors


@pytest.fixture
def answered(ratoon: Program, platform: Platform, tmp_path: Path) -> list[str]:
    """A project of free text, and answers with a correction, a preference, a thumb, and one that stays private."""
    file = tmp_path / "project.yaml"
    file.write_text("task: {generate: {}}\ninstructions: Answer.\n")
    status, _, errors = ratoon("create", "projects", "mail", "-f", str(file), "--request-id", "project")
    assert status == 0, errors
    ids = platform.captured(
        *((question, f"An answer to {question}") for question in QUESTIONS),
        (QUESTIONS[1], "Breakfast is included from seven to ten."),
    )
    platform.say(id=ids[0], correction="The shop opens at nine on Sunday.", user="ann")
    platform.say(preferred_answer_id=ids[4], rejected_answer_id=ids[1], user="bob")
    platform.say(id=ids[2], thumb="down", user="ann")
    platform.say(id=ids[3], correction="It is private.", consent="none")
    return ids


def test_feedback_is_collected_into_a_dataset_version_with_its_provenance(ratoon, answered, tmp_path):
    status, printed, errors = ratoon("feedback", "collect", "-o", "json")
    assert status == 0, errors
    assert "1 CONSENT" in errors
    version = json.loads(printed)
    assert (version["name"], version["recordCount"]) == (f"{P}/datasets/mail-feedback/versions/v1", "3")
    listed = ratoon("list", "records", "--in", version["name"], "-o", "json")[1]
    by_form = {each["attributes"]["feedback"]: each for each in json.loads(listed)}
    assert {name: each["attributes"]["record_kind"] for name, each in by_form.items()} == {
        "CORRECTION": "answer",
        "PREFERENCE": "preference",
        "UNPAIRED_PREFERENCE": "unpaired_preference",
    }
    for each in by_form.values():
        attributes = each["attributes"]
        assert (attributes["version"], attributes["consent"]) == (VERSION, "TRAINING")
        assert attributes["user"]
    assert len({each["attributes"]["user"] for each in by_form.values()}) == 2
    corrected = by_form["CORRECTION"]["example"]
    assert corrected["answers"] == ["The shop opens at nine on Sunday."]
    assert [each["content"] for each in corrected["messages"]] == [QUESTIONS[0]]
    pair = by_form["PREFERENCE"]["example"]
    assert (pair["answers"], pair["rejected"]) == (
        ["Breakfast is included from seven to ten."],
        f"An answer to {QUESTIONS[1]}",
    )
    assert by_form["UNPAIRED_PREFERENCE"]["example"]["good"] is False

    pairs = tmp_path / "pairs.jsonl"
    status, printed, errors = ratoon("feedback", "collect", "--form", "preference", "--file", str(pairs))
    assert status == 0, errors
    (row,) = map(json.loads, pairs.read_text().splitlines())
    assert set(row) == {
        "id",
        "time",
        "version",
        "user",
        "consent",
        "feedback",
        "prompt",
        "chosen",
        "rejected",
    }
    assert ratoon("feedback", "collect", "--form", "preference", "--file", str(pairs))[0] == 2


def test_feedback_of_another_time_and_purpose_is_left_out(ratoon, answered):
    status, _, errors = ratoon("feedback", "collect", "--until", "2020-01-01")
    assert (status, "becomes a record" in errors) == (1, True), errors
    status, printed, errors = ratoon(
        *("export", "feedback", "--purpose", "evaluation", "--forms", "unpaired-preference", "-o", "json")
    )
    assert status == 0, errors
    assert json.loads(printed)["recordCounts"] == {"UNPAIRED_PREFERENCE": "1"}
    status, _, errors = ratoon("export", "feedback", "--purpose", "none")
    assert (status, "purpose" in errors) == (2, True), errors
