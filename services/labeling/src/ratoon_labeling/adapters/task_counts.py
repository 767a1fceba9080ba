"""Counts of the tasks of a project, by one query over the fields of the stored documents."""

from sqlalchemy import ColumnElement, func, select

from ratoon.chassis.database import Database
from ratoon.chassis.listing import stored_field
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.tasks import Task, TaskState, TaskSummary


class SqlTaskCounts:
    """Counts in the database; no task is read into this process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, project: str) -> TaskSummary:
        """Return the number of tasks by state, reason and answer."""
        table = RESOURCES[Task]
        fields = [self._field(name) for name in ("state", "reason", "proposed_label", "label")]
        query = select(*fields, func.count()).where(table.c.parent == project).group_by(*fields)
        with self._database.read() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        summary = TaskSummary()
        states = dict.fromkeys(TaskState, 0)
        for state, reason, before, after, count in rows:
            states[state] = states.get(state, 0) + count
            if state == TaskState.OPEN:
                summary.open[reason] = summary.open.get(reason, 0) + count
            elif before and after:
                summary.reviews[before, after] = summary.reviews.get((before, after), 0) + count
        return TaskSummary(summary.open, states[TaskState.DONE], states[TaskState.SKIPPED], summary.reviews)

    def _field(self, name: str) -> ColumnElement[str]:
        return stored_field(RESOURCES[Task], name, self._database.is_sqlite)
