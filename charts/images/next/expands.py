"""A column that the version before does not know: it must go on writing events without it."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = max(path.name[:4] for path in Path(__file__).parent.glob("0*.py"))


def upgrade() -> None:
    """Add it."""
    op.add_column("outbox", sa.Column("next", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("outbox", "next")
