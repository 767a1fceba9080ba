"""Sweeps."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    create_resource_table_v2(op, "sweeps")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("sweeps")
