"""The procedure of a resource that one job computes, over a job runner in memory."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

import pytest
from sqlalchemy import MetaData

from ratoon.events.ports import Record
from ratoon.operations.job_machine import Action, Failed, Failure, JobObservation, Phase, Progress, step
from ratoon.operations.job_procedure import JobProcedure, WorkerJobs, observed, perform
from ratoon.operations.jobs import JobProgress, JobState, JobStatus
from ratoon.operations.operations import Claim, Operations, operations_table
from ratoon.process.errors import Description
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table
from ratoon.testkit.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLAIM = Claim("projects/p/reports/r", 1)


class State(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        return self in (State.DONE, State.FAILED)


@dataclass(frozen=True)
class Report:
    name: str = CLAIM.name
    create_time: datetime = NOW
    update_time: datetime = NOW
    revision: int = 0
    state: State = State.QUEUED
    progress: Progress = Progress()
    failure: Failure = Failure()
    attempts: int = 0
    cancel_requested: bool = False

    def with_failure(self, failure: Failure) -> "Report":
        return replace(self, failure=failure)


def written(report: Report, text: str) -> tuple[Report, str]:
    return replace(report, state=State.DONE), f"{text} was written"


class Runner:
    """One job, and the calls for it."""

    def __init__(self) -> None:
        self.now = JobObservation[str](Phase.ABSENT)
        self.calls: list[tuple[str, ...]] = []

    def observe(self, job_id: str) -> JobObservation[str]:
        return self.now

    def start(self, job_id: str, job: str) -> None:
        self.calls.append(("start", job_id, job))

    def stop(self, job_id: str) -> None:
        self.calls.append(("stop", job_id))

    def forget(self, job_id: str) -> None:
        self.calls.append(("forget", job_id))


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def procedure(runner: Runner) -> JobProcedure[Report, str, str]:
    return JobProcedure(
        Report,
        "write",
        runner,
        lambda report: f"attempt {report.attempts}",
        partial(step, complete=written),
        0.5,
    )


WORKING = Report(state=State.RUNNING, attempts=1)
JOB = CLAIM.action_id("write")


def test_a_job_is_started_with_its_input_under_an_id_of_its_operation(procedure, runner):
    started = procedure.step(Report(), procedure.observe(Report(), CLAIM), NOW)
    assert (started.actions, started.wake_after, started.done) == ((Action.START,), 0.5, False)
    procedure.act(started.resource, Action.START, CLAIM)
    assert runner.calls == [("start", JOB, "attempt 1")]


def test_a_lost_job_is_forgotten_and_started_again_after_its_delay(procedure, runner):
    runner.now = JobObservation(Phase.LOST)
    waiting = procedure.step(WORKING, procedure.observe(WORKING, CLAIM), NOW + timedelta(seconds=0.25))
    assert (waiting.actions, waiting.wake_after) == ((), 0.75)
    restarted = procedure.step(WORKING, procedure.observe(WORKING, CLAIM), NOW + timedelta(seconds=1))
    procedure.act(restarted.resource, Action.RESTART, CLAIM)
    assert runner.calls == [("forget", JOB), ("start", JOB, "attempt 2")]


def test_a_lost_job_is_not_forgotten_while_its_input_cannot_be_built(runner):
    def unavailable() -> str:
        raise OSError("The database is away.")

    with pytest.raises(OSError, match="away"):
        perform(runner, Action.RESTART, JOB, unavailable)
    assert runner.calls == []


def test_stopping_needs_no_input(procedure, runner):
    perform(runner, Action.STOP, JOB, lambda: pytest.fail("the input was built"))
    assert runner.calls == [("stop", JOB)]


@pytest.mark.parametrize("action", [Action.APPLY, Action.CLEAN])
def test_an_action_of_the_service_starts_no_job(procedure, runner, action):
    with pytest.raises(ValueError, match="not an action of a job"):
        procedure.act(WORKING, action, CLAIM)
    assert runner.calls == []


def test_an_end_is_done_and_publishes_its_event(procedure, runner):
    runner.now = JobObservation(Phase.SUCCEEDED, result="text")
    ended = procedure.step(WORKING, procedure.observe(WORKING, CLAIM), NOW)
    assert (ended.resource.state, ended.events, ended.done) == (State.DONE, ("text was written",), True)


def test_an_error_that_a_retry_does_not_fix_fails_the_resource(procedure):
    error = Description("NOT_FOUND", "SOURCE_NOT_FOUND", "The source does not exist.")
    failed = procedure.failed(WORKING, error, NOW)
    assert failed.resource.failure == Failure("SOURCE_NOT_FOUND", "The source does not exist.")
    assert (failed.events, failed.done) == ((Failed("SOURCE_NOT_FOUND"),), True)


@pytest.mark.parametrize("state", JobState)
def test_every_state_of_a_job_is_a_phase(state):
    status = JobStatus(state, reason="WORKER_LOST", message="Killed.")
    observation = observed(status, Progress(0.5), None)
    assert (observation.phase.value, observation.progress) == (state.value, Progress(0.5))
    assert observation.failure == Failure("WORKER_LOST", "Killed.")


def test_a_job_that_dies_at_each_start_is_started_five_times_with_growing_pauses(procedure, runner):
    metadata, clock, starts = MetaData(), FakeClock(), list[float]()
    reports, table = resource_table(metadata, "reports"), operations_table(metadata)
    outbox.outbox_tables(metadata)
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)
    encode = lambda event, name, revision: Record("reports", name.encode(), str(event).encode())  # noqa: E731
    store = Store(database, {Report: reports}, encode, outbox.append, PageTokens(b"s"), clock)
    operations = Operations(store, table, [procedure], clock)
    with store.write() as tx:
        report, _ = tx.create(Report())
        operations.begin(tx, report)

    def dies(job_id: str, job: str) -> None:
        starts.append(clock.monotonic() - 1000)
        runner.now = JobObservation(Phase.LOST, failure=Failure("WORKER_LOST", "Its log ends: Killed."))

    runner.start = dies
    for _ in range(100):
        operations.run_due()
        clock.advance(0.25)
    with store.read() as tx:
        ended = tx.get(Report, report.name)
    assert starts == [0, 1, 3, 7, 15]
    assert (ended.state, ended.attempts) == (State.FAILED, 5)
    assert ended.failure == Failure("WORKER_LOST", "The worker was lost 5 times. Its log ends: Killed.")


class Worker:
    """The jobs of a worker module in memory."""

    def __init__(self, *ends: JobStatus) -> None:
        self.calls, self.ends = [], list(ends)

    def start(self, job_id, module, spec):
        self.calls.append((job_id, module, spec))

    def observe(self, job_id):
        return self.ends.pop(0)


def test_a_worker_gets_the_spec_of_a_job_and_its_result_is_read():
    running = JobStatus(JobState.RUNNING, JobProgress(0.5, "Reading", 1, 2, "files", 9.0))
    ended = JobStatus(JobState.SUCCEEDED, result={"pages": 3})
    worker = Worker(running, ended)
    jobs = WorkerJobs(worker, "report.worker", lambda title: {"title": title}, lambda result: result["pages"])
    jobs.start("id", "May")
    assert worker.calls == [("id", "report.worker", {"title": "May"})]
    observation = jobs.observe("id")
    assert (observation.phase, observation.result) == (Phase.RUNNING, None)
    assert observation.progress == Progress(0.5, "Reading", 1, 2, "files")
    assert jobs.observe("id").result == 3
