"""Operations: due ones are claimed once, a stale claim cannot save, errors back off or end it, cancel is a request."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, event

from ratoon.events.ports import Record
from ratoon.operations import wakeups
from ratoon.operations.operations import Claim, Operations, Step, operations_table
from ratoon.operations.wakeups import SAFETY_NET_S
from ratoon.process.errors import Description, FailedPrecondition, Unavailable
from ratoon.security.identity import acting_for
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table
from ratoon.testkit.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME = "projects/p/works/w"


@dataclass(frozen=True)
class Work:
    name: str
    create_time: datetime
    update_time: datetime
    state: str = "QUEUED"
    done: int = 0
    failure: str = ""
    cancel_requested: bool = False
    revision: int = 0


class Counting:
    """Counts to three, one action a step."""

    kind = Work

    def __init__(self) -> None:
        self.acted: list[tuple[str, int]] = []
        self.raising: Exception | None = None

    def observe(self, work: Work, claim: Claim) -> int:
        if self.raising:
            raise self.raising
        return work.done

    def step(self, work: Work, observation: int, now: datetime) -> Step[Work]:
        if work.cancel_requested:
            return Step(replace(work, state="CANCELLED"), events=("Cancelled",), done=True)
        if observation == 3:
            return Step(replace(work, state="SUCCEEDED"), events=("Succeeded",), done=True)
        return Step(replace(work, state="RUNNING", done=observation + 1), actions=("count",))

    def act(self, work: Work, action: str, claim: Claim) -> None:
        self.acted.append((claim.action_id(f"count-{work.done}"), claim.fence))

    def failed(self, work: Work, error: Description, now: datetime) -> Step[Work]:
        return Step(replace(work, state="FAILED", failure=error.reason), done=True)


class Environment:
    """A store and two workers over it, as two replicas would be."""

    def __init__(self) -> None:
        metadata = MetaData()
        works, table = resource_table(metadata, "works"), operations_table(metadata)
        outbox.outbox_tables(metadata)
        database = Database("sqlite://")
        with database.write() as connection:
            metadata.create_all(connection)
        self.clock = FakeClock()
        encode = lambda event, name, revision: Record("works", name.encode(), str(event).encode())  # noqa: E731
        self.store = Store(database, {Work: works}, encode, outbox.append, PageTokens(b"s"), self.clock)
        self.first, self.second = Counting(), Counting()
        self.worker = Operations(self.store, table, [self.first], self.clock)
        self.other_worker = Operations(self.store, table, [self.second], self.clock)

    def begin(self) -> None:
        with self.store.write() as tx:
            work, _ = tx.create(Work(NAME, NOW, NOW))
            self.worker.begin(tx, work)

    def work(self) -> Work:
        with self.store.read() as tx:
            return tx.get(Work, NAME)


@pytest.fixture
def env() -> Environment:
    env = Environment()
    env.begin()
    return env


def test_work_is_moved_step_by_step_to_its_end(env):
    for _ in range(10):
        env.worker.run_due()
    assert (env.work().state, env.work().done, len(env.first.acted)) == ("SUCCEEDED", 3, 3)
    assert env.worker.run_due() == 0


def test_the_id_of_an_action_is_the_same_for_every_worker_and_attempt():
    assert Claim(NAME, 1).action_id("train") == Claim(NAME, 9).action_id("train")
    assert Claim(NAME, 1).action_id("train") != Claim(NAME, 1).action_id("train", attempt=2)


def test_a_worker_whose_lease_ran_out_cannot_save(env):
    [(kind, stale)] = env.worker._claim(limit=1)
    assert env.other_worker.run_due() == 0
    env.clock.advance(60)
    env.other_worker.run_due()
    env.worker._work(kind, stale)
    assert env.work().done == 1
    assert env.first.acted == []


def test_a_worker_that_was_taken_over_after_it_saved_does_nothing_any_more(env, monkeypatch):
    save = env.worker._save

    def save_and_sleep(*arguments):
        saved = save(*arguments)
        env.clock.advance(60)
        env.other_worker.run_due()
        return saved

    monkeypatch.setattr(env.worker, "_save", save_and_sleep)
    env.worker.run_due()
    assert (env.work().done, env.first.acted, len(env.second.acted)) == (2, [], 1)


def test_a_passing_error_is_tried_again_later_and_a_lasting_one_ends_the_work(env):
    env.first.raising = Unavailable("the broker is away")
    env.worker.run_due()
    assert (env.work().state, env.worker.run_due()) == ("QUEUED", 0)
    env.clock.advance(60)
    env.first.raising = FailedPrecondition("the split is not ready", reason="SPLIT_NOT_READY")
    env.worker.run_due()
    assert (env.work().state, env.work().failure) == ("FAILED", "SPLIT_NOT_READY")


def test_a_part_that_is_away_for_minutes_is_waited_for(env):
    env.first.raising = Unavailable("the service of the split is away")
    for _ in range(300):
        env.worker.run_due()
        env.clock.advance(1)
    assert env.work().state == "QUEUED"
    env.first.raising = None
    env.clock.advance(10)
    for _ in range(10):
        env.worker.run_due()
    assert env.work().state == "SUCCEEDED"


def test_an_error_that_never_passes_ends_the_work_too(env):
    env.first.raising = Unavailable("away for ever")
    for _ in range(100):
        env.worker.run_due()
        env.clock.advance(60)
    assert (env.work().state, env.work().failure) == ("FAILED", "UNAVAILABLE")


def test_a_cancel_request_is_read_by_the_next_step(env):
    env.worker.run_due()
    assert env.worker.cancel(Work, NAME, lambda w: w.state == "SUCCEEDED").cancel_requested
    env.worker.run_due()
    assert env.work().state == "CANCELLED"
    assert env.worker.cancel(Work, NAME, lambda w: w.state == "CANCELLED") == env.work()


def test_after_a_restart_of_the_machine_old_leases_do_not_count(env):
    env.worker._claim(limit=1)
    env.other_worker._time._boot_id = "another boot"
    env.clock._monotonic = 5.0
    assert env.other_worker.run_due() == 1


def rows_of(env: Environment) -> list[tuple[str, int]]:
    with env.store.read() as tx:
        return [tuple(row) for row in tx.connection.exec_driver_sql("SELECT name, priority FROM operations")]


def sleeping(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the work look again in an hour."""
    monkeypatch.setattr(env.first, "step", lambda work, observation, now: Step(work, wake_after=3600.0))
    env.worker.run_due()


def another_work(env: Environment, name: str) -> None:
    with env.store.write() as tx:
        work, _ = tx.create(Work(name, NOW, NOW))
        env.worker.begin(tx, work)


def test_urgent_operations_are_claimed_before_idle_ones_that_wait_longer(env, monkeypatch):
    sleeping(env, monkeypatch)
    env.clock.advance(3700)
    another_work(env, "projects/p/works/run")
    claims = env.worker._claim(limit=2)
    assert [claim.name for _, claim in claims] == ["projects/p/works/run"]
    assert [claim.name for _, claim in env.worker._claim(limit=2)] == [NAME]


def test_idle_operations_leave_a_thread_to_the_next_urgent_one(env, monkeypatch):
    for number in range(9):
        another_work(env, f"projects/p/works/{number}")
    sleeping(env, monkeypatch)
    env.clock.advance(3700)
    assert len(env.worker._claim(limit=4)) == 3
    another_work(env, "projects/p/works/run")
    assert [claim.name for _, claim in env.worker._claim(limit=1)] == ["projects/p/works/run"]
    assert env.worker._claim(limit=1) == []


def test_a_wake_up_makes_an_idle_operation_urgent(env, monkeypatch):
    sleeping(env, monkeypatch)
    assert rows_of(env) == [(NAME, 1)]
    with env.store.write() as tx:
        env.worker.wake(tx, NAME)
    assert rows_of(env) == [(NAME, 0)]
    assert len(env.worker._claim(limit=1)) == 1


def test_a_wake_up_during_an_idle_tick_leaves_it_urgent(env, monkeypatch):
    sleeping(env, monkeypatch)
    env.clock.advance(3700)
    ((kind, claim),) = env.worker._claim(limit=2)
    with env.store.write() as tx:
        env.worker.wake(tx, NAME)
    env.worker._work(kind, claim)
    assert rows_of(env) == [(NAME, 0)]
    assert env.worker.run_due() == 1


def test_claims_read_no_table_from_end_to_end(env):
    statements: list[tuple[str, object]] = []
    another_work(env, "projects/p/works/other")
    note = lambda _c, _cursor, statement, parameters, *_: statements.append((statement, parameters))  # noqa: E731
    event.listen(env.store.database.engine, "before_cursor_execute", note)
    assert len(env.worker._claim(limit=2)) == 2
    env.worker._pause()
    event.remove(env.store.database.engine, "before_cursor_execute", note)
    with env.store.read() as tx:
        explained = {
            row[-1]
            for statement, parameters in statements
            if statement.startswith(("SELECT", "UPDATE"))
            for row in tx.connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        }
    assert explained == {
        "SEARCH operations USING INDEX ix_operations_priority (priority=? AND due<?)",
        "SEARCH operations USING INDEX sqlite_autoindex_operations_1 (name=?)",
        "SCAN operations USING INDEX ix_operations_due",  # in the order of `due`, and only the first
    }


def test_a_released_claim_is_not_leased_again_by_the_renewal(env):
    """The thread of a finished turn may still count as busy when leases are renewed."""
    env.worker._running[NAME] = Future()
    env.worker.run_due()
    env.worker._renew()
    assert env.other_worker.run_due() == 1


def test_an_operation_woken_during_its_tick_is_observed_again_at_once(env):
    """What the waker saw may have come too late for the turn in hand."""
    env.first.raising = Unavailable("away")
    ((kind, claim),) = env.worker._claim(limit=1)
    with env.store.write() as tx:
        env.worker.wake(tx, NAME)
    env.worker._work(kind, claim)
    assert env.other_worker.run_due() == 1


def test_an_action_that_is_repeated_is_repeated_after_its_delay(env, monkeypatch):
    stopping = Step(env.work(), actions=("stop",), repeat_after=0.5)
    monkeypatch.setattr(env.first, "step", lambda *_: stopping)
    assert [env.worker.run_due(), env.worker.run_due()] == [1, 0]
    env.clock.advance(0.6)
    assert [env.worker.run_due(), env.worker.run_due()] == [1, 0]


def test_wake_ups_within_a_time_are_one_observation(env, monkeypatch):
    observations = []
    monkeypatch.setattr(env.first, "observe", lambda work, _claim: observations.append(work.name))
    monkeypatch.setattr(env.first, "step", lambda work, observation, now: Step(work, wake_after=3600.0))
    env.worker.run_due()
    for _ in range(1000):
        with env.store.write() as tx:
            env.worker.wake(tx, NAME, within_s=2.0)
        env.worker.run_due()
        env.clock.advance(0.001)
    assert len(observations) == 1
    env.clock.advance(1.1)
    env.worker.run_due()
    assert len(observations) == 2
    assert env.worker.run_due() == 0


def test_a_wake_up_within_a_time_during_a_tick_is_not_lost(env):
    env.first.raising = Unavailable("away")
    ((kind, claim),) = env.worker._claim(limit=1)
    with env.store.write() as tx:
        env.worker.wake(tx, NAME, within_s=0.1)
    env.worker._work(kind, claim)
    assert env.other_worker.run_due() == 0
    env.clock.advance(0.2)
    assert env.other_worker.run_due() == 1


def test_what_reports_its_changes_is_polled_as_a_safety_net_only(env, monkeypatch):
    wakes, observations = [], []

    def observe(work, _claim):
        wakeups.subscribe(lambda _operation, wake: wakes.append(wake))
        observations.append(work.name)

    monkeypatch.setattr(env.first, "observe", observe)
    monkeypatch.setattr(
        env.first, "step", lambda work, observation, now: Step(work, wake_after=0.5, polls=True)
    )
    for _ in range(29):
        env.worker.run_due()
        env.clock.advance(0.5)
    assert len(observations) == 1
    wakes[0]()
    assert env.worker.run_due() == 1
    env.clock.advance(15)
    assert (env.worker.run_due(), len(observations)) == (1, 3)


@pytest.mark.parametrize(("pause_s", "observations"), [(SAFETY_NET_S, 2), (3600.0, 1)])
def test_a_restart_observes_at_once_what_waits_for_a_report_and_lets_the_idle_sleep(
    env, monkeypatch, pause_s, observations
):
    observed = []
    for counting in (env.first, env.second):
        monkeypatch.setattr(counting, "observe", lambda work, _claim: observed.append(work.name))
        monkeypatch.setattr(counting, "step", lambda work, _observation, now: Step(work, wake_after=pause_s))
    env.worker.run_due()
    env.clock.advance(0.1)
    env.other_worker._start_due()
    env.other_worker._pool.shutdown()
    assert len(observed) == observations


def test_an_observation_that_is_due_for_another_reason_comes_in_time(env, monkeypatch):
    monkeypatch.setattr(env.first, "observe", lambda work, _claim: wakeups.subscribe(lambda *_: None))
    monkeypatch.setattr(env.first, "step", lambda work, observation, now: Step(work, wake_after=0.5))
    env.worker.run_due()
    env.clock.advance(0.6)
    assert env.worker.run_due() == 1


def test_a_result_that_cannot_be_stored_ends_the_work_with_its_field(env, monkeypatch):
    bad = lambda work, observation, now: Step(replace(work, failure="\ud800"), done=True)  # noqa: E731
    monkeypatch.setattr(env.first, "step", bad)
    env.worker.run_due()
    assert (env.work().state, env.work().failure) == ("FAILED", "UNSTORABLE_VALUE")


def test_work_that_cannot_be_read_is_left_alone_for_an_hour_and_counted_without_it(env, caplog):
    with env.store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE works SET body = '{}'")
    assert env.worker.run_due() == 1
    assert "cannot be read" in caplog.text
    assert env.worker.run_due() == 0
    assert list(env.worker.under_way()) == []
    env.clock.advance(3601)
    assert env.worker.run_due() == 1


def test_work_that_a_newer_release_wrote_waits_seconds_for_a_process_of_that_release(env):
    with env.store.write() as tx:
        tx.connection.exec_driver_sql("""UPDATE works SET body = '{"schema_version":2}'""")
    assert env.worker.run_due() == 1
    assert env.worker.run_due() == 0
    env.clock.advance(16)
    assert env.worker.run_due() == 1


def test_work_acts_for_the_project_of_its_resource(env, monkeypatch):
    projects = []
    monkeypatch.setattr(env.first, "observe", lambda work, _claim: projects.append(acting_for()) or work.done)
    env.worker.run_due()
    assert (projects, acting_for()) == (["p"], "")
