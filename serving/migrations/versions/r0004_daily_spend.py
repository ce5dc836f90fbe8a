"""What the decisions of a day have taken together of what the policy allows for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    """Create the table."""
    op.create_table(
        "daily_spend",
        sa.Column("source", sa.String(128), primary_key=True),
        sa.Column("use_case", sa.String(32), primary_key=True),
        sa.Column("unit", sa.String(16), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("spent", sa.BigInteger(), nullable=False),
    )


def downgrade():
    """Drop it; the day under way starts anew."""
    op.drop_table("daily_spend")
