"""CloudEvents of other systems start runs of a whole flywheel, by gRPC and from a topic; a restart neither loses nor
doubles one."""

import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import Record, Topic
from ratoon.flywheel.v1 import external_event_pb2, pipeline_run_pb2, policy_pb2, project_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.clock import SystemClock
from ratoon.process.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from ratoon.security.identity import Role
from ratoon.testkit.kafka import kafka_broker
from ratoon.testkit.services import running
from ratoon.testkit.waiting import until
from ratoon_flywheel.settings import Settings

__all__ = ["kafka_broker"]
PARENT = "projects/mail"
SOURCE = f"{PARENT}/sources/mails"
TOPIC = "lake.events"
Run = pipeline_run_pb2.PipelineRun
Event = external_event_pb2.ExternalEvent
FILTER = policy_pb2.Policy.EventFilter(type="com.example.object.*", source="/buckets/mail")
CE_HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "e-1",
    "ce_source": "/buckets/mail",
    "ce_type": "com.example.object.created",
    "ce_time": "2026-06-01T12:00:00Z",
    "content-type": "application/avro",
}
CRASHING = Path(__file__).with_name("crashing_flywheel.py")


def begin(flywheel: FlywheelServiceStub, **settings: object) -> None:
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?")
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    policy = policy_pb2.Policy(
        event_filters=[FILTER], **{"sources": [SOURCE], "cooldown_seconds": 0.0, **settings}
    )
    flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy_id="data", policy=policy))


def report(flywheel: FlywheelServiceStub, id: str = "e-1", **fields: object) -> Event:
    values = {"source": "/buckets/mail", "type": "com.example.object.created", **fields}
    event = Event(event_id=id, **values)
    return flywheel.CreateExternalEvent(pb.CreateExternalEventRequest(parent=PARENT, external_event=event))


def runs(flywheel: FlywheelServiceStub) -> list[Run]:
    return list(flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs)


def events(flywheel: FlywheelServiceStub) -> list[Event]:
    return list(flywheel.ListExternalEvents(pb.ListExternalEventsRequest(parent=PARENT)).external_events)


def record(id: str, binary: bool = False, **changes: str) -> Record:
    """An event as stock producers write it: without a key of ours."""
    values = {
        "specversion": "1.0",
        "id": id,
        "source": "/buckets/mail",
        "type": "com.example.object.created",
        "time": "2026-06-01T12:00:00Z",
        **changes,
    }
    if binary:
        headers = tuple((f"ce_{name}", text.encode()) for name, text in values.items())
        return Record(TOPIC, b"k", b"\x00avro", (*headers, ("content-type", b"application/avro")))
    structured = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    return Record(TOPIC, b"k", json.dumps({**values, "data": {"size": 3}}).encode(), structured)


def test_an_event_starts_a_run_from_the_sources_of_the_policy(flywheel, peers):
    begin(flywheel)
    reported = report(flywheel, subject="inbox/1.eml")
    assert report(flywheel, subject="inbox/1.eml").name == reported.name
    until(lambda: [run.state for run in runs(flywheel)] == [Run.STATE_SUCCEEDED])
    (run,) = runs(flywheel)
    assert (run.trigger, list(run.sources), run.event_count) == (Run.TRIGGER_EVENT, [SOURCE], 1)
    assert run.policy == f"{PARENT}/policies/data"
    assert run.starting_event.external_event == reported.name
    assert (run.starting_event.source, run.starting_event.event_id) == ("/buckets/mail", "e-1")
    assert "com.example.object.created e-1 of /buckets/mail" in run.trigger_reason
    (version,) = peers.created_resources("DatasetVersion")
    assert list(version.sources) == [SOURCE]
    taken = flywheel.GetExternalEvent(pb.GetExternalEventRequest(name=reported.name))
    assert (taken.state, taken.pipeline_run) == (Event.STATE_TAKEN, run.name)
    report(flywheel, subject="inbox/1.eml")
    report(flywheel, "e-2")
    until(lambda: len(runs(flywheel)) == 2)
    assert runs(flywheel)[1].starting_event.event_id == "e-2"


def test_what_is_refused_has_its_reason(flywheel, state):
    begin(flywheel)
    with pytest.raises(NotFound) as unexpected:
        report(flywheel, type="other")
    assert unexpected.value.reason == "EVENT_NOT_EXPECTED"
    with pytest.raises(InvalidArgument) as bad:
        report(flywheel, "")
    assert (bad.value.reason, bad.value.field) == ("BAD_EVENT", "external_event.event_id")
    report(flywheel)
    with pytest.raises(AlreadyExists) as reused:
        report(flywheel, subject="another")
    assert reused.value.reason == "EVENT_ID_REUSED"
    viewer = FlywheelServiceStub(state.as_role(Role.VIEWER, "flywheel", "mail"))
    with pytest.raises(PermissionDenied):
        report(viewer)
    policy = policy_pb2.Policy(event_filters=[FILTER], sources=["projects/other/sources/s"])
    with pytest.raises(InvalidArgument) as other:
        flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy=policy))
    assert other.value.reason == "OTHER_PROJECT"


def test_settings_of_events_are_updated_and_deleted_with_the_project(flywheel, state):
    begin(flywheel, paused=True)
    report(flywheel)
    name = f"{PARENT}/policies/data"
    change = pb.UpdatePolicyRequest(policy=policy_pb2.Policy(name=name))
    change.update_mask.paths.extend(["event_filters", "sources"])
    changed = flywheel.UpdatePolicy(change)
    assert (list(changed.event_filters), list(changed.sources)) == ([], [])
    with pytest.raises(NotFound):
        report(flywheel, "e-2")
    operator = FlywheelServiceStub(state.as_role(Role.OPERATOR, "flywheel"))
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert events(flywheel) == []


def test_events_of_a_topic_start_runs_once_over_a_restart(state, peers, databases):
    url = databases.url("flywheel", state.folder)
    settings = Settings(state=state.folder, database_url=url, event_topics=f" {TOPIC},")
    flywheel = FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))
    with closing(EmbeddedLog(state.folder / "events", SystemClock())) as log:
        log.create_topics([Topic(TOPIC)])
        with running([settings]):
            begin(flywheel, cooldown_seconds=3600.0)
            log.append([record("e-1"), record("e-1", binary=True), record("e-2", type="other"), record("")])
            log.append([Record(TOPIC, b"k", b"no event")])
            until(lambda: len(runs(flywheel)) == 1)
            assert [(event.event_id, event.topic) for event in events(flywheel)] == [("e-1", TOPIC)]
            assert runs(flywheel)[0].starting_event.event_id == "e-1"
        log.append([record("e-1"), record("e-3")])
        with running([settings]):
            until(lambda: len(events(flywheel)) == 2)
            assert [event.state for event in events(flywheel)] == [Event.STATE_TAKEN, Event.STATE_WAITING]
            assert len(runs(flywheel)) == 1


@pytest.mark.kafka
def test_a_stock_producer_on_kafka_starts_a_run(state, peers, databases, kafka_broker):
    server, topic = kafka_broker.direct, f"lake-{uuid.uuid4().hex[:8]}"
    with closing(KafkaAdminClient(bootstrap_servers=server)) as admin:
        admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})
    headers = [(name, value.encode()) for name, value in CE_HEADERS.items()]
    structured = [("content-type", b"application/cloudevents+json")]
    with closing(KafkaProducer(bootstrap_servers=server)) as producer:
        producer.send(topic, b"\x00avro", headers=headers)
        producer.send(topic, record("e-1").value, key=b"k", headers=structured)
        producer.send(topic, None, key=b"tombstone")
        producer.send(topic, b"no event")
        producer.flush()
    url = databases.url("flywheel", state.folder)
    settings = Settings(
        state=state.folder, database_url=url, event_topics=topic, event_topics_log=f"kafka://{server}"
    )
    flywheel = FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))
    with running([settings.model_copy(update={"event_topics": ""})]):
        begin(flywheel, cooldown_seconds=3600.0)
    for _ in range(2):
        with running([settings]):
            until(lambda: len(runs(flywheel)) == 1, 60.0)
            assert [(event.event_id, event.topic) for event in events(flywheel)] == [("e-1", topic)]
            assert runs(flywheel)[0].starting_event.event_id == "e-1"


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("before receipt", marks=pytest.mark.thorough),
        "after receipt",
        pytest.param("after offsets", marks=pytest.mark.thorough),
        pytest.param("before run", marks=pytest.mark.thorough),
        "after run",
    ],
)
def test_d42_a_kill_at_any_point_neither_loses_nor_doubles_an_event(tmp_path, point):
    database = f"sqlite:///{tmp_path / 'flywheel.db'}"
    with closing(EmbeddedLog(tmp_path / "events", SystemClock())) as log:
        log.create_topics([Topic(TOPIC, partitions=1)])
        log.append([record("e-1"), record("e-2", binary=True)])
    command = [sys.executable, str(CRASHING), str(tmp_path / "events"), database, TOPIC]
    killed = subprocess.run([*command, point], capture_output=True, timeout=60, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    whole = subprocess.run([*command, ""], capture_output=True, timeout=60, env=os.environ)
    assert whole.returncode == 0, whole.stderr.decode()
    stored = json.loads(whole.stdout)
    assert sorted(stored["events"]) == ["e-1", "e-2"]
    assert stored["taken"] == [stored["runs"][0]["name"]] * 2
    assert [run["events"] for run in stored["runs"]] == [2]
