"""Revisions of a service's database: those of its scripts, and the one that a database is at.

It looks at Alembic's scripts and its table without Alembic, which would weigh 10 MiB in each process that serves.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from ratoon.process.errors import FailedPrecondition
from ratoon.runtime import services
from ratoon.storage import schema_readers
from ratoon.storage.database import Database

_TABLE = "alembic_version"


def scripts_of(service: str) -> Path:
    """Return the directory of a service's migrations, next to its code or in it."""
    package = Path(str(services.load("ratoon.migrations", service).__file__)).parent
    beside = package / "migrations"
    return beside if beside.exists() else package.parents[1] / "migrations"


def head_of(service: str) -> str:
    """Return the revision that this version of a service needs."""
    return _revisions(service)[-1]


def knows(service: str, revision: str) -> bool:
    """Return whether this version of a service can upgrade a database of this revision."""
    return not revision or revision in _revisions(service)


def revision_of(database: Database) -> str:
    """The revision that a database is at; empty when it was never migrated."""
    with database.read() as connection:
        return revision_at(connection)


def revision_at(connection: sa.Connection) -> str:
    """The revision of the database that this is a connection to; empty when it was never migrated."""
    if not sa.inspect(connection).has_table(_TABLE):
        return ""
    return connection.scalar(sa.text(f"SELECT version_num FROM {_TABLE}")) or ""


def check_current(service: str, database: Database) -> None:
    """Refuse to serve from a database that was not migrated, or that a newer version changed too far."""
    try:
        with database.read() as connection:
            at, may = revision_at(connection), schema_readers.readers(connection)
    except OperationalError as error:
        raise FailedPrecondition(
            f"The database of {service} cannot be opened ({error.orig}); if it is not there, run: ratoon migrate",
            reason="DATABASE_NOT_THERE",
        ) from None
    head = head_of(service)
    if at != head and head not in may:
        raise FailedPrecondition(
            f"The database of {service} is at revision {at or 'none'}, this version needs {head}; run: ratoon migrate",
            reason="DATABASE_NOT_MIGRATED",
        )


def _revisions(service: str) -> list[str]:
    """All of them, oldest first: scripts are named after them, `0002_operation_trace.py`."""
    return sorted(
        path.name.partition("_")[0] for path in (scripts_of(service) / "versions").glob("[0-9]*.py")
    )
