"""Schema changes of a service's database: Alembic scripts from its `migrations/versions`, under a lock.

Run by `ratoon migrate`, `ratoon up` or an init container, never by a serving process. The `…_v1` functions are what
first migrations are made of; a later change gets a new script, never a new meaning here.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import Operations as Alembic
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from ratoon.process.errors import FailedPrecondition, RatoonError, Unavailable, storage_fault
from ratoon.storage import schema_readers
from ratoon.storage.alembic_internals import downgrade_steps, upgrade_steps
from ratoon.storage.database import Database
from ratoon.storage.revisions import head_of, knows, revision_at, scripts_of


def migrate(service: str, database_url: str, revision: str = "head") -> str:
    """Upgrade a service's database to a revision; return its revision. Concurrent callers wait for each other.

    A database that a newer version brought on, in a way that leaves this one able to use it, stays as it is.
    FailedPrecondition when the database is damaged, or at a revision that this version does not know and cannot use.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scripts = _scripts(service)
    return _run(service, database_url, revision, lambda at: upgrade_steps(scripts, revision, at))


def migrate_down(service: str, database_url: str, revision: str) -> str:
    """Downgrade a service's database to an earlier revision (`base`: no table is left); newer data is lost."""
    scripts = _scripts(service)
    return _run(service, database_url, revision, lambda at: downgrade_steps(scripts, revision, at))


def create_common_tables_v2(op: Alembic) -> None:
    """Create the tables that every service has, as the releases since 0.2 expect them."""
    create_common_tables_v1(op)
    add_operation_trace_v2(op)
    add_operation_priority_v4(op)
    create_retired_names_v5(op)


def drop_common_tables_v2(op: Alembic) -> None:
    """Drop what `create_common_tables_v2` created."""
    op.drop_table("retired_names")
    drop_common_tables_v1(op)


def create_common_tables_v1(op: Alembic) -> None:
    """Create the tables that every service had at first: operations, outbox, inbox."""
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


def add_operation_trace_v2(op: Alembic) -> None:
    """Let an operation know the trace of what began it."""
    op.add_column("operations", sa.Column("traceparent", sa.String(55), nullable=False, server_default=""))


def drop_operation_trace_v2(op: Alembic) -> None:
    """Undo `add_operation_trace_v2`."""
    op.drop_column("operations", "traceparent")


def add_request_digest_v3(op: Alembic) -> None:
    """Let every resource know the digest of the request that made it."""
    for name in _resource_tables(op):
        op.add_column(name, sa.Column("request_digest", sa.String(64)))


def drop_request_digest_v3(op: Alembic) -> None:
    """Undo `add_request_digest_v3`."""
    for name in _resource_tables(op):
        op.drop_column(name, "request_digest")


def add_operation_priority_v4(op: Alembic) -> None:
    """Let urgent operations be claimed before idle ones, each by index."""
    op.add_column("operations", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_operations_priority", "operations", ["priority", "due"])


def drop_operation_priority_v4(op: Alembic) -> None:
    """Undo `add_operation_priority_v4`."""
    op.drop_index("ix_operations_priority", "operations")
    op.drop_column("operations", "priority")


def create_retired_names_v5(op: Alembic) -> None:
    """Create the table of the names of retired resources."""
    op.create_table(
        "retired_names",
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("parent", sa.String(512), nullable=False),
    )
    op.create_index("ix_retired_names_parent", "retired_names", ["parent"])


def _resource_tables(op: Alembic) -> list[str]:
    """The tables of resources, as they are now."""
    schema = sa.inspect(op.get_bind())
    return [
        name
        for name in schema.get_table_names()
        if "request_key" in {column["name"] for column in schema.get_columns(name)}
    ]


def create_resource_table_v2(op: Alembic, name: str) -> None:
    """The table of one kind of resource, with the digest of the request that made each."""
    create_resource_table_v1(op, name)
    op.add_column(name, sa.Column("request_digest", sa.String(64)))


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


def _run(service: str, database_url: str, revision: str, steps: Callable[[str], object]) -> str:
    """Run the scripts on the way to a revision, in one transaction."""
    database = Database(database_url)
    try:
        with database.write() as connection:
            if database.is_sqlite:
                _check_whole(service, database_url, connection)
            before = revision_at(connection)
            may = schema_readers.readers(connection)
            if revision == "head" and not knows(service, before) and head_of(service) in may:
                return before
            with EnvironmentContext(
                Config(), _scripts(service), fn=lambda at, _context: steps(at), destination_rev=revision
            ) as environment:
                environment.configure(connection=connection)
                environment.run_migrations()
            now = revision_at(connection)
            if now != before:
                schema_readers.note(connection, _readers(service, may, before, now))
            return now
    except CommandError as error:
        raise FailedPrecondition(
            f"The database of {service} cannot be brought to revision {revision} by this version of Ratoon ({error}); "
            "it was used by a newer one: install that, or restore a backup.",
            reason="DATABASE_FROM_ELSEWHERE",
        ) from None
    except DatabaseError as error:
        raise _named(service, database_url, error) from error
    finally:
        database.close()


def _readers(service: str, may: set[str], before: str, now: str) -> set[str]:
    """Return the revisions whose code may use the database after it went from one revision to another."""
    if not now:
        return set()
    scripts = _scripts(service)
    below = {script.revision for script in scripts.iterate_revisions(now, "base")}
    if before and before not in below:
        return {now}  # it went down
    path = reversed(list(scripts.iterate_revisions(now, before or "base")))
    applied = [(script.revision, getattr(script.module, "contracts", False)) for script in path]
    return schema_readers.after(may, before, applied)


def _check_whole(service: str, database_url: str, connection: sa.Connection) -> None:
    """Raise for a damaged page now, before a query needs that page."""
    result = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    if result != "ok":
        raise _damaged(service, database_url, result)


def _named(service: str, database_url: str, error: DatabaseError) -> Exception:
    """The error as a sentence where it is the file's or the disk's fault, else as it is."""
    fault = storage_fault(error)
    if fault is None:
        return error
    if fault.reason == "DATABASE_DAMAGED":
        return _damaged(service, database_url, str(error.orig))
    return Unavailable(fault.message, reason=fault.reason)


def _damaged(service: str, database_url: str, what: str) -> RatoonError:
    return FailedPrecondition(
        f"The database of {service} ({make_url(database_url).database}) is damaged: {what}. Put back a copy from a "
        "backup; what the other services hold is untouched.",
        reason="DATABASE_DAMAGED",
    )


@cache
def _scripts(service: str) -> ScriptDirectory:
    """Return the scripts of a service, each of which is loaded once a process."""
    return ScriptDirectory(str(scripts_of(service)))
