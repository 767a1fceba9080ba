"""Profiles of dataset versions."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create their table."""
    create_resource_table_v2(op, "profiles")


def downgrade() -> None:
    """Drop it. Their reports remain until garbage collection."""
    op.drop_table("profiles")
