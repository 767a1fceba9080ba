"""The first tables of labeling."""

import sqlalchemy as sa
from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    for name in ("guidelines", "annotations", "tasks", "label_sets"):
        create_resource_table_v1(op, name)
    op.add_column("annotations", sa.Column("imported", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table("recordings", sa.Column("label_set", sa.String(512), primary_key=True))


def downgrade() -> None:
    """Drop all that this made; labeling's data go with it."""
    for name in ("recordings", "guidelines", "annotations", "tasks", "label_sets"):
        op.drop_table(name)
    drop_common_tables_v1(op)
