"""Feedback of every kind of task: preferences, outcomes, sessions, consent, and the answers that they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ANSWERS = ("prompt_digest", "session", "reply_length", "reply_language", "reply_words")
_JUDGEMENTS = ("feedback", "consent", "is_session", "user_mark")


def upgrade() -> None:
    """Add columns, indexes and tables. Earlier feedback may be used for training, as it was before."""
    op.add_column("answers", sa.Column("prompt_digest", sa.String(64), nullable=False, server_default=""))
    op.add_column("answers", sa.Column("session", sa.String(16), nullable=False, server_default=""))
    op.add_column("answers", sa.Column("reply_length", sa.SmallInteger, nullable=True))
    op.add_column("answers", sa.Column("reply_language", sa.String(20), nullable=True))
    op.add_column("answers", sa.Column("reply_words", sa.LargeBinary, nullable=True))
    op.create_index("ix_answers_session", "answers", ["project", "session"])
    op.add_column("judgements", sa.Column("feedback", sa.String(512), nullable=False, server_default=""))
    op.add_column(
        "judgements", sa.Column("consent", sa.String(16), nullable=False, server_default="TRAINING")
    )
    op.add_column("judgements", sa.Column("is_session", sa.SmallInteger, nullable=False, server_default="0"))
    op.add_column("judgements", sa.Column("user_mark", sa.String(16), nullable=False, server_default=""))
    op.create_index("ix_judgements_correction", "judgements", ["project", "correction"])
    op.create_table(
        "session_feedback",
        *_key(),
        sa.Column("session", sa.String(16), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.SmallInteger, nullable=False),
        sa.Column("traceparent", sa.String(55), nullable=False, server_default=""),
        *_origin(),
        sa.UniqueConstraint("project", "session"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "preferences",
        *_key(),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("rejected_answer_id", sa.String(400), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        *_origin(),
        sa.UniqueConstraint("project", "answer_id", "rejected_answer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_preferences_rejected", "preferences", ["project", "rejected_answer_id"])
    op.create_table(
        "outcomes",
        *_key(),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("project", "answer_id", "name"),
        sqlite_autoincrement=True,
    )
    for table in ("session_feedback", "preferences", "outcomes"):
        op.create_index(f"ix_{table}_time", table, ["project", "time"])


def downgrade() -> None:
    """Drop them."""
    for table in ("session_feedback", "preferences", "outcomes"):
        op.drop_table(table)
    op.drop_index("ix_judgements_correction", "judgements")
    op.drop_index("ix_answers_session", "answers")
    for table, columns in (("judgements", _JUDGEMENTS), ("answers", _ANSWERS)):
        for column in columns:
            op.drop_column(table, column)


def _key() -> tuple[sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(80), nullable=False),
    )


def _origin() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("feedback", sa.String(512), nullable=False),
        sa.Column("consent", sa.String(16), nullable=False),
        sa.Column("user_mark", sa.String(16), nullable=False),
    )
