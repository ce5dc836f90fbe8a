"""Overrides and reviews, each a hash chain with its head."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHAINS = ("overrides", "reviews")


def upgrade():
    """Create both tables and one empty head for each."""
    _chained("overrides", _override_columns())
    op.create_index("overrides_by_customer", "overrides", ["customer_id", "sequence"])
    _chained("reviews", _review_columns())
    op.create_index("reviews_by_customer", "reviews", ["customer_id", "sequence"])
    heads = sa.table("heads", sa.column("chain"), sa.column("count"), sa.column("hash"))
    op.bulk_insert(heads, [{"chain": name, "count": 0, "hash": "0" * 64} for name in CHAINS])


def downgrade():
    """Drop what upgrade created; both ledgers' rows are lost."""
    for name in CHAINS:
        op.execute(sa.text("delete from heads where chain = :name").bindparams(name=name))
        op.drop_table(name)


def _chained(name, columns):
    sequence = sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False)
    links = [sa.Column(link, sa.String(64), nullable=False) for link in ("previous_hash", "hash")]
    op.create_table(name, sequence, sa.Column("made_at", sa.DateTime(), nullable=False), *columns, *_erasable(), *links)


def _erasable():
    return [
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text()),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("payload", sa.LargeBinary()),
    ]


def _override_columns():
    return [
        sa.Column("override_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("use_case", sa.String(32), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("reason_code", sa.String(32), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text()),
        sa.Column("expires_on", sa.Date()),
    ]


def _review_columns():
    return [
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("use_case", sa.String(32), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("review_days", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.Text()),
        sa.Column("approver", sa.Text()),
        sa.Column("decision_id", sa.String(64)),
    ]
