"""Long work: what is due is claimed once, a stale claim cannot save, errors back off or end it, cancel is a wish."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, event

from ratoon.chassis import outbox, wakeups
from ratoon.chassis.database import Database
from ratoon.chassis.errors import Description, FailedPrecondition, Unavailable
from ratoon.chassis.identity import acting_for
from ratoon.chassis.operations import Claim, Operations, Step, operations_table
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.store import Store, resource_table
from ratoon.chassis.wakeups import SAFETY_NET_S
from ratoon.events.ports import Record
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

    def step(self, work: Work, seen: int, now: datetime) -> Step[Work]:
        if work.cancel_requested:
            return Step(replace(work, state="CANCELLED"), events=("Cancelled",), done=True)
        if seen == 3:
            return Step(replace(work, state="SUCCEEDED"), events=("Succeeded",), done=True)
        return Step(replace(work, state="RUNNING", done=seen + 1), actions=("count",))

    def act(self, work: Work, action: str, claim: Claim) -> None:
        self.acted.append((claim.action_id(f"count-{work.done}"), claim.fence))

    def failed(self, work: Work, error: Description, now: datetime) -> Step[Work]:
        return Step(replace(work, state="FAILED", failure=error.reason), done=True)


class World:
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
        self.here = Operations(self.store, table, [self.first], self.clock)
        self.there = Operations(self.store, table, [self.second], self.clock)

    def begin(self) -> None:
        with self.store.write() as tx:
            work, _ = tx.create(Work(NAME, NOW, NOW))
            self.here.begin(tx, work)

    def work(self) -> Work:
        with self.store.read() as tx:
            return tx.get(Work, NAME)


@pytest.fixture
def world() -> World:
    made = World()
    made.begin()
    return made


def test_work_is_moved_step_by_step_to_its_end(world):
    for _ in range(10):
        world.here.run_due()
    assert (world.work().state, world.work().done, len(world.first.acted)) == ("SUCCEEDED", 3, 3)
    assert world.here.run_due() == 0


def test_the_id_of_an_action_is_the_same_for_every_worker_and_attempt():
    assert Claim(NAME, 1).action_id("train") == Claim(NAME, 9).action_id("train")
    assert Claim(NAME, 1).action_id("train") != Claim(NAME, 1).action_id("train", attempt=2)


def test_a_worker_whose_lease_ran_out_cannot_save(world):
    [(kind, stale)] = world.here._claim(limit=1)
    assert world.there.run_due() == 0
    world.clock.advance(60)
    world.there.run_due()
    world.here._work(kind, stale)
    assert world.work().done == 1
    assert world.first.acted == []


def test_a_worker_that_was_taken_over_after_it_saved_does_nothing_any_more(world, monkeypatch):
    save = world.here._save

    def save_and_sleep(*given):
        saved = save(*given)
        world.clock.advance(60)
        world.there.run_due()
        return saved

    monkeypatch.setattr(world.here, "_save", save_and_sleep)
    world.here.run_due()
    assert (world.work().done, world.first.acted, len(world.second.acted)) == (2, [], 1)


def test_a_passing_error_is_tried_again_later_and_a_lasting_one_ends_the_work(world):
    world.first.raising = Unavailable("the broker is away")
    world.here.run_due()
    assert (world.work().state, world.here.run_due()) == ("QUEUED", 0)
    world.clock.advance(60)
    world.first.raising = FailedPrecondition("the split is not ready", reason="SPLIT_NOT_READY")
    world.here.run_due()
    assert (world.work().state, world.work().failure) == ("FAILED", "SPLIT_NOT_READY")


def test_a_part_that_is_away_for_minutes_is_waited_for(world):
    world.first.raising = Unavailable("the split's room is away")
    for _ in range(300):
        world.here.run_due()
        world.clock.advance(1)
    assert world.work().state == "QUEUED"
    world.first.raising = None
    world.clock.advance(10)
    for _ in range(10):
        world.here.run_due()
    assert world.work().state == "SUCCEEDED"


def test_an_error_that_never_passes_ends_the_work_too(world):
    world.first.raising = Unavailable("away for ever")
    for _ in range(100):
        world.here.run_due()
        world.clock.advance(60)
    assert (world.work().state, world.work().failure) == ("FAILED", "UNAVAILABLE")


def test_cancel_is_a_wish_that_the_next_step_sees(world):
    world.here.run_due()
    assert world.here.cancel(Work, NAME, lambda w: w.state == "SUCCEEDED").cancel_requested
    world.here.run_due()
    assert world.work().state == "CANCELLED"
    assert world.here.cancel(Work, NAME, lambda w: w.state == "CANCELLED") == world.work()


def test_after_a_restart_of_the_machine_old_leases_do_not_count(world):
    world.here._claim(limit=1)
    world.there._time._boot_id = "another boot"
    world.clock._boot = 5.0
    assert world.there.run_due() == 1


def rows_of(world: World) -> list[tuple[str, int]]:
    with world.store.read() as tx:
        return [tuple(row) for row in tx.connection.exec_driver_sql("SELECT name, priority FROM operations")]


def sleeping(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the work look again in an hour."""
    monkeypatch.setattr(world.first, "step", lambda work, seen, now: Step(work, wake_after=3600.0))
    world.here.run_due()


def another_work(world: World, name: str) -> None:
    with world.store.write() as tx:
        work, _ = tx.create(Work(name, NOW, NOW))
        world.here.begin(tx, work)


def test_urgent_operations_are_claimed_before_idle_looks_that_wait_longer(world, monkeypatch):
    sleeping(world, monkeypatch)
    world.clock.advance(3700)
    another_work(world, "projects/p/works/run")
    claims = world.here._claim(limit=2)
    assert [claim.name for _, claim in claims] == ["projects/p/works/run"]
    assert [claim.name for _, claim in world.here._claim(limit=2)] == [NAME]


def test_idle_looks_leave_a_thread_to_the_next_urgent_operation(world, monkeypatch):
    for number in range(9):
        another_work(world, f"projects/p/works/{number}")
    sleeping(world, monkeypatch)
    world.clock.advance(3700)
    assert len(world.here._claim(limit=4)) == 3
    another_work(world, "projects/p/works/run")
    assert [claim.name for _, claim in world.here._claim(limit=1)] == ["projects/p/works/run"]
    assert world.here._claim(limit=1) == []


def test_a_wake_up_makes_an_idle_look_urgent(world, monkeypatch):
    sleeping(world, monkeypatch)
    assert rows_of(world) == [(NAME, 1)]
    with world.store.write() as tx:
        world.here.wake(tx, NAME)
    assert rows_of(world) == [(NAME, 0)]
    assert len(world.here._claim(limit=1)) == 1


def test_a_wake_up_during_an_idle_look_leaves_it_urgent(world, monkeypatch):
    sleeping(world, monkeypatch)
    world.clock.advance(3700)
    ((kind, claim),) = world.here._claim(limit=2)
    with world.store.write() as tx:
        world.here.wake(tx, NAME)
    world.here._work(kind, claim)
    assert rows_of(world) == [(NAME, 0)]
    assert world.here.run_due() == 1


def test_claims_read_no_table_from_end_to_end(world):
    statements: list[tuple[str, object]] = []
    another_work(world, "projects/p/works/other")
    note = lambda _c, _cursor, statement, parameters, *_: statements.append((statement, parameters))  # noqa: E731
    event.listen(world.store.database.engine, "before_cursor_execute", note)
    assert len(world.here._claim(limit=2)) == 2
    world.here._pause()
    event.remove(world.store.database.engine, "before_cursor_execute", note)
    with world.store.read() as tx:
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


def test_a_turn_that_was_given_back_is_not_leased_again_by_the_renewal(world):
    """The thread of a finished turn may still count as busy when leases are renewed."""
    world.here._running[NAME] = Future()
    world.here.run_due()
    world.here._renew()
    assert world.there.run_due() == 1


def test_who_is_woken_while_at_work_looks_again_at_once(world):
    """What the waker saw may have come too late for the turn in hand."""
    world.first.raising = Unavailable("away")
    ((kind, claim),) = world.here._claim(limit=1)
    with world.store.write() as tx:
        world.here.wake(tx, NAME)
    world.here._work(kind, claim)
    assert world.there.run_due() == 1


def test_an_action_that_is_repeated_is_repeated_after_its_delay(world, monkeypatch):
    stopping = Step(world.work(), actions=("stop",), repeat_after=0.5)
    monkeypatch.setattr(world.first, "step", lambda *_: stopping)
    assert [world.here.run_due(), world.here.run_due()] == [1, 0]
    world.clock.advance(0.6)
    assert [world.here.run_due(), world.here.run_due()] == [1, 0]


def test_wake_ups_within_a_time_are_one_look(world, monkeypatch):
    looks = []
    monkeypatch.setattr(world.first, "observe", lambda work, _claim: looks.append(work.name))
    monkeypatch.setattr(world.first, "step", lambda work, seen, now: Step(work, wake_after=3600.0))
    world.here.run_due()
    for _ in range(1000):
        with world.store.write() as tx:
            world.here.wake(tx, NAME, within_s=2.0)
        world.here.run_due()
        world.clock.advance(0.001)
    assert len(looks) == 1
    world.clock.advance(1.1)
    world.here.run_due()
    assert len(looks) == 2
    assert world.here.run_due() == 0


def test_a_wake_up_within_a_time_during_a_turn_is_not_lost(world):
    world.first.raising = Unavailable("away")
    ((kind, claim),) = world.here._claim(limit=1)
    with world.store.write() as tx:
        world.here.wake(tx, NAME, within_s=0.1)
    world.here._work(kind, claim)
    assert world.there.run_due() == 0
    world.clock.advance(0.2)
    assert world.there.run_due() == 1


def test_what_reports_its_changes_is_polled_as_a_safety_net_only(world, monkeypatch):
    wakes, looks = [], []

    def observe(work, _claim):
        wakeups.subscribe(lambda _operation, wake: wakes.append(wake))
        looks.append(work.name)

    monkeypatch.setattr(world.first, "observe", observe)
    monkeypatch.setattr(world.first, "step", lambda work, seen, now: Step(work, wake_after=0.5, polls=True))
    for _ in range(29):
        world.here.run_due()
        world.clock.advance(0.5)
    assert len(looks) == 1
    wakes[0]()
    assert world.here.run_due() == 1
    world.clock.advance(15)
    assert (world.here.run_due(), len(looks)) == (1, 3)


@pytest.mark.parametrize(("pause_s", "looks"), [(SAFETY_NET_S, 2), (3600.0, 1)])
def test_a_restart_looks_at_once_at_what_waits_for_a_report_and_lets_the_idle_sleep(
    world, monkeypatch, pause_s, looks
):
    seen = []
    for counting in (world.first, world.second):
        monkeypatch.setattr(counting, "observe", lambda work, _claim: seen.append(work.name))
        monkeypatch.setattr(counting, "step", lambda work, _seen, now: Step(work, wake_after=pause_s))
    world.here.run_due()
    world.clock.advance(0.1)
    world.there._start_due()
    world.there._pool.shutdown()
    assert len(seen) == looks


def test_a_look_that_is_due_for_another_reason_comes_in_time(world, monkeypatch):
    monkeypatch.setattr(world.first, "observe", lambda work, _claim: wakeups.subscribe(lambda *_: None))
    monkeypatch.setattr(world.first, "step", lambda work, seen, now: Step(work, wake_after=0.5))
    world.here.run_due()
    world.clock.advance(0.6)
    assert world.here.run_due() == 1


def test_a_result_that_cannot_be_stored_ends_the_work_with_its_field(world, monkeypatch):
    bad = lambda work, seen, now: Step(replace(work, failure="\ud800"), done=True)  # noqa: E731
    monkeypatch.setattr(world.first, "step", bad)
    world.here.run_due()
    assert (world.work().state, world.work().failure) == ("FAILED", "UNSTORABLE_VALUE")


def test_work_that_cannot_be_read_is_left_alone_for_an_hour_and_counted_without_it(world, caplog):
    with world.store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE works SET body = '{}'")
    assert world.here.run_due() == 1
    assert "cannot be read" in caplog.text
    assert world.here.run_due() == 0
    assert list(world.here.under_way()) == []
    world.clock.advance(3601)
    assert world.here.run_due() == 1


def test_work_that_a_newer_release_wrote_waits_seconds_for_a_process_of_that_release(world):
    with world.store.write() as tx:
        tx.connection.exec_driver_sql("""UPDATE works SET body = '{"schema_version":2}'""")
    assert world.here.run_due() == 1
    assert world.here.run_due() == 0
    world.clock.advance(16)
    assert world.here.run_due() == 1


def test_work_acts_for_the_project_of_its_resource(world, monkeypatch):
    seen = []
    monkeypatch.setattr(world.first, "observe", lambda work, _claim: seen.append(acting_for()) or work.done)
    world.here.run_due()
    assert (seen, acting_for()) == (["p"], "")
