"""Tasks that wait for an annotator, by one query over the index of the queue."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from ratoon.storage.bodies import Unreadable
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon.storage.store import Transaction, codec_of
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.annotations import Annotation, mark_of
from ratoon_labeling.domain.ratings import Work
from ratoon_labeling.domain.tasks import Task

_FETCH = 50
"""Tasks that are read at once; more than a few are leased only where many annotators work."""
_TASKS, _ANNOTATIONS = RESOURCES[Task], RESOURCES[Annotation]
_CODEC = codec_of(Task, _TASKS)


class SqlTaskQueue:
    """Tasks in the database. Those that an annotator answered are left out of the queue before they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(
        self, tx: Transaction, project: str, annotator: str, fields: Mapping[str, str]
    ) -> Generator[Task]:
        """Yield the tasks with these values of fields that the annotator has not answered, the newest first."""
        chosen = [
            stored_field(_TASKS, field, self._database.is_sqlite) == value for field, value in fields.items()
        ]
        answer = func.replace(_TASKS.c.name, "/tasks/", "/annotations/task-").concat(mark_of(annotator))
        answered = select(_ANNOTATIONS.c.name).where(_ANNOTATIONS.c.name == answer).exists()
        query = select(_TASKS.c.body).where(and_(_TASKS.c.parent == project, *chosen, ~answered))
        return _read(tx.connection, query.order_by(_TASKS.c.create_time.desc(), _TASKS.c.name.desc()))

    def of(self, project: str, work: Work) -> Generator[Task]:
        """Yield the tasks of a project with this work, by name."""
        field = stored_field(_TASKS, "work", self._database.is_sqlite)
        query = select(_TASKS.c.body).where(_TASKS.c.parent == project, field == work.value)
        with self._database.read() as connection:
            yield from _read(connection, query.order_by(_TASKS.c.name))


def _read(connection: Connection, query: Select[Any]) -> Generator[Task]:
    """Yield the tasks of a query as they are read; bodies that cannot be read are left out."""
    with connection.execute(query.execution_options(yield_per=_FETCH)) as result:
        for body in result.scalars():
            with suppress(Unreadable):
                yield _CODEC.load(body)
