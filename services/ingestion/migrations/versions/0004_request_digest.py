"""Resources know the digest of the request that made them."""

from alembic import op

from ratoon.storage.migrations import add_request_digest_v3, drop_request_digest_v3

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns."""
    add_request_digest_v3(op)


def downgrade() -> None:
    """Drop them."""
    drop_request_digest_v3(op)
