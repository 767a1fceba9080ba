"""References to a resource from the stored documents of a service. It knows no domain."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import matched
from ratoon.storage.store import Store

_MAX_VALUES = 10


def referrers(store: Store, project: str, values: Sequence[str], limit: int) -> list[str]:
    """Return the names of at most `limit` resources of a project that store one of these values as a whole string.

    Any string of a document counts, so that no service can forget to declare a reference; a resource does not refer
    to itself. Time grows with the number of documents of the project. InvalidArgument without a project or values.
    """
    matched(project, "projects/*", "parent")
    if not 0 < len(values) <= _MAX_VALUES or not all(values):
        raise InvalidArgument(
            f"values must be 1 to {_MAX_VALUES} texts.", reason="BAD_VALUES", field="values"
        )
    position = func.instr if store.database.is_sqlite else func.strpos
    names: list[str] = []
    with store.read() as tx:
        for table in store.tables:
            parent, name = table.c.parent, table.c.name
            in_project = or_(parent == project, parent.startswith(f"{project}/", autoescape=True))
            refers = or_(*(position(table.c.body, f'"{value}"') > 0 for value in values))
            query = select(name).where(in_project, refers, name.not_in(values)).order_by(name).limit(limit)
            names += tx.connection.execute(query).scalars()
    return sorted(names)[:limit]
