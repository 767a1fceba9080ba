"""Resources as documents: revisions, request ids, pages, and events that commit with the state."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import MetaData

from ratoon.chassis import outbox
from ratoon.chassis.database import Database
from ratoon.chassis.errors import Aborted, AlreadyExists, NotFound
from ratoon.chassis.paging import PageTokens
from ratoon.chassis.store import Store, resource_table
from ratoon.events.ports import Record

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Thing:
    name: str
    create_time: datetime
    update_time: datetime
    colour: str = "green"
    revision: int = 0


def thing(number: int) -> Thing:
    moment = NOW + timedelta(seconds=number // 2)
    return Thing(f"projects/p/things/t{number:03}", moment, moment)


@pytest.fixture
def store() -> Store:
    metadata = MetaData()
    table = resource_table(metadata, "things")
    outbox.outbox_tables(metadata)
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)

    def encode(event: object, name: str, revision: int) -> Record:
        return Record("things", name.encode(), f"{event}@{revision}".encode())

    return Store(database, {Thing: table}, encode, outbox.append, PageTokens(b"secret"))


def test_what_is_created_is_found_with_its_first_revision(store):
    with store.write() as tx:
        created, new = tx.create(thing(1))
    with store.read() as tx:
        assert tx.get(Thing, created.name) == created
    assert (new, created.revision) == (True, 1)


def test_a_taken_name_and_a_missing_one_are_said(store):
    with store.write() as tx:
        tx.create(thing(1))
    with pytest.raises(AlreadyExists) as taken, store.write() as tx:
        tx.create(thing(1))
    with pytest.raises(NotFound) as missing, store.read() as tx:
        tx.get(Thing, "projects/p/things/none")
    assert (taken.value.reason, missing.value.reason) == ("THING_EXISTS", "THING_NOT_FOUND")


def test_a_repeated_request_id_gives_the_first_resource(store):
    with store.write() as tx:
        first, _ = tx.create(thing(1), "r")
    with store.write() as tx:
        again, new = tx.create(thing(2), "r")
    assert (again, new) == (first, False)


def test_a_stale_revision_never_wins(store):
    with store.write() as tx:
        first, _ = tx.create(thing(1))
    with store.write() as tx:
        second = tx.save(replace(first, colour="red"))
    with pytest.raises(Aborted), store.write() as tx:
        tx.save(replace(first, colour="blue"))
    with store.read() as tx:
        assert tx.get(Thing, first.name) == second
    assert second.revision == 2


def test_state_and_event_commit_together_or_not_at_all(store):
    with store.write() as tx:
        created, _ = tx.create(thing(1))
        tx.publish("Made", created)
    with pytest.raises(ValueError, match="crash"), store.write() as tx:
        tx.save(replace(created, colour="red"))
        tx.publish("Painted", created)
        raise ValueError("crash")
    with store.read() as tx:
        assert tx.get(Thing, created.name).colour == "green"
        assert outbox.waiting(tx.connection) == 1


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_cover_everything_once_in_order_of_time_and_name(store, size):
    with store.write() as tx:
        for number in reversed(range(20)):
            tx.create(thing(number))
    seen, token = [], ""
    while True:
        with store.read() as tx:
            page = tx.page(Thing, "projects/p", size, token)
        seen += page.items
        token = page.next_token
        if not token:
            break
    assert [each.name for each in seen] == [thing(number).name for number in range(20)]
