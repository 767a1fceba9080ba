"""Every room's migrations, both ways: up gives the schema that the code expects, down leaves nothing."""

import importlib

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from ratoon.chassis import schema_readers
from ratoon.chassis.database import Database
from ratoon.chassis.errors import FailedPrecondition
from ratoon.chassis.migrations import migrate, migrate_down
from ratoon.chassis.revisions import check_current, head_of, revision_of
from ratoon.chassis.services import service_names

EXPRESSION_INDEXES = ("ix_tasks_queue",)
"""Indexes over fields of stored documents, which differ between databases: only migrations know them."""
each_room = pytest.mark.parametrize("room", service_names())


def is_a_rooms(name, kind, _parents):
    """Whether a thing in a database is one that the tables of the code can name."""
    return name not in (schema_readers.TABLE, *EXPRESSION_INDEXES)


@pytest.fixture
def url(room, databases, tmp_path):
    return databases.url(room, tmp_path) or f"sqlite:///{tmp_path}/{room}.db"


@pytest.fixture
def database(url):
    made = Database(url)
    yield made
    made.close()


@each_room
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_make_the_schema_that_the_code_expects(room, url, database):
    assert migrate(room, url) == head_of(room)
    metadata = importlib.import_module(f"ratoon_{room}.adapters.tables").METADATA
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_a_rooms}
        )
        assert compare_metadata(context, metadata) == []


@each_room
def test_migrations_go_down_to_nothing_and_up_again(room, url, database):
    migrate(room, url)
    assert migrate_down(room, url, "base") == ""
    with database.read() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert migrate(room, url) == head_of(room)


@each_room
def test_every_single_step_can_be_gone_both_ways(room, url, database):
    migrate(room, url, "0001")
    while (at := revision_of(database)) != head_of(room):
        above = migrate(room, url, "+1")
        assert migrate_down(room, url, at) == at
        assert migrate(room, url, above) == above
    check_current(room, database)


@pytest.mark.parametrize("room", ["registry"])
def test_a_database_that_a_newer_version_used_is_refused(room, url, database):
    migrate(room, url)
    bring_on(database, "9999", contracts=True)
    with pytest.raises(FailedPrecondition, match="newer"):
        migrate(room, url)


@pytest.mark.parametrize("room", ["registry"])
def test_a_version_goes_on_beside_a_newer_one_that_only_added_and_can_be_rolled_back_to(room, url, database):
    migrate(room, url)
    bring_on(database, "9999", contracts=False)
    check_current(room, database)
    assert migrate(room, url) == "9999"
    bring_on(database, "99999", contracts=True)
    with pytest.raises(FailedPrecondition, match="ratoon migrate"):
        check_current(room, database)
    with pytest.raises(FailedPrecondition, match="newer"):
        migrate(room, url)


def bring_on(database, revision, *, contracts):
    """What a newer version's migration leaves behind."""
    with database.write() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        held = schema_readers.readers(connection)
        schema_readers.note(connection, schema_readers.after(held, before, [(revision, contracts)]))
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


@each_room
def test_every_version_since_the_first_may_use_what_later_ones_added_to(room, url, database):
    migrate(room, url, "0001")
    migrate(room, url)
    with database.read() as connection:
        assert {"0001", head_of(room)} <= schema_readers.readers(connection)
