"""Judgements know the trace of the feedback that they come from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("judgements", sa.Column("traceparent", sa.String(55), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("judgements", "traceparent")
