"""Counts of the tasks of a project, by one query over the fields of the stored documents."""

import threading
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import ColumnElement, String, and_, case, func, literal_column, select

from ratoon.process.clock import Clock
from ratoon.storage.database import Database
from ratoon.storage.listing import stored_field
from ratoon.tasks.kind import Kind
from ratoon_labeling.adapters.tables import RESOURCES
from ratoon_labeling.domain.kinds.table import KINDS
from ratoon_labeling.domain.tasks import Task, TaskState, TaskSummary

_REUSE = 20
"""Counts are reused for this many times what counting took: 100,000 tasks take some 0.3 s, a few thousand none."""
_MAX_PROJECTS = 1_000
_UNCHANGED, _CHANGED = "unchanged", "changed"


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
        state, reason, before, after = map(self._field, ("state", "reason", "proposed_label", "label"))
        has_classes = self._kind().in_([kind for kind, rules in KINDS.items() if rules.HAS_CLASSES])
        labels = [case((has_classes, each), else_="") for each in (before, after)]
        both = and_(before != "", after != "")
        change = case((~both, ""), (before == after, _UNCHANGED), (before != after, _CHANGED), else_="")
        names = ("state", "reason", "before", "after", "change")
        fields = [
            each.label(name) for name, each in zip(names, (state, reason, *labels, change), strict=True)
        ]
        tasks = select(*fields).where(table.c.parent == project).subquery()
        query = select(*tasks.c, func.count()).group_by(*tasks.c)
        with self._database.read() as connection:
            return _summary(tuple(row) for row in connection.execute(query))

    def _field(self, name: str) -> ColumnElement[str]:
        return stored_field(RESOURCES[Task], name, self._database.is_sqlite)

    def _kind(self) -> ColumnElement[str]:
        """Return the kind of task; bodies of older releases have none."""
        path = (
            "CASE WHEN json_valid(tasks.body) THEN json_extract(tasks.body, '$.task.kind') END"
            if self._database.is_sqlite
            else "(CAST(tasks.body AS json) #>> '{task,kind}')"
        )
        return func.coalesce(literal_column(path, String), Kind.CLASSIFY.value)


def _summary(rows: Iterable[tuple[str, str, str, str, str, int]]) -> TaskSummary:
    """Return the counts of rows of state, reason, label before, label after, change and number."""
    waiting, reviews = Counter[str](), Counter[tuple[str, str]]()
    states, changes = Counter[str](), Counter[str]()
    for state, reason, before, after, change, count in rows:
        states[state] += count
        changes[change] += count
        if state == TaskState.OPEN:
            waiting[reason] += count
        elif before and after:
            reviews[before, after] += count
    return TaskSummary(
        dict(waiting),
        states[TaskState.DONE],
        states[TaskState.SKIPPED],
        dict(reviews),
        changes[_UNCHANGED],
        changes[_CHANGED],
    )
