"""How answers end, and the metadata of their requests by which drift is measured; earlier answers have neither."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("answers", sa.Column("answer_status", sa.String(16), nullable=False, server_default=""))
    op.add_column("answers", sa.Column("slices", sa.Text, nullable=True))


def downgrade() -> None:
    """Drop them."""
    for column in ("answer_status", "slices"):
        op.drop_column("answers", column)
