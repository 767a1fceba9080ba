"""The first tables of the registry."""

from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    for name in ("models", "model_versions", "aliases", "alias_changes"):
        create_resource_table_v1(op, name)


def downgrade() -> None:
    """Drop all that this made; the registry's data go with it."""
    for name in ("models", "model_versions", "aliases", "alias_changes"):
        op.drop_table(name)
    drop_common_tables_v1(op)
