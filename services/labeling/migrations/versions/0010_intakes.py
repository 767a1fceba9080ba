"""Intakes: positions of the rules by which answers enter queues."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the table."""
    create_resource_table_v2(op, "intakes")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("intakes")
