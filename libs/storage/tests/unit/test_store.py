"""Resources as documents: revisions, request ids, pages, and events that commit with the state."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import MetaData, event, text

from ratoon.events.ports import Record
from ratoon.labeling.v1 import annotation_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.process.errors import Aborted, AlreadyExists, DataLoss, InvalidArgument, NotFound
from ratoon.runtime import requests
from ratoon.security.identity import ANONYMOUS, Principal, Role, set_caller
from ratoon.service.metrics import store_samples
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table, retired_table, unreadable_rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Thing:
    name: str
    create_time: datetime
    update_time: datetime
    colour: str = "green"
    instructions: str = ""
    revision: int = 0


def thing(number: int) -> Thing:
    created = NOW + timedelta(seconds=number // 2)
    return Thing(f"projects/p/things/t{number:03}", created, created)


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


def test_a_single_resource_is_read_by_one_statement(store):
    with store.write() as tx:
        resource, _ = tx.create(thing(1))
    statements: list[str] = []
    event.listen(
        store.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    assert store.get(Thing, resource.name) == resource
    assert [statement.split()[0] for statement in statements] == ["SELECT"]
    with pytest.raises(NotFound) as missing:
        store.get(Thing, "things/2")
    assert missing.value.reason == "THING_NOT_FOUND"


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
    items, token = [], ""
    while True:
        with store.read() as tx:
            page = tx.page(Thing, "projects/p", size, token)
        items += page.items
        token = page.next_token
        if not token:
            break
    assert [each.name for each in items] == [thing(number).name for number in range(20)]


@dataclass(frozen=True)
class Part:
    weight: float = 1.0


@dataclass(frozen=True)
class Rich:
    name: str
    create_time: datetime
    update_time: datetime
    part: Part = Part()
    scores: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    words: tuple[str, ...] = ()
    revision: int = 0


def rich(number: int = 1, **values) -> Rich:
    return Rich(f"projects/p/riches/r{number}", NOW, NOW, **values)


@pytest.fixture
def riches() -> Store:
    metadata = MetaData()
    tables = {Rich: resource_table(metadata, "riches")}
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)
    return Store(database, tables, lambda *_: None, outbox.append, PageTokens(b"secret"))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"part": Part(math.nan)}, "part.weight"),
        ({"scores": {"f1": math.inf}}, "scores.f1"),
        ({"limit": -math.inf}, "limit"),
        ({"words": ("a", "b\ud800")}, "words.1"),
        ({"scores": {"\udfff": 1.0}}, "scores.'\\udfff'"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(riches, values, field):
    with pytest.raises(InvalidArgument) as raised, riches.write() as tx:
        tx.create(rich(**values))
    assert (raised.value.reason, raised.value.field) == ("UNSTORABLE_VALUE", field)
    with riches.write() as tx:
        created, _ = tx.create(rich())
    with pytest.raises(InvalidArgument), riches.write() as tx:
        tx.save(replace(created, **values))
    with riches.read() as tx:
        assert tx.get(Rich, created.name) == created


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_listed(riches, caplog):
    with riches.write() as tx:
        for number in range(4):
            tx.create(rich(number))
        tx.connection.execute(
            text("UPDATE riches SET body = replace(body, '1.0', 'null') WHERE name LIKE '%r1'")
        )
    name, others = rich(1).name, [rich(n).name for n in (0, 2, 3)]
    with riches.read() as tx:
        assert [each.name for each in tx.all(Rich, "projects/p")] == others
        assert [each.name for each in tx.every(Rich)] == others
        first = tx.page(Rich, "projects/p", 2)
        assert [each.name for each in first.items] == others[:1]
        second = tx.page(Rich, "projects/p", 2, first.next_token)
        assert [each.name for each in second.items] == others[1:]
        with pytest.raises(DataLoss, match=r"part\.weight") as raised:
            tx.get(Rich, name)
        assert raised.value.reason == "UNREADABLE_RESOURCE"
        tables = {Rich: riches._kinds[Rich][0]}
        assert list(unreadable_rows(tx.connection, tables)) == [(name, "part.weight (float_type)")]
    assert list(riches.unreadable) == [name]
    assert [name in record.getMessage() for record in caplog.records] == [True]
    assert [sample.value for sample in store_samples(riches)()] == [1]


@pytest.fixture
def asking():
    """Serve a request as a caller of a role."""

    def ask(request, role=Role.ENGINEER):
        requests.set_current(request)
        set_caller(Principal("projects/p/apiKeys/k", role, "p"))

    yield ask
    requests.set_current(None)
    set_caller(ANONYMOUS)


def guideline(instructions):
    resource = annotation_pb2.Guideline(instructions=instructions)
    return pb.CreateGuidelineRequest(parent="projects/p", guideline=resource, request_id="r")


def test_a_request_id_with_another_request_is_refused_with_what_differs(store, asking):
    with store.write() as tx:
        asking(guideline("green"))
        first, _ = tx.create(thing(1), "r")
        assert tx.create(thing(2), "r") == (first, False)
        asking(guideline("red"))
        with pytest.raises(AlreadyExists) as raised:
            tx.create(replace(thing(1), instructions="red"), "r")
    assert (raised.value.reason, raised.value.field) == ("REQUEST_ID_REUSED", "request_id")
    assert first.name in str(raised.value)
    assert "differs in instructions" in str(raised.value)


def test_a_service_that_retries_may_rebuild_its_request(store, asking):
    with store.write() as tx:
        asking(guideline("green"), Role.SERVICE)
        first, _ = tx.create(thing(1), "r")
        asking(guideline("red"), Role.SERVICE)
        assert tx.create(replace(thing(1), instructions="red"), "r") == (first, False)


def test_a_row_of_the_last_release_has_no_digest_and_passes(store, asking):
    with store.write() as tx:
        first, _ = tx.create(thing(1), "r")
        asking(guideline("red"))
        assert tx.create(replace(thing(1), instructions="red"), "r") == (first, False)


@pytest.mark.parametrize(
    ("instructions", "difference"), [("green", "agrees with all"), ("red", "differs in instructions")]
)
def test_a_taken_name_says_what_differs(store, asking, instructions, difference):
    with store.write() as tx:
        tx.create(replace(thing(1), instructions="green"))
        asking(guideline(instructions))
        with pytest.raises(AlreadyExists, match=difference) as raised:
            tx.create(replace(thing(1), instructions=instructions))
    assert raised.value.reason == "THING_EXISTS"


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_of_the_newest_first_are_the_others_reversed(store, size):
    with store.write() as tx:
        for number in range(7):
            tx.create(thing(number))
    items, token = [], ""
    with store.read() as tx:
        while page := tx.page(Thing, "projects/p", size, token, order_by="create_time desc"):
            items += page.items
            if not (token := page.next_token):
                break
        assert items == tx.all(Thing, "projects/p")[::-1]
        if size < 7:
            token = tx.page(Thing, "projects/p", size, order_by="create_time desc").next_token
            with pytest.raises(InvalidArgument, match="page token"):
                tx.page(Thing, "projects/p", size, token)


def test_a_page_and_a_count_of_what_a_field_has(store):
    with store.write() as tx:
        for number in range(6):
            tx.create(replace(thing(number), colour="red" if number % 3 else "o'live"))
    with store.read() as tx:
        first = tx.page(Thing, "projects/p", 1, where={"colour": "o'live"})
        second = tx.page(Thing, "projects/p", 9, first.next_token, where={"colour": "o'live"})
        assert [each.name[-1] for each in first.items + second.items] == ["0", "3"]
        assert (tx.count(Thing, "projects/p"), tx.count(Thing, "projects/p", {"colour": "red"})) == (6, 4)
        assert tx.count(Thing, "projects/q") == 0


def test_no_page_sorts_its_collection(store):
    statements: list[tuple[str, object]] = []
    note = lambda _c, _cursor, statement, parameters, *_: statements.append((statement, parameters))  # noqa: E731
    with store.write() as tx:
        for number in range(3):
            tx.create(thing(number))
    event.listen(store.database.engine, "before_cursor_execute", note)
    with store.read() as tx:
        for order_by in ("", "create_time desc"):
            token = tx.page(Thing, "projects/p", 1, order_by=order_by).next_token
            tx.page(Thing, "projects/p", 1, token, order_by=order_by)
    event.remove(store.database.engine, "before_cursor_execute", note)
    with store.read() as tx:
        plans = {
            tx.connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()[-1][-1]
            for statement, parameters in statements
            if statement.startswith("SELECT")
        }
    assert len(plans) == 3
    assert all(plan.startswith("SEARCH things USING INDEX ix_things_listing (parent=?") for plan in plans)


def test_a_page_ends_early_when_its_documents_are_long(store):
    with store.write() as tx:
        for number in range(8):
            tx.create(replace(thing(number), instructions="x" * 400_000))
    names, token, sizes = [], "", []
    while True:
        with store.read() as tx:
            page = tx.page(Thing, "projects/p", 100, token)
        names += [each.name for each in page.items]
        sizes.append(len(page.items))
        if not (token := page.next_token):
            break
    assert names == [thing(number).name for number in range(8)]
    assert sizes == [2, 2, 2, 2]


@dataclass(frozen=True)
class Job:
    name: str
    create_time: datetime
    update_time: datetime
    state: str = "READY"
    message: str = ""
    revision: int = 0


@pytest.fixture
def jobs() -> Store:
    metadata = MetaData()
    retired_table(metadata)
    table = resource_table(metadata, "jobs", ended="ABSENT")
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)
    return Store(database, {Job: table}, lambda *_: Record("jobs", b"", b""), outbox.append, PageTokens(b"s"))


def test_live_resources_are_those_that_have_not_ended(jobs):
    quoting = Job("projects/p/jobs/c", NOW, NOW, message='"state":"ABSENT"')
    with jobs.write() as tx:
        created, _ = tx.create(Job("projects/p/jobs/a", NOW, NOW))
        tx.create(Job("projects/p/jobs/b", NOW, NOW, state="ABSENT"))
        tx.create(quoting)
        tx.create(Job("projects/q/jobs/a", NOW, NOW))
        assert [each.name[9:] for each in tx.live(Job)] == ["p/jobs/a", "p/jobs/c", "q/jobs/a"]
        tx.save(replace(created, state="ABSENT"))
        assert [each.name for each in tx.live(Job, "projects/p")] == [quoting.name]


def test_live_resources_are_found_by_index_and_unreadable_ones_left_out(jobs):
    statements = []
    event.listen(
        jobs.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2:4])
    )
    with jobs.write() as tx:
        tx.create(Job("projects/p/jobs/a", NOW, NOW))
        tx.connection.execute(text("UPDATE jobs SET body = 'no document'"))
    for parent in ("", "projects/p"):
        with jobs.read() as tx:
            assert tx.live(Job, parent) == []
            statement, values = statements[-1]
            plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        assert "ix_jobs_live" in plan[0].detail, plan


def test_only_the_name_of_a_state_tells_what_has_ended():
    with pytest.raises(ValueError, match="no name of a state"):
        resource_table(MetaData(), "jobs", ended="a' OR 1=1")


def test_the_name_of_a_retired_resource_is_not_used_again(jobs):
    job = Job("projects/p/jobs/a", NOW, NOW)
    with jobs.write() as tx:
        created, _ = tx.create(job, "once")
        assert tx.retired(Job, "projects/p") == []
        tx.retire(created)
    for request_id in ("", "once"):
        with pytest.raises(AlreadyExists, match="was deleted") as refused, jobs.write() as tx:
            tx.create(job, request_id)
        assert refused.value.reason == "JOB_DELETED"
    with jobs.write() as tx:
        assert tx.retired(Job, "projects/p") == [job.name]
        other, _ = tx.create(Job("projects/p/jobs/b", NOW, NOW))
        tx.delete(other)
        tx.create(Job("projects/p/jobs/b", NOW, NOW))
