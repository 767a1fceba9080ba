"""An event of another room wakes the run that waits for its resource, and nothing else."""

from datetime import UTC, datetime

from ratoon.chassis import outbox
from ratoon.chassis.database import Database
from ratoon.chassis.operations import Operations, Step
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.store import Store
from ratoon.events.cloudevents import Event
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage, StageId, StageState, State
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState, Observation
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.entrypoints.events import TOPICS, waker

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Waiting:
    """Looks at a run that waits for its dataset."""

    kind = PipelineRun

    def __init__(self) -> None:
        self.looks = 0

    def observe(self, run, claim):
        self.looks += 1
        return Observation(child=Child(ChildState.WORKING))

    def step(self, run, seen, now):
        return Step(run, wake_after=3600.0)


def event(subject: str) -> Event:
    return Event("t", "ratoon.ingestion.v1.DatasetVersionCompleted", "ingestion", subject, NOW, b"")


def test_only_the_run_that_waits_for_a_resource_is_woken(tmp_path, databases):
    database = Database(databases.url_of_file(tmp_path / "flywheel.db"))
    clock, runs = FakeClock(), RunTables()
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), clock)
    waiting = Waiting()
    operations = Operations(store, tables.METADATA.tables["operations"], [waiting], clock)
    stages = (Stage(StageId.DATASET, StageState.RUNNING, "versions/v1"),)
    project = Project("projects/mail", NOW, NOW, ("ham", "spam"))
    run = PipelineRun("projects/mail/pipelineRuns/r", NOW, NOW, project, state=State.RUNNING, stages=stages)
    with store.write() as tx:
        run, _ = tx.create(run)
        operations.begin(tx, run)
        runs.note_child(tx, "versions/v1", run.name)
    wake = waker(store, operations, runs)
    operations.run_due()
    for subject, looks in (("versions/v2", 1), ("versions/v1", 2)):
        with database.write() as connection:
            wake(event(subject), connection)
        operations.run_due()
        assert waiting.looks == looks


def test_the_topics_of_every_room_that_does_a_stage_are_heard():
    rooms = {topic.split(".")[1] for topic in TOPICS}
    assert rooms == {"ingestion", "labeling", "training", "evaluation", "registry", "serving"}
