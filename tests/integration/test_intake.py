"""Answers enter a labelling queue by rules, and people's labels return as feedback: flywheel and labeling together.

The texts are the descriptions of installed packages. Evaluation and ingestion are scripted.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import grpc
import pytest
import zstandard

from ratoon.evaluation.v1 import evaluation_run_pb2, evaluation_service_pb2
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import (
    EvaluationServiceServicer,
    add_EvaluationServiceServicer_to_server,
)
from ratoon.flywheel.v1 import flywheel_service_pb2 as flywheel_pb
from ratoon.flywheel.v1 import project_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1 import ingestion_service_pb2, split_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import (
    IngestionServiceServicer,
    add_IngestionServiceServicer_to_server,
)
from ratoon.labeling.v1 import annotation_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as labeling_pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import InvalidArgument, NotFound
from ratoon.runtime.settings import socket_address
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Role
from ratoon.serving.v1 import deployment_pb2
from ratoon.serving.v1.serving_service_pb2_grpc import (
    ServingServiceServicer,
    add_ServingServiceServicer_to_server,
)
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.services import State, answering, running
from ratoon.testkit.waiting import until
from ratoon_flywheel.settings import Settings as FlywheelSettings
from ratoon_labeling.settings import Settings as LabelingSettings

PARENT = "projects/p"
VERSION = f"{PARENT}/models/p/versions/v1.0"
DEPLOYMENT = f"{PARENT}/deployments/p"
RUN = f"{PARENT}/evaluationRuns/first"
SPLIT = f"{PARENT}/datasets/d/splits/s"
DATASET_VERSION = f"{PARENT}/datasets/d/versions/v1"
Rule = queue_pb2.Queue.IntakeRule


def texts() -> list[str]:
    """Return what the authors of installed packages say of them."""
    return sorted({each.metadata["Summary"] for each in distributions() if each.metadata["Summary"]})


class Evaluation(EvaluationServiceServicer):
    """One run with two wrong answers."""

    def GetEvaluationRun(self, request, context):
        if request.name != RUN:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} does not exist.")
        run = evaluation_run_pb2.EvaluationRun(
            name=RUN, state=evaluation_run_pb2.EvaluationRun.STATE_SUCCEEDED
        )
        run.domains.add(name="new", split=SPLIT)
        return run

    def ListBadCases(self, request, context):
        cases = [
            evaluation_run_pb2.BadCase(
                record_id=each * 64, domain="new", label="typed", predicted="untyped", text="A text"
            )
            for each in "ab"
        ]
        return evaluation_service_pb2.ListBadCasesResponse(bad_cases=cases)


class Ingestion(IngestionServiceServicer):
    """The split of the run."""

    def GetSplit(self, request, context):
        return split_pb2.Split(name=request.name, dataset_version=DATASET_VERSION)

    def CheckSealedRecords(self, request, context):
        return ingestion_service_pb2.CheckSealedRecordsResponse(sealed=[False] * len(request.records))


class Serving(ServingServiceServicer):
    """The deployment of the project."""

    def GetDeployment(self, request, context):
        if request.name != DEPLOYMENT:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} does not exist.")
        return deployment_pb2.Deployment(name=request.name)


@dataclass
class Installation:
    """Flywheel and labeling in one process, with callers of both."""

    state: State
    artifacts: ArtifactStore
    number: int = 0

    @property
    def flywheel(self) -> FlywheelServiceStub:
        return FlywheelServiceStub(self.state.as_role(Role.ENGINEER, "flywheel"))

    @property
    def labeling(self) -> LabelingServiceStub:
        return LabelingServiceStub(self.state.as_role(Role.ENGINEER, "labeling"))

    @property
    def annotator(self) -> LabelingServiceStub:
        return LabelingServiceStub(self.state.as_role(Role.ANNOTATOR, "labeling", "p", "ann"))

    def running(self):
        return running([each(state=self.state.folder) for each in (FlywheelSettings, LabelingSettings)])

    def answered(self, contents: list[str], confidences: tuple[float, ...] = ()) -> list[str]:
        """A segment of answers `typed`, as a gateway announces it; their ids."""
        self.number += 1
        segment = f"{PARENT}/trafficSegments/s{self.number}"
        began = datetime.now(UTC) - timedelta(seconds=1)
        ids = [AnswerIds.of_folder(self.state.folder / "keys").mint(VERSION, segment) for _ in contents]
        rows = [
            {
                "answer_id": id,
                "time": began.isoformat(),
                "deployment": DEPLOYMENT,
                "version": VERSION,
                "messages": [{"role": "user", "content": text}],
                "answer": "typed",
                "status": 200,
                **({"confidence": confidences[place]} if confidences else {}),
            }
            for place, (id, text) in enumerate(zip(ids, contents, strict=True))
        ]
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        spec = signal_pb2.TrafficSegment(
            deployment=DEPLOYMENT,
            digest=self.artifacts.put_bytes(zstandard.compress(lines)),
            answer_count=len(ids),
        )
        spec.start_time.FromDatetime(began)
        spec.end_time.FromDatetime(began)
        gateway = FlywheelServiceStub(self.state.as_service("gateway", "flywheel"))
        gateway.CreateTrafficSegment(
            flywheel_pb.CreateTrafficSegmentRequest(
                parent=PARENT, traffic_segment_id=f"s{self.number}", traffic_segment=spec
            )
        )
        return ids

    def say(self, answer_id: str, **fields: object) -> None:
        caller = FlywheelServiceStub(self.state.as_role(Role.CALLER, "flywheel", "p"))
        feedback = signal_pb2.Feedback(answer_id=answer_id, **fields)
        caller.CreateFeedback(flywheel_pb.CreateFeedbackRequest(parent=PARENT, feedback=feedback))

    def queue(self, queue_id: str, *rules: Rule) -> str:
        queue = queue_pb2.Queue(guideline=f"{PARENT}/guidelines/g", intake_rules=rules)
        request = labeling_pb.CreateQueueRequest(parent=PARENT, queue_id=queue_id, queue=queue)
        name = self.labeling.CreateQueue(request).name
        until(lambda: self._follows(name, len(rules)), 20, "the rules are followed")
        return name

    def _follows(self, queue: str, count: int) -> bool:
        """Return whether the positions of all rules are stored: answers before them do not count."""
        from ratoon.storage.database import Database
        from ratoon_labeling.adapters.tables import RESOURCES
        from ratoon_labeling.domain.intake import Intake

        database = Database(LabelingSettings(state=self.state.folder).database_url)
        try:
            with database.read() as connection:
                table = RESOURCES[Intake]
                body = connection.execute(table.select().where(table.c.parent == queue)).one().body
        finally:
            database.close()
        return len(json.loads(body).get("positions", {})) == count

    def counts(self, queue: str) -> dict[str, int]:
        stored = self.labeling.GetQueue(labeling_pb.GetQueueRequest(name=queue))
        return {each.rule: each.task_count for each in stored.intake_counts if each.task_count}

    def claim(self, queue: str) -> annotation_pb2.Task:
        request = labeling_pb.ClaimTaskRequest(parent=PARENT, queue=queue)
        return self.annotator.ClaimTask(request).task

    def complete(self, task: str, label: str) -> None:
        self.annotator.CompleteTask(labeling_pb.CompleteTaskRequest(name=task, label=label))

    def tasks(self, queue: str) -> list[annotation_pb2.Task]:
        listed = self.labeling.ListTasks(labeling_pb.ListTasksRequest(parent=PARENT, page_size=1000)).tasks
        return [each for each in listed if each.queue == queue]


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("intake")
    with State(folder) as state, ExitStack() as stack:
        for service, add, servicer in (
            ("evaluation", add_EvaluationServiceServicer_to_server, Evaluation()),
            ("ingestion", add_IngestionServiceServicer_to_server, Ingestion()),
            ("serving", add_ServingServiceServicer_to_server, Serving()),
        ):
            address = socket_address(folder, service)
            Path(address.removeprefix("unix://")).parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(answering(address, partial(add, servicer)))
        installation = Installation(state, ArtifactStore(str(folder / "artifacts")))
        with installation.running():
            project = project_pb2.Project(labels=["typed", "untyped"], instructions="Typed?")
            installation.flywheel.CreateProject(
                flywheel_pb.CreateProjectRequest(project_id="p", project=project)
            )
            guideline = annotation_pb2.Guideline(instructions="Typed?", labels=["typed", "untyped"])
            installation.labeling.CreateGuideline(
                labeling_pb.CreateGuidelineRequest(parent=PARENT, guideline_id="g", guideline=guideline)
            )
            yield installation


def test_low_rated_answers_are_labelled_and_return_as_corrections(installation):
    queue = installation.queue("low", Rule(id="low", low_rated=Rule.LowRated(conflicts=True)))
    contents = texts()[:6]
    disliked, liked, forbidden, rated, *pair = installation.answered([*contents[:4], *contents[4:5] * 2])
    installation.say(disliked, thumb=-1)
    installation.say(liked, thumb=1)
    installation.say(forbidden, thumb=-1, consent=signal_pb2.Feedback.CONSENT_NONE)
    installation.say(rated, rating=2)
    installation.say(pair[0], correction="typed")
    installation.say(pair[1], correction="untyped")
    until(lambda: installation.counts(queue).get("low") == 3, 20, "three answers entered")
    entered = {each.answer_id for each in installation.tasks(queue)}
    assert entered == {disliked, rated, pair[1]}
    while (task := installation.claim(queue)).name:
        assert task.text == dict(zip((disliked, liked, forbidden, rated), contents, strict=False)).get(
            task.answer_id, contents[4]
        )
        assert (task.proposed_label, task.model_version) == ("typed", VERSION)
        installation.complete(task.name, "untyped")
    stored = partial(installation.labeling.GetQueue, labeling_pb.GetQueueRequest(name=queue))
    until(lambda: stored().intake_counts[0].returned_count == 3, 20, "labels returned")
    request = flywheel_pb.ListFeedbackRequest(parent=PARENT, page_size=100)
    returned = [each for each in installation.flywheel.ListFeedback(request).feedback if each.task]
    assert {each.answer_id for each in returned} == entered
    assert {each.correction for each in returned} == {"untyped"}
    task = installation.labeling.GetTask(labeling_pb.GetTaskRequest(name=returned[0].task))
    assert task.feedback == returned[0].name
    exported = installation.flywheel.ExportFeedback(flywheel_pb.ExportFeedbackRequest(parent=PARENT))
    assert exported.record_counts["CORRECTION"] == 3
    assert exported.left_out_counts["CONSENT"] == 1


def test_traffic_enters_once_by_chance_and_within_its_limits(installation):
    queue = installation.queue(
        "traffic",
        Rule(id="some", traffic=Rule.Traffic(share=0.9), max_tasks=8),
        Rule(id="doubtful", traffic=Rule.Traffic(share=0.1, choice=Rule.CHOICE_UNCERTAIN)),
    )
    contents = texts()[10:50]
    confidences = tuple(0.9 - 0.02 * place for place in range(40))
    ids = installation.answered(contents, confidences)
    until(lambda: installation.counts(queue) == {"some": 8, "doubtful": 4}, 20, "answers entered")
    tasks = installation.tasks(queue)
    by_rule = {
        rule: {each.answer_id for each in tasks if each.intake_rule == rule} for rule in ("some", "doubtful")
    }
    assert by_rule["doubtful"] == set(ids[-4:])
    assert len(by_rule["some"] - by_rule["doubtful"]) == 8
    assert by_rule["some"] < set(ids)


def test_nothing_enters_twice_after_a_restart_of_the_reading(installation):
    queue = installation.queue("again", Rule(id="low", low_rated=Rule.LowRated()))
    (answer,) = installation.answered(texts()[60:61])
    installation.say(answer, thumb=-1)
    until(lambda: installation.counts(queue) == {"low": 1}, 20, "the answer entered")
    for _ in range(2):
        installation.say(answer, thumb=-1, comment="again")
        rule = Rule(id="low", low_rated=Rule.LowRated(), max_per_day=50)
        changed = queue_pb2.Queue(name=queue, intake_rules=[rule])
        installation.labeling.UpdateQueue(labeling_pb.UpdateQueueRequest(queue=changed))
    (other,) = installation.answered(texts()[61:62])
    installation.say(other, thumb=-1)
    until(lambda: installation.counts(queue) == {"low": 2}, 20, "the other answer entered")
    assert sorted(each.answer_id for each in installation.tasks(queue)) == sorted([answer, other])


def test_bad_cases_become_tasks_about_their_records(installation):
    rule = Rule(id="bad", bad_cases=Rule.BadCases(evaluation_run="first"))
    queue = installation.queue("cases", rule)
    until(lambda: installation.counts(queue) == {"bad": 2}, 20, "bad cases entered")
    tasks = installation.tasks(queue)
    assert {each.record_id for each in tasks} == {"a" * 64, "b" * 64}
    assert {(each.dataset_version, each.evaluation_run) for each in tasks} == {(DATASET_VERSION, RUN)}
    assert {(each.proposed_label, each.suggested_label) for each in tasks} == {("typed", "untyped")}


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ((), "Name a dataset version"),
        ((Rule(id="a", traffic=Rule.Traffic(share=2)),), "choose 0.001 to 1"),
        ((Rule(id="A b", low_rated=Rule.LowRated()),), "1 to 63 characters"),
        ((Rule(id="a"),), "names no source"),
        ((Rule(id="a", low_rated=Rule.LowRated()),) * 2, "different ids"),
    ],
    ids=["no-records", "share", "id", "no-source", "same-ids"],
)
def test_rules_that_are_not_valid_are_refused(installation, rules, sentence):
    queue = queue_pb2.Queue(guideline=f"{PARENT}/guidelines/g", intake_rules=rules)
    with pytest.raises(InvalidArgument, match=sentence):
        installation.labeling.CreateQueue(
            labeling_pb.CreateQueueRequest(parent=PARENT, queue_id="x", queue=queue)
        )


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        (Rule(id="a", traffic=Rule.Traffic(deployment="typo")), "deployments/typo"),
        (Rule(id="a", low_rated=Rule.LowRated(deployment="typo")), "deployments/typo"),
        (Rule(id="a", bad_cases=Rule.BadCases(evaluation_run="typo")), "evaluationRuns/typo"),
    ],
    ids=["traffic", "low-rated", "bad-cases"],
)
def test_a_rule_names_what_exists(installation, rule, missing):
    queue = queue_pb2.Queue(guideline=f"{PARENT}/guidelines/g", intake_rules=[rule])
    request = labeling_pb.CreateQueueRequest(parent=PARENT, queue_id="typo", queue=queue)
    with pytest.raises(NotFound, match=missing):
        installation.labeling.CreateQueue(request)
    known = Rule(id="b", traffic=Rule.Traffic(deployment="p"))
    name = installation.queue(
        f"known-{missing.partition('/')[0].lower()}-{rule.WhichOneof('source')[:3]}", known
    )
    changed = queue_pb2.Queue(name=name, intake_rules=[known, rule])
    with pytest.raises(NotFound, match=missing):
        installation.labeling.UpdateQueue(labeling_pb.UpdateQueueRequest(queue=changed))
