"""Compressions."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    create_resource_table_v2(op, "compressions")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("compressions")
