"""Tasks that wait for an annotator, by one query over the index of the queue."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    delete,
    func,
    literal_column,
    select,
)

from ratoon.storage.bodies import Unreadable
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon.storage.names import parent_of
from ratoon.storage.store import Transaction, codec_of
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.annotations import Annotation, mark_of
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.ratings import Work
from ratoon_labeling.domain.tasks import Task

_FETCH = 50
"""Tasks that are read at once; more than a few are leased only where many annotators work."""
_TASKS, _ANNOTATIONS, _QUEUES = RESOURCES[Task], RESOURCES[Annotation], RESOURCES[Queue]
_CODEC = codec_of(Task, _TASKS)
_EMPTY = literal_column("''", String)
"""A parameter in its place would keep the index of the tasks of queues from being used."""


class SqlTaskQueue:
    """Tasks in the database. Those that an annotator answered are left out of the queue before they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(
        self, tx: Transaction, project: str, annotator: str, fields: Mapping[str, str]
    ) -> Generator[Task]:
        """Yield the tasks with these values of fields that the annotator has not answered.

        Those of a queue come the oldest first; others, which belong to none, the newest first.
        """
        order: list[ColumnElement[Any]] = [_TASKS.c.create_time, _TASKS.c.name]
        if "queue" not in fields:
            fields = {**fields, "queue": ""}
            order = [each.desc() for each in order]
        chosen = [
            (self._queue() if field == "queue" else stored_field(_TASKS, field, self._database.is_sqlite))
            == value
            for field, value in fields.items()
        ]
        answer = func.replace(_TASKS.c.name, "/tasks/", "/annotations/task-").concat(mark_of(annotator))
        answered = select(_ANNOTATIONS.c.name).where(_ANNOTATIONS.c.name == answer).exists()
        query = select(_TASKS.c.body).where(and_(_TASKS.c.parent == project, *chosen, ~answered))
        return _read(tx.connection, query.order_by(*order))

    def lock(self, tx: Transaction, queue: str) -> Queue:
        """Return a queue that no other transaction changes until this one ends."""
        tx.connection.execute(select(_QUEUES.c.name).where(_QUEUES.c.name == queue).with_for_update())
        return tx.get(Queue, queue)

    def states(self, tx: Transaction, queue: str) -> Mapping[str, int]:
        """Return the number of tasks of a queue by state."""
        state = stored_field(_TASKS, "state", self._database.is_sqlite)
        query = select(state, func.count()).where(self._of_queue(queue)).group_by(state)
        return {row[0]: row[1] for row in tx.connection.execute(query)}

    def answered(self, queue: str) -> Generator[Task]:
        """Yield the tasks of a queue that have answers, by name."""
        query = select(_TASKS.c.body).where(self._of_queue(queue)).order_by(_TASKS.c.name)
        with self._database.read() as connection:
            yield from (task for task in _read(connection, query) if task.answers)

    def delete(self, tx: Transaction, queue: str) -> None:
        """Delete the tasks of a queue."""
        tx.connection.execute(delete(_TASKS).where(self._of_queue(queue)))

    def _of_queue(self, queue: str) -> ColumnElement[bool]:
        return and_(_TASKS.c.parent == parent_of(queue), self._queue() == queue)

    def _queue(self) -> ColumnElement[str]:
        """Return the queue of a task, empty if it has none; tasks of older releases have none."""
        return func.coalesce(stored_field(_TASKS, "queue", self._database.is_sqlite), _EMPTY)

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
