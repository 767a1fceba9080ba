"""Connections: places that are read again and again."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their table."""
    create_resource_table_v2(op, "connections")


def downgrade() -> None:
    """Drop it; how far places were read is forgotten with it."""
    op.drop_table("connections")
