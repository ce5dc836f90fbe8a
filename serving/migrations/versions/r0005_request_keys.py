"""Idempotency keys: which decisions a caller's request was first answered with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade():
    """Create the table."""
    op.create_table(
        "request_keys",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("decision_ids", sa.Text(), nullable=False),
    )
    op.create_index("request_keys_by_time", "request_keys", ["made_at"])


def downgrade():
    """Drop it; a request repeated after that is decided anew."""
    op.drop_table("request_keys")
