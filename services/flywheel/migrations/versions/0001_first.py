"""The first tables of the flywheel."""

import sqlalchemy as sa
from alembic import op

from ratoon.storage.migrations import create_common_tables_v1, create_resource_table_v1, drop_common_tables_v1

revision = "0001"
down_revision = None

_RESOURCES = (
    "projects",
    "policies",
    "pipeline_runs",
    "feedback",
    "traffic_segments",
    "drift_reports",
    "monitors",
)


def upgrade() -> None:
    """Make the tables."""
    create_common_tables_v1(op)
    for name in _RESOURCES:
        create_resource_table_v1(op, name)
    _create_answers()
    _create_judgements()
    op.create_table(
        "children",
        sa.Column("resource", sa.String(512), primary_key=True),
        sa.Column("run", sa.String(512), nullable=False),
    )


def downgrade() -> None:
    """Drop all that this made; the flywheel's data go with it."""
    for name in (*_RESOURCES, "answers", "judgements", "children"):
        op.drop_table(name)
    drop_common_tables_v1(op)


def _number() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("number", kind, primary_key=True, autoincrement=True)


def _create_answers() -> None:
    op.create_table(
        "answers",
        _number(),
        sa.Column("project", sa.String(80), nullable=False),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("segment", sa.String(512), nullable=False),
        sa.Column("deployment", sa.String(512), nullable=False),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("length", sa.SmallInteger, nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("project", "answer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_time", "answers", ["project", "time"])
    op.create_index("ix_answers_number", "answers", ["project", "number"])


def _create_judgements() -> None:
    op.create_table(
        "judgements",
        _number(),
        sa.Column("project", sa.String(80), nullable=False),
        sa.Column("answer_id", sa.String(400), nullable=False),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.SmallInteger, nullable=False),
        sa.Column("correction", sa.String(80), nullable=False),
        sa.UniqueConstraint("project", "answer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_judgements_time", "judgements", ["project", "time"])
    op.create_index("ix_judgements_number", "judgements", ["project", "number"])
