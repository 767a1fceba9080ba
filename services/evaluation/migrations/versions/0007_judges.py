"""Judges of answers."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    create_resource_table_v2(op, "judges")


def downgrade() -> None:
    """Drop it; the judges go with it."""
    op.drop_table("judges")
