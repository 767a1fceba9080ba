"""Versions of a service that may use its database as it is, so that two of them can run side by side for a while.

A migration that only adds leaves the versions before it as they were: they may go on, start again, and be rolled back
to. One that takes something away says so (`contracts = True` in its script), and from then on only what comes after it
may. A small table next to Alembic's own holds the revisions whose code may use the database.
"""

from collections.abc import Iterable

import sqlalchemy as sa

TABLE = "schema_readers"
_READERS = sa.Table(TABLE, sa.MetaData(), sa.Column("revision", sa.String(32), primary_key=True))


def readers(connection: sa.Connection) -> set[str]:
    """Return the revisions whose code may use this database; empty if none were noted."""
    if not sa.inspect(connection).has_table(TABLE):
        return set()
    return set(connection.scalars(sa.select(_READERS.c.revision)))


def after(held: set[str], before: str, applied: Iterable[tuple[str, bool]]) -> set[str]:
    """Return who may use a database that migrations (revision, whether it contracts) brought on from a revision."""
    may = held or ({before} if before else set())
    for revision, contracts in applied:
        may = {revision} if contracts else may | {revision}
    return may


def note(connection: sa.Connection, revisions: set[str]) -> None:
    """Store the revisions that may use it; without any, drop the table."""
    if not revisions:
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {TABLE}"))
        return
    _READERS.create(connection, checkfirst=True)
    connection.execute(_READERS.delete())
    connection.execute(_READERS.insert(), [{"revision": each} for each in sorted(revisions)])
