"""The promises of both databases, to several processes of one service: here each has its own `Database`."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, text

from ratoon.events.ports import Record
from ratoon.operations.operations import Claim, Operations, Step, operations_table
from ratoon.process.clock import SystemClock
from ratoon.process.errors import Description, described
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table
from ratoon.testkit.waiting import until

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def url(databases, tmp_path) -> str:
    return databases.url_of_file(tmp_path / "service.db")


@pytest.fixture
def replicas(url) -> Iterator[tuple[Database, Database]]:
    pair = Database(url), Database(url)
    with pair[0].write() as connection:
        connection.execute(text("CREATE TABLE counts (name VARCHAR(10), n INTEGER)"))
        connection.execute(text("INSERT INTO counts VALUES ('a', 0), ('b', 0)"))
    yield pair
    for each in pair:
        each.close()


def count(connection, name) -> int:
    return connection.execute(text("SELECT n FROM counts WHERE name = :name"), {"name": name}).scalar_one()


def put(connection, name, n) -> None:
    connection.execute(text("UPDATE counts SET n = :n WHERE name = :name"), {"name": name, "n": n})


def test_what_a_writer_has_read_still_holds_when_it_writes(replicas):
    def raise_both(database: Database) -> None:
        for _ in range(25):
            with database.write() as connection:
                n = count(connection, "a")
                time.sleep(0.001)
                put(connection, "a", n + 1)
                put(connection, "b", n + 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(raise_both, [*replicas, *replicas]))
    with replicas[0].read() as connection:
        assert (count(connection, "a"), count(connection, "b")) == (100, 100)


def test_a_reader_sees_one_moment_and_waits_for_no_writer(replicas):
    one, other = replicas
    with one.read() as connection:
        before = count(connection, "a")
        with other.write() as writing:
            put(writing, "a", 1)
            put(writing, "b", 1)
        assert (before, count(connection, "b")) == (0, 0)


def test_a_read_of_one_statement_has_no_transaction_around_it(replicas):
    one, other = replicas
    with one.read_once() as connection:
        before = count(connection, "a")
        with other.write() as writing:
            put(writing, "a", 1)
        assert (before, count(connection, "a")) == (0, 1)


@pytest.mark.parametrize("in_memory", [False, True])
def test_connections_without_a_transaction_go_back_to_transactions(url, in_memory):
    database = Database("sqlite://" if in_memory else url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE counts (name VARCHAR(10), n INTEGER)"))
        connection.execute(text("INSERT INTO counts VALUES ('a', 0)"))
    for _ in range(2):
        with database.read_once() as connection:
            assert count(connection, "a") == 0
        with pytest.raises(ZeroDivisionError), database.write() as connection:
            put(connection, "a", 1)
            raise ZeroDivisionError
    with database.read() as connection:
        assert count(connection, "a") == 0
    database.close()


def test_what_fails_leaves_nothing_behind_and_blocks_nobody(replicas):
    one, other = replicas
    with pytest.raises(ZeroDivisionError), one.write() as connection:
        put(connection, "a", 1)
        raise ZeroDivisionError
    with other.write() as connection:
        assert count(connection, "a") == 0


def test_connections_that_were_cut_are_opened_again(replicas):
    one, other = replicas
    if one.is_sqlite:
        pytest.skip("there is no connection to cut")
    with one.read() as connection:
        count(connection, "a")
    with other.write() as connection:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        connection.execute(text(f"{cut} WHERE datname = current_database() AND pid != pg_backend_pid()"))
    with one.write() as connection:
        put(connection, "a", 1)


def test_a_server_that_is_away_is_said_to_be(tmp_path):
    with pytest.raises(Exception, match="server") as away:
        with Database(f"postgresql+psycopg://nobody@/none?host={tmp_path}").read():
            pass
    description = described(away.value)
    assert (description.code, description.reason) == ("UNAVAILABLE", "DATABASE_AWAY")


@dataclass(frozen=True)
class Work:
    name: str
    create_time: datetime
    update_time: datetime
    state: str = "QUEUED"
    revision: int = 0


class Once:
    """One action, then the end."""

    kind = Work

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def observe(self, work: Work, claim: Claim) -> bool:
        return work.name in self._done

    def step(self, work: Work, done: bool, now: datetime) -> Step[Work]:
        if done:
            return Step(replace(work, state="SUCCEEDED"), done=True)
        return Step(replace(work, state="RUNNING"), actions=("do",))

    def act(self, work: Work, action: str, claim: Claim) -> None:
        self._done.append(work.name)

    def failed(self, work: Work, error: Description, now: datetime) -> Step[Work]:
        raise AssertionError(error)


def test_two_replicas_share_the_work_and_do_nothing_twice(replicas):
    metadata, done, clock = MetaData(), [], SystemClock()
    works, table = resource_table(metadata, "works"), operations_table(metadata)
    outbox.outbox_tables(metadata)
    with replicas[0].write() as connection:
        metadata.create_all(connection)
    encode = lambda event, name, revision: Record("works", name.encode(), b"")  # noqa: E731
    stores = [Store(each, {Work: works}, encode, outbox.append, PageTokens(b"s")) for each in replicas]
    workers = [Operations(store, table, [Once(done)], clock) for store in stores]
    names = [f"projects/p/works/w{n}" for n in range(30)]
    with stores[0].write() as tx:
        for name in names:
            workers[0].begin(tx, tx.create(Work(name, NOW, NOW))[0])
    for worker in workers:
        worker.start()

    def all_succeeded() -> bool:
        with stores[1].read() as tx:
            return all(tx.get(Work, name).state == "SUCCEEDED" for name in names)

    until(all_succeeded, 60, "every operation succeeds")
    for worker in workers:
        worker.stop()
    assert sorted(done) == sorted(names)
