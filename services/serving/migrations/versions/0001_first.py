"""The first tables of serving."""

from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None

TABLES = ("deployments", "engines", "rollouts", "route_tables")


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    for name in TABLES:
        create_resource_table_v1(op, name)


def downgrade() -> None:
    """Drop all that this made; serving's data go with it."""
    for name in TABLES:
        op.drop_table(name)
    drop_common_tables_v1(op)
