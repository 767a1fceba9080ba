"""Tasks that wait for an annotator, by one query over the index of the queue."""

from collections.abc import Generator, Mapping
from contextlib import suppress

from sqlalchemy import and_, func, select

from ratoon.storage.bodies import Unreadable
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon.storage.store import Transaction, codec_of
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.annotations import Annotation, mark_of
from ratoon_labeling.domain.tasks import Task

_FETCH = 50
"""Tasks that are read at once; more than a few are leased only where many annotators work."""
_TASKS, _ANNOTATIONS = RESOURCES[Task], RESOURCES[Annotation]
_CODEC = codec_of(Task, _TASKS)


class SqlTaskQueue:
    """The queue in the database. Tasks that an annotator answered are left out before they are read."""

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
        query = (
            select(_TASKS.c.body)
            .where(and_(_TASKS.c.parent == project, *chosen, ~answered))
            .order_by(_TASKS.c.create_time.desc(), _TASKS.c.name.desc())
            .execution_options(yield_per=_FETCH)
        )
        with tx.connection.execute(query) as result:
            for body in result.scalars():
                with suppress(Unreadable):
                    yield _CODEC.load(body)
