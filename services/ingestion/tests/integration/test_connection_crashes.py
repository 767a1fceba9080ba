"""Readings with a crash at each step: every source is created once, and the position follows."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.operations import Operations
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.testkit.clock import FakeClock
from ratoon_ingestion import mapping
from ratoon_ingestion.adapters import tables
from ratoon_ingestion.application.commands import CreateConnection
from ratoon_ingestion.application.connections import (
    ReadingProcedure,
    create_connection,
    delete_connection,
    read_connection,
)
from ratoon_ingestion.domain.connections import (
    Blob,
    Connection,
    ConnectionKind,
    ConnectionState,
    ReadingResult,
)
from ratoon_ingestion.domain.schedules import Schedule
from ratoon_ingestion.domain.sources import Source

PROJECT = "projects/p"
ENDPOINTS = {"s3://lake": ""}


class Crash(BaseException):
    """The process dies."""


class Jobs:
    """Jobs that end at once: each reads the next two blobs after the position; `left` calls until a crash."""

    def __init__(self) -> None:
        self.results: dict[str, ReadingResult] = {}
        self.left = -1
        self.started = 0

    def observe(self, job_id: str) -> JobObservation[ReadingResult]:
        self._count()
        result = self.results.get(job_id)
        return JobObservation(Phase.SUCCEEDED if result else Phase.ABSENT, result=result)

    def start(self, job_id: str, job) -> None:
        self._count()
        begin = int(job.connection.cursor or "0", 16)
        blobs = tuple(Blob(f"{begin + number:064x}", 5) for number in (1, 2))
        self.started += 1
        self.results[job_id] = ReadingResult(f"{begin + 2:064x}", blobs)
        self._count()

    def stop(self, job_id: str) -> None:
        self._count()

    def forget(self, job_id: str) -> None:
        self._count()
        self.results.pop(job_id, None)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


class Service:
    """Ingestion's connections, whose process can die and start again."""

    def __init__(self, database: Database) -> None:
        self.clock, self.jobs = FakeClock(), Jobs()
        self.store = Store(
            database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), self.clock
        )
        self.restart()

    def restart(self) -> None:
        procedure = ReadingProcedure(self.store, self.jobs, ENDPOINTS, self.clock)
        table = tables.METADATA.tables["operations"]
        self.operations = Operations(self.store, table, [procedure], self.clock)

    def run(self) -> None:
        """Work until nothing is due, over any number of crashes."""
        for _ in range(40):
            self.clock.advance(1.0)
            try:
                self.operations.run_due()
            except Crash:
                self.clock.advance(60.0)
                self.restart()

    @property
    def connection(self) -> Connection:
        return self.store.get(Connection, f"{PROJECT}/connections/lake")

    @property
    def sources(self) -> list[Source]:
        with self.store.read() as tx:
            return tx.all(Source, PROJECT)


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    # On PostgreSQL leases follow the server's clock, which a test cannot advance.
    database = Database(f"sqlite:///{tmp_path / 'ingestion.db'}")
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    yield Service(database)
    database.close()


def begin(service: Service, **settings: object) -> None:
    now = service.clock.now()
    connection = Connection("", now, now, ConnectionKind.FSSPEC, "s3://lake/mail")
    connection = replace(connection, **settings)  # type: ignore[arg-type]
    command = CreateConnection(PROJECT, "lake", connection)
    create_connection(command, service.store, service.operations, ENDPOINTS, service.clock)


def digests(service: Service) -> list[int]:
    return sorted(int(source.digest, 16) for source in service.sources)


@pytest.mark.parametrize("point", range(1, 10))
def test_a_crash_at_any_call_of_the_worker_loses_and_doubles_nothing(service, point):
    begin(service)
    for reading in range(3):
        service.jobs.left = point if reading == 1 else -1
        read_connection(service.connection.name, service.store, service.operations)
        service.run()
    assert digests(service) == [1, 2, 3, 4, 5, 6]
    assert service.connection.record_count == 30
    assert service.connection.state is ConnectionState.IDLE
    assert int(service.connection.cursor, 16) == 6


@pytest.mark.parametrize("point", range(1, 12))
def test_a_crash_at_any_write_loses_and_doubles_nothing(service, point, monkeypatch):
    begin(service)
    write, calls = service.store.write, 0

    def failing():
        nonlocal calls
        calls += 1
        if calls == point:
            raise Crash
        return write()

    read_connection(service.connection.name, service.store, service.operations)
    monkeypatch.setattr(service.store, "write", failing)
    service.run()
    monkeypatch.undo()
    assert digests(service) == [1, 2]
    assert (service.connection.record_count, int(service.connection.cursor, 16)) == (10, 2)


def test_a_schedule_reads_again_and_again(service):
    begin(service, schedule=Schedule(interval_s=10))
    service.run()
    service.clock.advance(10.0)
    service.run()
    assert service.connection.reading_number >= 2
    assert digests(service) == list(range(1, 2 * service.connection.reading_number + 1))


def test_an_address_that_is_no_longer_allowed_is_not_read(service):
    begin(service)
    read_connection(service.connection.name, service.store, service.operations)
    procedure = ReadingProcedure(service.store, service.jobs, {}, service.clock)
    table = tables.METADATA.tables["operations"]
    service.operations = Operations(service.store, table, [procedure], service.clock)
    service.run()
    assert service.connection.failure.reason == "CONNECTION_NOT_ALLOWED"
    assert service.jobs.started == 0


def test_a_connection_of_the_same_name_begins_at_the_beginning(service):
    begin(service)
    read_connection(service.connection.name, service.store, service.operations)
    service.run()
    delete_connection(service.connection.name, "", service.store, service.operations, service.jobs)
    service.clock.advance(86_400.0)
    begin(service)
    read_connection(service.connection.name, service.store, service.operations)
    service.run()
    assert digests(service) == [1, 1, 2, 2]
