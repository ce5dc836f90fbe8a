"""What a shadow said beside the champion: of each decision of the service, and of each night's book in figures."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade():
    """Create both tables."""
    op.create_table(
        "shadow_scores", _text("decision_id", 64, key=True), _text("shadow", 64, key=True), _text("source", 128), _text("use_case", 32),
        sa.Column("customer_id", sa.Text(), nullable=False), sa.Column("scored_at", sa.DateTime(), nullable=False), _text("champion", 64),
        *(column for each in ("champion", "shadow") for column in (sa.Column(f"{each}_probability", sa.Float(), nullable=False), _text(f"{each}_grade", 16),
                                                                  _text(f"{each}_action", 16))))
    op.create_index("shadow_scores_by_shadow", "shadow_scores", ["source", "use_case", "shadow"])
    op.create_index("shadow_scores_by_customer", "shadow_scores", ["customer_id"])
    op.create_table(
        "shadow_nights", _text("source", 128, key=True), _text("use_case", 32, key=True), _text("shadow", 64, key=True), _text("as_of", 32, key=True),
        _text("champion", 64), sa.Column("scored_at", sa.DateTime(), nullable=False), sa.Column("effect", sa.Text(), nullable=False))


def downgrade():
    """Drop what upgrade created."""
    op.drop_table("shadow_nights")
    op.drop_table("shadow_scores")


def _text(name, length, *, key=False):
    return sa.Column(name, sa.String(length), primary_key=key, nullable=False)
