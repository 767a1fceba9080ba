"""Standard methods of one kind of resource, over a database in memory."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import MetaData

from ratoon.operations.operations import Operations, operations_table
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.runtime.server import Threads
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import Page, PageTokens
from ratoon.storage.store import Store, Transaction, resource_table
from ratoon.storage.watch import Changes
from ratoon.testkit.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PATTERN = "projects/*/works/*"


@dataclass(frozen=True)
class Work:
    name: str
    create_time: datetime
    update_time: datetime
    state: str = "RUNNING"
    cancel_requested: bool = False
    revision: int = 0


@dataclass(frozen=True)
class Request:
    """Request with the fields of all standard methods."""

    name: str = ""
    revision: int = 0
    allow_missing: bool = False
    parent: str = ""
    page_size: int = 0
    page_token: str = ""
    order_by: str = ""


@dataclass
class Service:
    """A store of works, and the methods on them; a message is a work's id, state and revision."""

    store: Store
    operations: Operations
    threads: Threads
    changes: Changes = field(init=False)
    works: StandardMethods[Work, str] = field(init=False)

    def __post_init__(self) -> None:
        self.changes = Changes(self.store)
        self.works = StandardMethods(
            self.store, self.threads, Work, PATTERN, message, lambda work: work.state == "ENDED"
        )

    def create(self, *ids: str) -> None:
        with self.store.write() as tx:
            for number, work_id in enumerate(ids):
                created = NOW + timedelta(seconds=number)
                tx.create(Work(f"projects/p/works/{work_id}", created, created))


def message(work: Work) -> str:
    return f"{work.name.rpartition('/')[2]} {work.state} {work.revision}"


def remove_ended(work: Work, tx: Transaction) -> None:
    if work.state != "ENDED":
        raise FailedPrecondition(f"{work.name} is in progress.", reason="IN_USE")
    tx.delete(work)


@pytest.fixture
def service() -> Iterator[Service]:
    metadata = MetaData()
    works, table = resource_table(metadata, "works"), operations_table(metadata)
    outbox.outbox_tables(metadata)
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)
    store = Store(
        database, {Work: works}, lambda *_: pytest.fail("no event"), outbox.append, PageTokens(b"s")
    )
    threads = Threads("test")
    yield Service(store, Operations(store, table, [], FakeClock()), threads)
    threads.close()


def end(service: Service, name: str) -> None:
    with service.store.write() as tx:
        tx.save(replace(tx.get(Work, name), state="ENDED"))


def test_get_returns_the_message_of_a_resource(service):
    service.create("a")
    assert asyncio.run(service.works.get(Request("projects/p/works/a"))) == "a RUNNING 1"
    with pytest.raises(NotFound) as missing:
        asyncio.run(service.works.get(Request("projects/p/works/b")))
    assert missing.value.reason == "WORK_NOT_FOUND"


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_malformed_name_is_refused(service, method):
    arguments = [remove_ended] if method == "delete" else []
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(getattr(service.works, method)(Request("projects/p/jobs/a"), *arguments))
    assert (refused.value.reason, refused.value.field) == ("BAD_NAME", "name")


def test_list_returns_pages_in_the_requested_order(service):
    service.create("a", "b", "c")
    first = asyncio.run(service.works.list(Request(parent="projects/p", page_size=2)))
    assert first.items == ["a RUNNING 1", "b RUNNING 1"]
    rest = Request(parent="projects/p", page_size=2, page_token=first.next_token)
    assert asyncio.run(service.works.list(rest)) == Page(["c RUNNING 1"])
    newest = Request(parent="projects/p", page_size=1, order_by="create_time desc")
    assert asyncio.run(service.works.list(newest)).items == ["c RUNNING 1"]


def test_the_pattern_of_a_parent_is_that_of_the_names_without_the_id(service):
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(service.works.list(Request(parent="projects/p/works/a")))
    assert (refused.value.reason, refused.value.field) == ("BAD_NAME", "parent")


def test_a_page_of_another_parent_is_read_without_a_check(service):
    assert asyncio.run(service.works.page("projects/-", Request())) == Page([])


def test_watch_yields_newer_states_until_the_end(service):
    service.create("a")
    name = "projects/p/works/a"

    async def states(revision: int) -> list[str]:
        watched = []
        async for state in service.works.watch(Request(name, revision=revision), service.changes):
            watched.append(state)
            if revision == 0 and len(watched) == 1:
                await service.threads(end, service, name)
        return watched

    assert asyncio.run(states(0)) == ["a RUNNING 1", "a ENDED 2"]
    assert asyncio.run(states(1)) == ["a ENDED 2"]
    assert asyncio.run(states(2)) == []


def test_cancel_requests_it_and_leaves_an_ended_resource_as_it_is(service):
    service.create("a", "b")
    end(service, "projects/p/works/b")
    cancelled = asyncio.run(service.works.cancel(Request("projects/p/works/a"), service.operations))
    assert cancelled == "a RUNNING 2"
    assert service.store.get(Work, "projects/p/works/a").cancel_requested
    ended = asyncio.run(service.works.cancel(Request("projects/p/works/b"), service.operations))
    assert ended == "b ENDED 2"
    assert not service.store.get(Work, "projects/p/works/b").cancel_requested


def test_delete_follows_the_rule_of_the_kind(service):
    service.create("a")
    request = Request("projects/p/works/a")
    with pytest.raises(FailedPrecondition, match="in progress"):
        asyncio.run(service.works.delete(request, remove_ended))
    end(service, request.name)
    asyncio.run(service.works.delete(request, remove_ended))
    with pytest.raises(NotFound):
        asyncio.run(service.works.delete(request, remove_ended))
    asyncio.run(service.works.delete(replace(request, allow_missing=True), remove_ended))
