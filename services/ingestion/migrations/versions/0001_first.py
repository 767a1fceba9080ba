"""The first tables of ingestion."""

from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None
_TABLES = ("sources", "datasets", "dataset_versions", "splits", "split_readings")


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    for name in _TABLES:
        create_resource_table_v1(op, name)


def downgrade() -> None:
    """Drop all that this made; ingestion's resources go with it."""
    for name in _TABLES:
        op.drop_table(name)
    drop_common_tables_v1(op)
