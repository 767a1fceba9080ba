"""Pipeline runs, newest first, and which of them waits for what."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from ratoon.storage.store import Transaction
from ratoon_flywheel.adapters.tables import CHILDREN, RESOURCES
from ratoon_flywheel.domain.pipelines.external_events import ExternalEvent
from ratoon_flywheel.domain.pipelines.runs import PipelineRun

MAX_RECENT_RUNS = 100
"""Newest runs of a project that a decision looks back on."""


class RunTables:
    """The run index, on SQLite and PostgreSQL alike."""

    def recent(self, tx: Transaction, project: str) -> list[PipelineRun]:
        """The newest runs of a project, enough for any decision, oldest first."""
        t = RESOURCES[PipelineRun]
        query = (
            select(t.c.name, t.c.body)
            .where(t.c.parent == project)
            .order_by(t.c.create_time.desc(), t.c.name.desc())
        )
        rows = tx.connection.execute(query.limit(MAX_RECENT_RUNS)).all()
        return [tx.read_row(PipelineRun, row) for row in reversed(rows)]

    def since(self, tx: Transaction, project: str, time: datetime) -> list[PipelineRun]:
        """Return the runs of a project that were created after a time, oldest first."""
        t = RESOURCES[PipelineRun]
        newer = (t.c.parent == project) & (t.c.create_time > time.isoformat())
        query = select(t.c.name, t.c.body).where(newer).order_by(t.c.create_time, t.c.name)
        return [tx.read_row(PipelineRun, row) for row in tx.connection.execute(query).all()]

    def forget(self, tx: Transaction, run: str) -> None:
        """Forget the resource that a run waited for; for a run that is deleted."""
        tx.connection.execute(delete(CHILDREN).where(CHILDREN.c.run == run))

    def forget_events(self, tx: Transaction, project: str) -> None:
        """Delete the external events of a project; for a project that is deleted."""
        events = RESOURCES[ExternalEvent]
        tx.connection.execute(delete(events).where(events.c.parent == project))

    def note_child(self, tx: Transaction, resource: str, run: str) -> None:
        """Remember the resource that a run waits for; the resources of its earlier stages no longer wake it."""
        earlier = (CHILDREN.c.resource == resource) | (CHILDREN.c.run == run)
        tx.connection.execute(delete(CHILDREN).where(earlier))
        tx.connection.execute(insert(CHILDREN), {"resource": resource, "run": run})

    def run_of(self, tx: Transaction, resource: str) -> str:
        """The run that waits for a resource; empty when none does."""
        query = select(CHILDREN.c.run).where(CHILDREN.c.resource == resource)
        return tx.connection.execute(query).scalar() or ""
