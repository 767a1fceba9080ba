"""Operations have a priority: urgent ones are claimed before idle looks."""

from alembic import op

from ratoon.storage.migrations import add_operation_priority_v4, drop_operation_priority_v4

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column and its index."""
    add_operation_priority_v4(op)


def downgrade() -> None:
    """Drop them."""
    drop_operation_priority_v4(op)
