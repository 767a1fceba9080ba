"""Exports of dataset versions and splits."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create their table."""
    create_resource_table_v2(op, "exports")


def downgrade() -> None:
    """Drop it. Their files remain until garbage collection."""
    op.drop_table("exports")
