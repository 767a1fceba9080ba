"""External events that start pipeline runs; an index finds those that wait."""

import sqlalchemy as sa
from alembic import op

from ratoon.storage.migrations import create_resource_table_v2

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table."""
    create_resource_table_v2(op, "external_events")
    op.create_index(
        "ix_external_events_live",
        "external_events",
        ["parent", "name"],
        sqlite_where=sa.text("""instr(body, '"state":"ENDED"') = 0"""),
        postgresql_where=sa.text("""strpos(body, '"state":"ENDED"') = 0"""),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("external_events")
