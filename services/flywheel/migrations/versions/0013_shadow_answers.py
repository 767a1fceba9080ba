"""Shadow answers, and the permitted use of outcomes; that of earlier outcomes is not known, so they are not used."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "shadow_answers",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(80), nullable=False),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("shadow_of", sa.String(400), nullable=False),
        sa.Column("segment", sa.String(512), nullable=False),
        sa.Column("deployment", sa.String(512), nullable=False),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("live_version", sa.String(512), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("succeeded", sa.SmallInteger, nullable=False),
        sa.Column("latency_ms", sa.Float(53), nullable=False),
        sa.Column("live_latency_ms", sa.Float(53), nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("live_tokens", sa.Integer, nullable=False),
        sa.UniqueConstraint("project", "answer_id"),
        sqlite_autoincrement=True,
    )
    for name, column in (("number", "number"), ("of", "shadow_of"), ("time", "time")):
        op.create_index(f"ix_shadow_answers_{name}", "shadow_answers", ["project", column])
    op.create_index("ix_outcomes_number", "outcomes", ["project", "number"])
    op.add_column("outcomes", sa.Column("consent", sa.String(16), nullable=False, server_default="NONE"))


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_outcomes_number", "outcomes")
    op.drop_column("outcomes", "consent")
    op.drop_table("shadow_answers")
