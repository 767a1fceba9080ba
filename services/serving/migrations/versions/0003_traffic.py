"""What gateways and users told lately: a bake survives a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "traffic_windows",
        sa.Column("engine", sa.String(512), primary_key=True),
        sa.Column("gateway", sa.String(200), primary_key=True),
        sa.Column("start", sa.Float, primary_key=True),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.Column("cut", sa.Integer, nullable=False),
        sa.Column("p50_s", sa.Float, nullable=False),
    )
    op.create_index("ix_traffic_windows_end", "traffic_windows", ["end"])
    op.create_table(
        "vote_windows",
        sa.Column("version", sa.String(512), primary_key=True),
        sa.Column("start", sa.Float, primary_key=True),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("positive", sa.Integer, nullable=False),
        sa.Column("negative", sa.Integer, nullable=False),
    )
    op.create_index("ix_vote_windows_end", "vote_windows", ["end"])


def downgrade() -> None:
    """Drop them; a bake that is under way sees less."""
    op.drop_table("traffic_windows")
    op.drop_table("vote_windows")
