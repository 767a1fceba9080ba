"""The first tables of the gateway."""

import sqlalchemy as sa
from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    create_resource_table_v1(op, "api_keys")
    op.create_table(
        "api_key_usage",
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("last_use", sa.String(40)),
    )


def downgrade() -> None:
    """Drop all that this made; the API keys go with it."""
    op.drop_table("api_key_usage")
    op.drop_table("api_keys")
    drop_common_tables_v1(op)
