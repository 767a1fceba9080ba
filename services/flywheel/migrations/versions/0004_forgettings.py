"""Texts that captured traffic is to forget."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v1

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make their table."""
    create_resource_table_v1(op, "forgettings")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("forgettings")
