"""Streams of appended records, and crawls."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text, UniqueConstraint

from ratoon.storage.migrations import create_resource_table_v2

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create their tables."""
    create_resource_table_v2(op, "streams")
    create_resource_table_v2(op, "crawls")
    number = BigInteger().with_variant(Integer, "sqlite")
    op.create_table(
        "stream_records",
        Column("number", number, primary_key=True, autoincrement=True),
        Column("stream", String(512), nullable=False),
        Column("record", String(256), nullable=False),
        Column("segment", Integer, nullable=False),
        Column("size", Integer, nullable=False),
        Column("time", BigInteger, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("body", Text, nullable=True),
        UniqueConstraint("stream", "record"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stream_records_segment", "stream_records", ["stream", "segment", "size"])
    op.create_index("ix_stream_records_time", "stream_records", ["stream", "time"])
    op.create_table(
        "append_usage",
        Column("project", String(80), primary_key=True),
        Column("day", String(10), primary_key=True),
        Column("bytes", BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop them, with the records that no source holds yet."""
    for table in ("append_usage", "stream_records", "crawls", "streams"):
        op.drop_table(table)
