"""Counts of the tasks of a project, by one query over the fields of the stored documents."""

import threading

from sqlalchemy import ColumnElement, func, select

from ratoon.process.clock import Clock
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.tasks import Task, TaskState, TaskSummary

_REUSE = 20
"""Counts are reused for this many times what counting took: 100,000 tasks take some 0.3 s, a few thousand none."""
_MAX_PROJECTS = 1_000


class SqlTaskCounts:
    """Counts in the database; no task is read into this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._counting = threading.Lock()
        self._known: dict[str, tuple[float, TaskSummary]] = {}

    def of(self, project: str) -> TaskSummary:
        """Return the number of tasks by state, reason and answer; of a long queue as it was seconds ago."""
        with self._counting:
            reused_until, summary = self._known.get(project, (0.0, TaskSummary()))
            begun = self._clock.monotonic()
            if begun >= reused_until:
                summary = self._counted(project)
                ended = self._clock.monotonic()
                if len(self._known) >= _MAX_PROJECTS:
                    self._known.clear()
                self._known[project] = (ended + _REUSE * (ended - begun), summary)
        return summary

    def _counted(self, project: str) -> TaskSummary:
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
