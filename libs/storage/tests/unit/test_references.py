"""References from the stored documents of a service."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, Table

from ratoon.events.ports import Record
from ratoon.process.errors import InvalidArgument
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.references import referrers
from ratoon.storage.store import Store, resource_table

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RUN, DIGEST = "projects/p/runs/r", "d" * 64


@dataclass(frozen=True)
class Paint:
    name: str
    create_time: datetime
    update_time: datetime
    uses: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True)
class Brush(Paint):
    pass


@pytest.fixture
def store() -> Store:
    metadata = MetaData()
    tables: dict[type, Table] = {kind: resource_table(metadata, kind.__name__) for kind in (Paint, Brush)}
    database = Database("sqlite://")
    with database.write() as connection:
        metadata.create_all(connection)

    def encode(event: object, name: str, revision: int) -> Record:
        return Record("paints", name.encode(), b"")

    return Store(database, tables, encode, outbox.append, PageTokens(b"secret"))


def add(store: Store, kind: type[Paint], name: str, *uses: str) -> str:
    with store.write() as tx:
        return tx.create(kind(name, NOW, NOW, uses))[0].name


def test_resources_of_all_kinds_and_parents_of_the_project_that_store_a_value_are_listed(
    store: Store,
) -> None:
    paint = add(store, Paint, "projects/p/paints/b", "x", RUN)
    nested = add(store, Brush, "projects/p/paints/b/brushes/a", DIGEST)
    assert referrers(store, "projects/p", [RUN, DIGEST], 10) == [paint, nested]
    assert referrers(store, "projects/p", [RUN, DIGEST], 1) == [paint]
    assert referrers(store, "projects/p", [DIGEST], 10) == [nested]


def test_longer_names_other_projects_and_the_resource_itself_do_not_count(store: Store) -> None:
    add(store, Paint, "projects/p/paints/longer", f"{RUN}2", f"{RUN}/parts/1")
    add(store, Paint, "projects/p2/paints/other", RUN)
    itself = add(store, Paint, "projects/p/paints/itself")
    assert referrers(store, "projects/p", [RUN], 10) == []
    assert referrers(store, "projects/p", [itself], 10) == []


@pytest.mark.parametrize(
    ("project", "values"),
    [("projects", [RUN]), ("", [RUN]), ("projects/p", []), ("projects/p", [""]), ("projects/p", [RUN] * 11)],
)
def test_a_question_without_a_project_or_values_is_refused(
    store: Store, project: str, values: list[str]
) -> None:
    with pytest.raises(InvalidArgument):
        referrers(store, project, values, 10)
