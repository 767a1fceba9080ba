"""Live engines are found by index: metrics and executors do not read those that ended."""

from alembic import op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"

_MARK = """'"state":"ABSENT"'"""


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_engines_live",
        "engines",
        ["parent", "name"],
        sqlite_where=text(f"instr(body, {_MARK}) = 0"),
        postgresql_where=text(f"strpos(body, {_MARK}) = 0"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_engines_live", "engines")
