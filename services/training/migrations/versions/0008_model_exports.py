"""Exports of models."""

from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    create_resource_table_v2(op, "model_exports")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("model_exports")
