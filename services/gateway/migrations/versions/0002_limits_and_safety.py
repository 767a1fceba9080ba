"""Usage by day, and safety filters."""

import sqlalchemy as sa
from alembic import op

from ratoon.storage.migrations import create_resource_table_v1

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    create_resource_table_v1(op, "safety_filters")
    op.create_table(
        "api_key_days",
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Index("ix_api_key_days_day", "day"),
    )


def downgrade() -> None:
    """Drop them; word lists and what was used by day go with them."""
    op.drop_table("api_key_days")
    op.drop_table("safety_filters")
