"""Sources whose rows are joined with those of another one: the other one is read with them."""

from dataclasses import replace

from ratoon.storage.names import parent_of
from ratoon.storage.store import Transaction
from ratoon_ingestion.domain.errors import BadSource
from ratoon_ingestion.domain.sources import Source


def with_partner(tx: Transaction, source: Source) -> Source:
    """Return a source with the one that its rows are joined with, if there is one; NotFound if that is gone."""
    if source.rows is None or not source.rows.other:
        return source
    return replace(source, rows=replace(source.rows, partner=tx.get(Source, source.rows.other)))


def check_partner(tx: Transaction, source: Source) -> None:
    """Raise BadSource unless the other source of a join is another table of the project that joins no further one."""
    if source.rows is None or not source.rows.other:
        return
    name = source.rows.other
    if name == source.name or parent_of(name) != parent_of(source.name):
        raise BadSource(f"rows.join.source is {name}; it must be another source of the same project.")
    other = tx.get(Source, name)
    if not other.format.is_table:
        raise BadSource(f"rows.join.source {name} is no table.")
    if other.rows is not None:
        raise BadSource(
            f"The rows of {name} are joined, grouped or sorted themselves: join with the plain table."
        )


def joined_by(tx: Transaction, source: Source) -> str:
    """Return the name of a source whose rows are joined with this one; empty if there is none."""
    sources = tx.all(Source, parent_of(source.name))
    return next((each.name for each in sources if each.rows and each.rows.other == source.name), "")
