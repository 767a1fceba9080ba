"""Texts of traffic segments that the index of answers does not have."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make their table."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "noted_texts",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(80), nullable=False),
        sa.Column("segment", sa.String(512), nullable=False),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("presence", sa.String(20), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_noted_texts_digest", "noted_texts", ["project", "content_digest"])
    op.create_index("ix_noted_texts_segment", "noted_texts", ["segment"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("noted_texts")
