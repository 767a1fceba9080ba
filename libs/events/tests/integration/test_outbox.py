"""The relay's lease, the outbox's bound and how long the inbox remembers."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ratoon.chassis import outbox
from ratoon.chassis.database import Database
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.inbox import Marks, prune
from ratoon.events.ports import Record, RecordRefused
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.events import CLOCK, Room, eventually
from ratoon.testkit.postgresql import Databases


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
    eventually(lambda: not room.waiting(), "the first relay publishes")
    second.start()
    room.change("things/1")
    eventually(lambda: not room.waiting(), "the first relay goes on")
    assert second.published.records == 0
    first.stop()
    room.change("things/1")
    eventually(lambda: second.published.records == 1, "the second relay follows")
    second.stop()


def test_a_lease_of_another_machine_is_respected(room: Room, tmp_path: Path) -> None:
    relay = room.relay()
    with room.database.write() as connection:
        lease = "INSERT INTO outbox_lease VALUES ('relay', 'elsewhere:1:1:x', :expires)"
        now = relay._lease._now(connection)
        connection.execute(text(lease), {"expires": now + outbox.LEASE_S - 1})
    room.change("things/1")
    relay.start()
    eventually(lambda: (tmp_path / "events" / "events.sqlite").exists(), "its first step")
    relay.stop()
    assert room.waiting() == 1


def test_what_no_log_would_take_fails_its_transaction(room: Room) -> None:
    with pytest.raises(RecordRefused), room.database.write() as connection:
        outbox.append(connection, Record("things", b"key", bytes(1_000_000)))
    assert room.waiting() == 0


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
