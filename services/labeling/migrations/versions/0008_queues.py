"""Queues and refills, and an index of the tasks of a queue by state."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0008"
down_revision = "0007"

_FIELD = {
    "sqlite": "CASE WHEN json_valid(body) THEN json_extract(body, '$.{}') END",
    "postgresql": "(CAST(body AS json) ->> '{}')",
}
"""Expression of a field: that of `ratoon.storage.listing`, by which queries are written."""


def upgrade() -> None:
    """Create the tables and the index."""
    for name in ("queues", "refills"):
        create_resource_table_v2(op, name)
    field = _FIELD[op.get_bind().dialect.name]
    queue, state = field.format("queue"), field.format("state")
    op.execute(
        f"CREATE INDEX ix_tasks_of_queue ON tasks (parent, coalesce({queue}, ''), {state}, create_time, name)"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_tasks_of_queue", "tasks")
    for name in ("queues", "refills"):
        op.drop_table(name)
