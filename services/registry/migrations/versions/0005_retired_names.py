"""Names of deleted resources are not used again."""

from alembic import op

from ratoon.storage.migrations import create_retired_names_v5

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    create_retired_names_v5(op)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("retired_names")
