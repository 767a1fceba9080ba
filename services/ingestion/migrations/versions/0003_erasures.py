"""Erasures of records."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v1

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their table."""
    create_resource_table_v1(op, "erasures")


def downgrade() -> None:
    """Drop it; which records are barred is forgotten with it."""
    op.drop_table("erasures")
