"""Operations know the trace of what began them."""

from alembic import op

from ratoon.storage.migrations import add_operation_trace_v2, drop_operation_trace_v2

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    add_operation_trace_v2(op)


def downgrade() -> None:
    """Drop it."""
    drop_operation_trace_v2(op)
