"""The relay's lease, the outbox's bound and how long the inbox remembers."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ratoon.chassis import outbox
from ratoon.chassis.database import Database
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.inbox import Marks, prune
from ratoon.events.ports import Record, RecordRefused, Topic
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.events import CLOCK, Room
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.waiting import until


@pytest.fixture
def room(tmp_path: Path, databases: Databases) -> Room:
    return Room(
        Database(databases.url_of_file(tmp_path / "room.db")),
        EmbeddedLog(tmp_path / "events", CLOCK),
        "things",
    )


def test_a_second_relay_waits_until_the_first_has_stopped(room: Room) -> None:
    first, second = room.relay(), room.relay()
    first.start()
    room.change("things/1")
    until(lambda: not room.waiting(), message="the first relay publishes")
    second.start()
    room.change("things/1")
    until(lambda: not room.waiting(), message="the first relay goes on")
    assert second.published.records == 0
    first.stop()
    room.change("things/1")
    until(lambda: second.published.records == 1, message="the second relay follows")
    second.stop()


def test_a_lease_of_another_machine_is_respected(room: Room, tmp_path: Path) -> None:
    relay = room.relay()
    with room.database.write() as connection:
        lease = "INSERT INTO outbox_lease VALUES ('relay', 'elsewhere:1:1:x', :expires)"
        now = relay._lease._now(connection)
        connection.execute(text(lease), {"expires": now + outbox.LEASE_S - 1})
    room.change("things/1")
    relay.start()
    until(lambda: (tmp_path / "events" / "events.sqlite").exists(), message="its first step")
    relay.stop()
    assert room.waiting() == 1


def test_what_no_log_would_take_fails_its_transaction(room: Room) -> None:
    with pytest.raises(RecordRefused), room.database.write() as connection:
        outbox.append(connection, Record("things", b"key", bytes(1_000_000)))
    assert room.waiting() == 0


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


def test_an_event_that_the_log_refuses_stops_no_other_and_goes_out_when_it_may(tmp_path, databases, caplog):
    log = Narrow(EmbeddedLog(tmp_path / "events", CLOCK))
    room = Room(Database(databases.url_of_file(tmp_path / "room.db")), log, "things")
    clock = FakeClock()
    relay = outbox.Relay("room", room.database, log, clock, [Topic("things", partitions=1)])
    large = room.change("things/large", bytes(1000))
    room.change("things/large")  # a later one of the same key keeps its place
    for number in range(3):
        room.change(f"things/{number}")
    for _ in range(5):
        relay._step()
        clock.advance(0.5)
    assert log.subjects() == [f"things/{number}" for number in range(3)]
    assert (room.waiting(), relay.published.refused) == (2, 1)
    refusals = [
        record.getMessage() for record in caplog.records if "waits in the outbox" in record.getMessage()
    ]
    assert len(refusals) == 1
    assert all(word in refusals[0] for word in (large.id, "things", "bytes", "more than 500 bytes"))
    with room.database.read() as connection:
        oldest = outbox.oldest(connection)
    assert (oldest.topic, oldest.event_id) == ("things", large.id)
    assert oldest.bytes > 1000
    for number in range(3, 6):
        room.change(f"things/{number}")
        relay._step()
    assert len(log.subjects()) == 6
    log.limit = 10_000
    clock.advance(31.0)
    relay._step()
    assert log.subjects()[-2:] == ["things/large"] * 2
    assert (room.waiting(), relay.published.refused) == (0, 0)


def test_many_events_behind_a_refused_one_hide_no_other(tmp_path, databases):
    log = Narrow(EmbeddedLog(tmp_path / "events", CLOCK))
    room = Room(Database(databases.url_of_file(tmp_path / "room.db")), log, "things")
    relay = outbox.Relay("room", room.database, log, FakeClock(), [Topic("things", partitions=1)])
    with room.database.write() as connection:
        room.change_in(connection, "things/large", bytes(1000))
        for _ in range(outbox.BATCH + 10):
            room.change_in(connection, "things/large")
        room.change_in(connection, "things/other")
    for _ in range(3):
        relay._step()
    assert log.subjects() == ["things/other"]


def test_the_inbox_forgets_what_no_log_keeps_any_more(room: Room) -> None:
    clock = FakeClock()
    event = room.event("things/1", 4)
    with room.database.write() as connection:
        marks = Marks(connection, "group", clock.now())
        marks.handled(event)
        marks.save()
    for days, known in ((59, "HANDLED"), (61, "")):
        with room.database.write() as connection:
            prune(connection, clock.now() + timedelta(days=days))
            marks = Marks(connection, "group", clock.now())
            marks.load([event.id], [("things", b"things/1")])
            assert marks.outcome(event.id) == known
            assert marks.is_older(room.event("things/1", 3)) is bool(known)
