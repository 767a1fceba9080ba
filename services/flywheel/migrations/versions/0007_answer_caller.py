"""Answers know their caller: each caller's feedback counts once."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column. Earlier answers have unknown callers, which count as one caller each."""
    op.add_column("answers", sa.Column("caller", sa.String(16), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("answers", "caller")
