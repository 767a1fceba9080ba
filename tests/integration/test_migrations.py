"""Migrations of every service, both ways: up gives the schema that the code expects, down leaves nothing."""

import importlib

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from ratoon.process.errors import FailedPrecondition
from ratoon.runtime.services import service_names
from ratoon.service.events import service_metadata
from ratoon.storage import schema_readers
from ratoon.storage.database import Database
from ratoon.storage.migrations import (
    create_common_tables_v2,
    create_resource_table_v2,
    drop_common_tables_v2,
    migrate,
    migrate_down,
)
from ratoon.storage.revisions import check_current, head_of, revision_of
from ratoon.storage.store import resource_table

EXPRESSION_INDEXES = ("ix_tasks_queue", "ix_tasks_of_queue")
"""Indexes over fields of stored documents, which differ between databases: only migrations know them."""
each_service = pytest.mark.parametrize("service", service_names())


def is_declared(name, kind, _parents):
    """Return True if an object of a database can be declared by the tables of the code."""
    return name not in (schema_readers.TABLE, *EXPRESSION_INDEXES)


@pytest.fixture
def url(service, databases, tmp_path):
    return databases.url(service, tmp_path) or f"sqlite:///{tmp_path}/{service}.db"


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


@each_service
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_make_the_schema_that_the_code_expects(service, url, database):
    assert migrate(service, url) == head_of(service)
    importlib.import_module(f"ratoon_{service}.bootstrap")  # adapters declare tables, too
    metadata = importlib.import_module(f"ratoon_{service}.adapters.tables").METADATA
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_declared}
        )
        assert compare_metadata(context, metadata) == []


def test_the_first_migration_of_a_new_service_makes_the_schema_that_the_code_expects(tmp_path):
    metadata = service_metadata()
    resource_table(metadata, "notes")
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db")
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        op = Operations(context)
        create_common_tables_v2(op)
        create_resource_table_v2(op, "notes")
        assert compare_metadata(context, metadata) == []
        op.drop_table("notes")
        drop_common_tables_v2(op)
        assert inspect(connection).get_table_names() == []
    engine.dispose()


@each_service
def test_migrations_go_down_to_nothing_and_up_again(service, url, database):
    migrate(service, url)
    assert migrate_down(service, url, "base") == ""
    with database.read() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert migrate(service, url) == head_of(service)


@each_service
def test_every_single_step_can_be_gone_both_ways(service, url, database):
    migrate(service, url, "0001")
    while (at := revision_of(database)) != head_of(service):
        above = migrate(service, url, "+1")
        assert migrate_down(service, url, at) == at
        assert migrate(service, url, above) == above
    check_current(service, database)


@pytest.mark.parametrize("service", ["registry"])
def test_a_database_that_a_newer_version_used_is_refused(service, url, database):
    migrate(service, url)
    bring_on(database, "9999", contracts=True)
    with pytest.raises(FailedPrecondition, match="newer"):
        migrate(service, url)


@pytest.mark.parametrize("service", ["registry"])
def test_a_version_goes_on_beside_a_newer_one_that_only_added_and_can_be_rolled_back_to(
    service, url, database
):
    migrate(service, url)
    bring_on(database, "9999", contracts=False)
    check_current(service, database)
    assert migrate(service, url) == "9999"
    bring_on(database, "99999", contracts=True)
    with pytest.raises(FailedPrecondition, match="ratoon migrate"):
        check_current(service, database)
    with pytest.raises(FailedPrecondition, match="newer"):
        migrate(service, url)


def bring_on(database, revision, *, contracts):
    """Leave a database as a newer version's migration does."""
    with database.write() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        held = schema_readers.readers(connection)
        schema_readers.note(connection, schema_readers.after(held, before, [(revision, contracts)]))
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


@each_service
def test_every_version_since_the_first_may_use_what_later_ones_added_to(service, url, database):
    migrate(service, url, "0001")
    migrate(service, url)
    with database.read() as connection:
        assert {"0001", head_of(service)} <= schema_readers.readers(connection)
