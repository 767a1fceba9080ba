"""Segments with unreadable rows are found by index, at each reading of the metrics."""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"

_UNREADABLE = text("presence = 'UNREADABLE'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_noted_texts_unreadable",
        "noted_texts",
        ["segment"],
        sqlite_where=_UNREADABLE,
        postgresql_where=_UNREADABLE,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_noted_texts_unreadable", "noted_texts")
