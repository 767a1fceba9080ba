"""Confidence of answers, by the probabilities of their tokens; earlier answers have none."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column."""
    op.add_column("answers", sa.Column("confidence", sa.Float(53), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("answers", "confidence")
