"""Votes by caller: each caller counts once in the analysis of a rollout."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column. Earlier votes have unknown callers, which count as one caller each."""
    op.add_column("vote_windows", sa.Column("callers", sa.Text, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop the column. A running analysis then counts votes, not callers."""
    op.drop_column("vote_windows", "callers")
