"""The first tables of evaluation."""

from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    create_resource_table_v1(op, "evaluation_runs")


def downgrade() -> None:
    """Drop all that this made; evaluation's data go with it."""
    op.drop_table("evaluation_runs")
    drop_common_tables_v1(op)
