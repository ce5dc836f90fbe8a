"""Decisions, promotions, erasures, each a hash chain with its head, and the policies they name."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LINKS = ("previous_hash", "hash")


def upgrade():
    """Create the tables and one empty head per chain."""
    _chained("decisions", _decision_columns())
    op.create_index("decisions_by_customer", "decisions", ["customer_id", "sequence"])
    op.create_index("decisions_by_time", "decisions", ["use_case", "source", "made_at"])
    _chained("promotions", _promotion_columns())
    _chained("erasures", _erasure_columns())
    _policies()
    _heads()


def downgrade():
    """Drop what upgrade created; the ledgers' rows are lost."""
    for table in ("heads", "policies", "erasures", "promotions", "decisions"):
        op.drop_table(table)


def _chained(name, columns):
    links = [sa.Column(link, sa.String(64), nullable=False) for link in LINKS]
    sequence = sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False)
    op.create_table(name, sequence, sa.Column("made_at", sa.DateTime(), nullable=False), *columns, *links)


def _decision_columns():
    return [
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("use_case", sa.String(32), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("context", sa.String(64), nullable=False),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text()),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("payload", sa.LargeBinary()),
    ]


def _promotion_columns():
    return [
        sa.Column("use_case", sa.String(32), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("previous_bundle", sa.String(64)),
        sa.Column("policy", sa.String(64)),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
    ]


def _erasure_columns():
    return [
        sa.Column("decisions", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    ]


def _policies():
    op.create_table(
        "policies",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
    )


def _heads():
    heads = op.create_table(
        "heads",
        sa.Column("chain", sa.String(32), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(heads, [{"chain": name, "count": 0, "hash": "0" * 64} for name in ("decisions", "promotions", "erasures")])
