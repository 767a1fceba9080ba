"""Schema changes of a room's database: Alembic scripts from the room's `migrations/versions`, under a lock.

Run by `ratoon migrate`, `ratoon up` or an init container, never by a serving process. The `…_v1` functions are what
first migrations are made of; a later change gets a new script, never a new meaning here.
"""

import importlib
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import Operations as Alembic
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from ratoon.chassis.database import Database
from ratoon.chassis.errors import FailedPrecondition

_LOCK = 7_287_431


def migrate(service: str, database_url: str, revision: str = "head") -> str:
    """Bring a room's database to a revision; returns the one it is at then. Concurrent callers wait for each other."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(database_url)
    try:
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return _run(service, connection, revision)
    finally:
        database.close()


def check_current(service: str, database: Database) -> None:
    """Refuse to serve from a database that was not migrated."""
    try:
        with database.read() as connection:
            at = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise FailedPrecondition(
            f"The database of {service} cannot be opened ({error.orig}); if it is not there, run: ratoon migrate",
            reason="DATABASE_NOT_THERE",
        ) from None
    head = _scripts(service).get_current_head()
    if at != head:
        raise FailedPrecondition(
            f"The database of {service} is at revision {at or 'none'}, this version needs {head}; run: ratoon migrate",
            reason="DATABASE_NOT_MIGRATED",
        )


def create_common_tables_v1(op: Alembic) -> None:
    """The tables that every room has: operations, outbox, inbox."""
    op.create_table(
        "operations",
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("epoch", sa.String(40), nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_index("ix_operations_due", "operations", ["due"])
    op.create_table(
        "outbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox_lease",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "inbox_events",
        sa.Column("consumer_group", sa.String(100), primary_key=True),
        sa.Column("event_id", sa.String(255), primary_key=True),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_inbox_events_time", "inbox_events", ["time"])
    op.create_table(
        "inbox_revisions",
        sa.Column("consumer_group", sa.String(100), primary_key=True),
        sa.Column("topic", sa.String(200), primary_key=True),
        sa.Column("key", sa.LargeBinary(1024), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_inbox_revisions_time", "inbox_revisions", ["time"])


def drop_common_tables_v1(op: Alembic) -> None:
    """Drop what `create_common_tables_v1` made."""
    for name in ("operations", "outbox", "outbox_lease", "inbox_events", "inbox_revisions"):
        op.drop_table(name)


def create_resource_table_v1(op: Alembic, name: str) -> None:
    """The table of one kind of resource."""
    op.create_table(
        name,
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("parent", sa.String(512), nullable=False),
        sa.Column("create_time", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("request_key", sa.String(700), unique=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index(f"ix_{name}_listing", name, ["parent", "create_time", "name"])


def _run(service: str, connection: sa.Connection, revision: str) -> str:
    scripts = _scripts(service)

    def plan(at: str, _context: MigrationContext) -> object:
        return scripts._upgrade_revs(revision, at)

    with EnvironmentContext(Config(), scripts, fn=plan, destination_rev=revision) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
    return MigrationContext.configure(connection).get_current_revision() or ""


def _scripts(service: str) -> ScriptDirectory:
    package = Path(str(importlib.import_module(f"ratoon_{service}").__file__)).parent
    beside = package / "migrations"
    folder = beside if beside.exists() else package.parents[1] / "migrations"
    return ScriptDirectory(str(folder))
