"""The relay's lease, the outbox's bound and how long the inbox remembers."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ratoon.events.embedded import EmbeddedLog
from ratoon.events.inbox import Marks, prune
from ratoon.events.ports import Record, RecordRefused, Topic
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.events import CLOCK, SampleService
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.waiting import until


@pytest.fixture
def database(tmp_path: Path, databases: Databases) -> Iterator[Database]:
    with closing(Database(databases.url_of_file(tmp_path / "service.db"))) as database:
        yield database


@pytest.fixture
def service(tmp_path: Path, database: Database) -> SampleService:
    return SampleService(database, EmbeddedLog(tmp_path / "events", CLOCK), "things")


def test_a_second_relay_waits_until_the_first_has_stopped(service: SampleService) -> None:
    first, second = service.relay(), service.relay()
    first.start()
    service.change("things/1")
    until(lambda: not service.waiting(), message="the first relay publishes")
    second.start()
    service.change("things/1")
    until(lambda: not service.waiting(), message="the first relay goes on")
    assert second.published.records == 0
    first.stop()
    service.change("things/1")
    until(lambda: second.published.records == 1, message="the second relay follows")
    second.stop()


def test_a_lease_of_another_machine_is_respected(service: SampleService, tmp_path: Path) -> None:
    relay = service.relay()
    with service.database.write() as connection:
        lease = "INSERT INTO outbox_lease VALUES ('relay', 'elsewhere:1:1:x', :expires)"
        now = relay._lease._now(connection)
        connection.execute(text(lease), {"expires": now + outbox.LEASE_S - 1})
    service.change("things/1")
    relay.start()
    until(lambda: (tmp_path / "events" / "events.sqlite").exists(), message="its first step")
    relay.stop()
    assert service.waiting() == 1


def test_what_no_log_would_take_fails_its_transaction(service: SampleService) -> None:
    with pytest.raises(RecordRefused), service.database.write() as connection:
        outbox.append(connection, Record("things", b"key", bytes(1_000_000)))
    assert service.waiting() == 0


class Narrow:
    """A log that refuses large records, until it is widened."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log, self.limit = log, 500

    def create_topics(self, topics) -> None:
        self._log.create_topics(topics)

    def append(self, records) -> None:
        if any(len(record.value) > self.limit for record in records):
            raise RecordRefused(f"more than {self.limit} bytes")
        self._log.append(records)

    def subjects(self) -> list[str]:
        return [each.record.key.decode() for each in self._log.scan("things")]


def test_an_event_that_the_log_refuses_stops_no_other_and_goes_out_when_it_may(tmp_path, database, caplog):
    log = Narrow(EmbeddedLog(tmp_path / "events", CLOCK))
    service = SampleService(database, log, "things")
    clock = FakeClock()
    relay = outbox.Relay("service", service.database, log, clock, [Topic("things", partitions=1)])
    large = service.change("things/large", bytes(1000))
    service.change("things/large")  # a later one of the same key keeps its place
    for number in range(3):
        service.change(f"things/{number}")
    for _ in range(5):
        relay._step()
        clock.advance(0.5)
    assert log.subjects() == [f"things/{number}" for number in range(3)]
    assert (service.waiting(), relay.published.refused) == (2, 1)
    refusals = [
        record.getMessage() for record in caplog.records if "waits in the outbox" in record.getMessage()
    ]
    assert len(refusals) == 1
    assert all(word in refusals[0] for word in (large.id, "things", "bytes", "more than 500 bytes"))
    with service.database.read() as connection:
        oldest = outbox.oldest(connection)
    assert (oldest.topic, oldest.event_id) == ("things", large.id)
    assert oldest.bytes > 1000
    for number in range(3, 6):
        service.change(f"things/{number}")
        relay._step()
    assert len(log.subjects()) == 6
    log.limit = 10_000
    clock.advance(31.0)
    relay._step()
    assert log.subjects()[-2:] == ["things/large"] * 2
    assert (service.waiting(), relay.published.refused) == (0, 0)


def test_many_events_behind_a_refused_one_hide_no_other(tmp_path, database):
    log = Narrow(EmbeddedLog(tmp_path / "events", CLOCK))
    service = SampleService(database, log, "things")
    relay = outbox.Relay("service", service.database, log, FakeClock(), [Topic("things", partitions=1)])
    with service.database.write() as connection:
        service.change_in(connection, "things/large", bytes(1000))
        for _ in range(outbox.BATCH + 10):
            service.change_in(connection, "things/large")
        service.change_in(connection, "things/other")
    for _ in range(3):
        relay._step()
    assert log.subjects() == ["things/other"]


def test_the_inbox_forgets_what_no_log_keeps_any_more(service: SampleService) -> None:
    clock = FakeClock()
    event = service.event("things/1", 4)
    with service.database.write() as connection:
        marks = Marks(connection, "group", clock.now())
        marks.handled(event)
        marks.save()
    for days, known in ((59, "HANDLED"), (61, "")):
        with service.database.write() as connection:
            prune(connection, clock.now() + timedelta(days=days))
            marks = Marks(connection, "group", clock.now())
            marks.load([event.id], [("things", b"things/1")])
            assert marks.outcome(event.id) == known
            assert marks.is_older(service.event("things/1", 3)) is bool(known)
