"""Versions of guidelines. The index of tasks without their queue is dropped: that of queues has taken its place."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0009"
down_revision = "0008"

_STATE = {
    "sqlite": "CASE WHEN json_valid(body) THEN json_extract(body, '$.state') END",
    "postgresql": "(CAST(body AS json) ->> 'state')",
}
"""Expression of the state: that of `ratoon.storage.listing`, by which queries are written."""


def upgrade() -> None:
    """Create the table and drop the index."""
    create_resource_table_v2(op, "guideline_versions")
    op.drop_index("ix_tasks_queue", "tasks")


def downgrade() -> None:
    """Drop the table and create the index."""
    state = _STATE[op.get_bind().dialect.name]
    op.execute(f"CREATE INDEX ix_tasks_queue ON tasks (parent, {state}, create_time, name)")
    op.drop_table("guideline_versions")
