"""Tasks that wait for an annotator, by one query over the index of the queue."""

from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
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
from ratoon_labeling.domain.tasks import Task, TaskState

_FETCH, _FETCH_FIRST = 50, 4
"""Tasks that are read at once. The first one that waits is nearly always taken."""
_TASKS, _ANNOTATIONS, _QUEUES = RESOURCES[Task], RESOURCES[Annotation], RESOURCES[Queue]
_CODEC = codec_of(Task, _TASKS)
_EMPTY = literal_column("''", String)
"""A parameter in its place would keep the index of the tasks of queues from being used."""


class SqlTaskQueue:
    """Tasks in the database. Those that an annotator answered are left out of the queue before they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[tuple[str, ...], Select[Any]] = {}

    def waiting(
        self, tx: Transaction, project: str, annotator: str, fields: Mapping[str, str], now: datetime
    ) -> Generator[Task]:
        """Yield the tasks with these values of fields that the annotator has not answered, and no other one holds.

        Those of a queue come the oldest first; others, which belong to none, the newest first.
        """
        names = tuple(sorted(fields))
        if names not in self._waiting:
            self._waiting[names] = self._query(names)
        query = self._waiting[names]
        soon = (now + timedelta(seconds=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        values = {f"field_{name}": value for name, value in fields.items()}
        values |= {"project": project, "annotator": annotator, "mark": mark_of(annotator), "soon": soon}
        return _read(tx.connection, query, values, _FETCH_FIRST)

    def _query(self, names: tuple[str, ...]) -> Select[Any]:
        """Return the query of the tasks by these fields; to build it takes longer than to run it.

        A lease that expires within a second counts as none. Where many annotators hold tasks, theirs are not read.
        """
        order: list[ColumnElement[Any]] = [_TASKS.c.create_time, _TASKS.c.name]
        is_sqlite = self._database.is_sqlite
        chosen = [
            (self._queue() if name == "queue" else stored_field(_TASKS, name, is_sqlite))
            == bindparam(f"field_{name}", type_=String)
            for name in names
        ]
        if "queue" not in names:
            chosen.append(self._queue() == _EMPTY)
            order = [each.desc() for each in order]
        name = func.replace(_TASKS.c.name, "/tasks/", "/annotations/task-").concat(
            bindparam("mark", type_=String)
        )
        answered = select(_ANNOTATIONS.c.name).where(_ANNOTATIONS.c.name == name).exists()
        expires, holder = (
            func.coalesce(stored_field(_TASKS, field, is_sqlite), "")
            for field in ("lease_expire_time", "lease_holder")
        )
        free = or_(expires <= bindparam("soon", type_=String), holder == bindparam("annotator", type_=String))
        of_project = _TASKS.c.parent == bindparam("project", type_=String)
        return select(_TASKS.c.body).where(and_(of_project, *chosen, ~answered, free)).order_by(*order)

    def lock(self, tx: Transaction, queue: str) -> Queue:
        """Return a queue that no other transaction changes until this one ends. SQLite has one writer at a time."""
        if not self._database.is_sqlite:
            tx.connection.execute(select(_QUEUES.c.name).where(_QUEUES.c.name == queue).with_for_update())
        return tx.get(Queue, queue)

    def states(self, tx: Transaction, queue: str) -> Mapping[str, int]:
        """Return the number of tasks of a queue by state."""
        state = stored_field(_TASKS, "state", self._database.is_sqlite)
        query = select(state, func.count()).where(self._of_queue(queue)).group_by(state)
        return {row[0]: row[1] for row in tx.connection.execute(query)}

    def answered(self, queue: str) -> Generator[Task]:
        """Yield the tasks of a queue that have answers, by name."""
        yield from (task for task in self.of_queue(queue) if task.answers)

    def of_queue(self, queue: str) -> Generator[Task]:
        """Yield all tasks of a queue, by name."""
        query = select(_TASKS.c.body).where(self._of_queue(queue)).order_by(_TASKS.c.name)
        with self._database.read() as connection:
            yield from _read(connection, query)

    def returning(self, queue: str, limit: int) -> list[str]:
        """Return tasks of a queue about answers whose label has not returned to the answer, by name."""
        is_sqlite = self._database.is_sqlite
        answer, label, returned, state = (
            func.coalesce(stored_field(_TASKS, field, is_sqlite), "")
            for field in ("answer_id", "label", "returned_label", "state")
        )
        waiting = and_(self._of_queue(queue), state == TaskState.DONE.value, answer != "", label != returned)
        query = select(_TASKS.c.name).where(waiting).order_by(_TASKS.c.name).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def of_guideline(self, guideline: str, after: str, limit: int) -> list[Task]:
        """Return the first tasks of queues of a guideline by name that come after a name and were ever answered."""
        field = stored_field(_TASKS, "guideline", self._database.is_sqlite)
        of_project = and_(_TASKS.c.parent == parent_of(guideline), _TASKS.c.name > after, field == guideline)
        query = select(_TASKS.c.body).where(of_project).order_by(_TASKS.c.name)
        with self._database.read() as connection, closing(_read(connection, query)) as tasks:
            answered = (task for task in tasks if task.answers or task.reopened_by)
            return list(islice(answered, limit))

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


def _read(
    connection: Connection, query: Select[Any], values: Mapping[str, str] | None = None, fetch: int = _FETCH
) -> Generator[Task]:
    """Yield the tasks of a query as they are read; bodies that cannot be read are left out."""
    with connection.execute(query.execution_options(yield_per=fetch), values or {}) as result:
        for body in result.scalars():
            with suppress(Unreadable):
                yield _CODEC.load(body)
