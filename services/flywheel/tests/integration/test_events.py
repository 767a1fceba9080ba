"""The end of a stage's resource wakes the run that waits for it, and nothing else; a lost event costs 15 s."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from ratoon.events.cloudevents import Event
from ratoon.events.consumer import Consumer
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import Topic
from ratoon.operations.operations import Operations, Step, _LeaseTime
from ratoon.operations.wakeups import SAFETY_NET_S
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.application import ports
from ratoon_flywheel.application.procedures import RunProcedure
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Products, StageId, StageState
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.entrypoints.events import END_TYPES, RUNS, TOPICS, WAKING, on_stage_end

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUN = "projects/mail/pipelineRuns/r"
VERSION = "versions/dataset"


class Stages:
    """The service of every stage; resources end when a test says so."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.created: list[str] = []
        self.ended = False

    def create(self, spec, request_id):
        self.created.append(type(spec).__name__)
        return VERSION if len(self.created) == 1 else f"versions/{len(self.created)}"

    def observe(self, resource):
        self.reads.append(resource)
        ended = self.ended and resource == VERSION
        return Child(
            ChildState.SUCCEEDED if ended else ChildState.WORKING,
            Products(dataset_version=VERSION) if ended else Products(),
        )

    def cancel(self, resource):
        raise AssertionError("no run is cancelled here")

    def production(self, project):
        return None


class Deciding:
    """Counts the decisions of policies."""

    kind = Policy

    def __init__(self) -> None:
        self.decisions = 0

    def observe(self, policy, claim):
        self.decisions += 1

    def step(self, policy, observation, now):
        return Step(policy, wake_after=3600.0)


class Flywheel:
    """The part of the flywheel that follows a run, at a clock that stands, over a log that delivers."""

    def __init__(self, database: Database, folder) -> None:
        self.clock, self.stages, self.watched = FakeClock(), Stages(), WatchedRuns()
        self.deciding = Deciding()
        with database.write() as connection:
            tables.METADATA.create_all(connection)
        self.store = Store(
            database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), self.clock
        )
        runs, services = RunTables(), ports.Stages(*[self.stages for _ in fields(ports.Stages)])
        procedure = RunProcedure(
            self.store, runs, services, self.stages, None, None, None, None, None, self.watched, self.clock
        )
        table = tables.METADATA.tables["operations"]
        self.operations = Operations(self.store, table, [procedure, self.deciding], self.clock)
        self.log = EmbeddedLog(folder / "events", self.clock)
        self.log.create_topics([Topic(name) for name in TOPICS])
        wake = on_stage_end(self.store, self.operations, runs)
        self.consumer = Consumer(
            "flywheel",
            TOPICS,
            wake,
            log=self.log,
            database=database,
            publish=outbox.append,
            clock=self.clock,
            idle_s=0.0,
        )
        project = Project("projects/mail", NOW, NOW, Classify(("ham", "spam")))
        with self.store.write() as tx:
            run, _ = tx.create(PipelineRun(RUN, NOW, NOW, project, sources=("projects/mail/sources/s",)))
            policy, _ = tx.create(Policy("projects/mail/policies/p", NOW, NOW))
            for resource in (run, policy):
                self.operations.begin(tx, resource)
        self.work()

    def work(self) -> int:
        """Work until nothing is due; return the number of reads of resources."""
        before = len(self.stages.reads)
        while self.operations.run_due():
            pass
        return len(self.stages.reads) - before

    def publish(self, *events: Event) -> None:
        self.log.append([event.record() for event in events])

    def deliver(self) -> int:
        """Deliver all events, working after each batch as the threads do; return the number of reads."""
        before, handled = len(self.stages.reads), -1
        while handled != self.consumer.consumed.handled:
            handled = self.consumer.consumed.handled
            self.consumer._step()
            self.work()
        self.clock.advance(0.05)
        self.work()
        return len(self.stages.reads) - before

    def labels(self) -> StageState:
        with self.store.read() as tx:
            return tx.get(PipelineRun, RUN).stage(StageId.LABELS).state


@pytest.fixture
def flywheel(tmp_path, databases, monkeypatch) -> Iterator[Flywheel]:
    # PostgreSQL's own clock would not stand.
    monkeypatch.setattr(_LeaseTime, "now", lambda time, _connection: ("test", time._clock.monotonic()))
    running = Flywheel(Database(databases.url_of_file(tmp_path / "flywheel.db")), tmp_path)
    yield running
    running.consumer.stop()
    running.store.database.close()


def event(subject: str = VERSION, kind: str = "DatasetVersionCompleted", revision: int = 0) -> Event:
    kind = f"ratoon.ingestion.v1.{kind}"
    return Event(WAKING[0], kind, "ingestion", subject, NOW, b"", revision=revision)


def test_the_next_stage_begins_by_event_without_a_poll(flywheel):
    flywheel.clock.advance(SAFETY_NET_S - 0.1)
    assert (flywheel.work(), flywheel.stages.created) == (0, ["BuildDataset"])
    flywheel.stages.ended = True
    flywheel.publish(event())
    reads_of_the_ended_and_of_the_new_resource = 2
    assert flywheel.deliver() == reads_of_the_ended_and_of_the_new_resource
    assert flywheel.labels() is StageState.RUNNING


def test_the_safety_net_catches_a_lost_event(flywheel):
    flywheel.stages.ended = True
    flywheel.clock.advance(SAFETY_NET_S - 0.1)
    assert flywheel.work() == 0
    flywheel.clock.advance(0.2)
    flywheel.work()
    assert flywheel.labels() is StageState.RUNNING


def test_many_events_at_once_are_one_observation(flywheel):
    flywheel.publish(*(event(revision=revision) for revision in range(1, 1001)))
    assert flywheel.deliver() == 1
    assert flywheel.consumer.consumed.handled == 1000


def test_events_that_end_nothing_and_those_of_other_resources_wake_nothing(flywheel):
    flywheel.publish(*(event(kind="DatasetVersionStarted", revision=n) for n in range(1, 100)))
    flywheel.publish(*(event(f"versions/other-{n}") for n in range(99)))
    assert flywheel.deliver() == 0


def test_an_earlier_stage_that_reports_again_wakes_nothing(flywheel):
    flywheel.stages.ended = True
    flywheel.publish(event())
    flywheel.deliver()
    flywheel.publish(event())
    assert flywheel.deliver() == 0


def test_the_end_of_a_run_wakes_the_policies_of_its_project(flywheel):
    before = flywheel.deciding.decisions
    started, ended = (f"ratoon.flywheel.v1.PipelineRun{verb}" for verb in ("Started", "Failed"))
    flywheel.publish(Event(RUNS, started, "flywheel", RUN, NOW, b""))
    flywheel.deliver()
    assert flywheel.deciding.decisions == before
    flywheel.publish(Event(RUNS, ended, "flywheel", RUN, NOW, b""))
    flywheel.deliver()
    assert flywheel.deciding.decisions == before + 1


def test_a_run_remembers_one_resource(flywheel):
    flywheel.stages.ended = True
    flywheel.publish(event())
    flywheel.deliver()
    with flywheel.store.read() as tx:
        rows = tx.connection.execute(select(tables.CHILDREN)).all()
    assert [tuple(row) for row in rows] == [("versions/2", RUN)]


def test_progress_is_read_each_second_while_a_caller_watches(flywheel):
    flywheel.clock.advance(SAFETY_NET_S + 0.1)
    with flywheel.watched.watching(RUN):
        assert flywheel.work() == 1
        for _ in range(3):
            flywheel.clock.advance(1.1)
            assert flywheel.work() == 1
    flywheel.clock.advance(1.1)
    assert flywheel.work() == 1
    flywheel.clock.advance(1.1)
    assert flywheel.work() == 0


def test_the_topics_of_every_service_that_does_a_stage_are_consumed():
    services = {topic.split(".")[1] for topic in WAKING}
    assert services == {"ingestion", "labeling", "training", "evaluation", "registry", "serving"}
    assert services | {"flywheel"} == {kind.split(".")[1] for kind in END_TYPES}
