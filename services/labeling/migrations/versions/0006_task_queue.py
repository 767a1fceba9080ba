"""The open tasks of a project are found by an index, the newest first."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATE = {
    "sqlite": "CASE WHEN json_valid(body) THEN json_extract(body, '$.state') END",
    "postgresql": "(CAST(body AS json) ->> 'state')",
}
"""Expression of the state: that of `ratoon.storage.listing`, by which queries are written."""


def upgrade() -> None:
    """Create the index."""
    state = _STATE[op.get_bind().dialect.name]
    op.execute(f"CREATE INDEX ix_tasks_queue ON tasks (parent, {state}, create_time, name)")


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_tasks_queue", "tasks")
