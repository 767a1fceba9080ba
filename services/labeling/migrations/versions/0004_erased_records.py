"""Records that were erased, so that label sets under way bring nothing of them back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "erased_records",
        sa.Column("project", sa.String(80), primary_key=True),
        sa.Column("record_id", sa.String(64), primary_key=True),
        sa.Column("time", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("erased_records")
