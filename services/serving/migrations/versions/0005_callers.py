"""Traffic by caller: one caller's failures do not decide a rollout."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; what was told before names no caller."""
    op.add_column("traffic_windows", sa.Column("callers", sa.Text, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop it; a bake that is under way takes all callers for one."""
    op.drop_column("traffic_windows", "callers")
