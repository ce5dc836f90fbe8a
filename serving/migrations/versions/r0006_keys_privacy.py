"""Keys; reports that were read and requests for a human review, each a hash chain with its head."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHAINS = ("report_access", "human_reviews")


def upgrade():
    """Create the tables and one empty head for each chain."""
    op.create_table("keys", *_key_columns())
    _chained("report_access", _access_columns())
    op.create_index("report_access_by_customer", "report_access", ["customer_id", "sequence"])
    _chained("human_reviews", _review_columns())
    op.create_index("human_reviews_by_customer", "human_reviews", ["customer_id", "sequence"])
    op.create_index("human_reviews_by_case", "human_reviews", ["case_id"])
    op.create_index("human_reviews_by_decision", "human_reviews", ["decision_id"])
    heads = sa.table("heads", sa.column("chain"), sa.column("count"), sa.column("hash"))
    op.bulk_insert(heads, [{"chain": name, "count": 0, "hash": "0" * 64} for name in CHAINS])


def downgrade():
    """Drop what upgrade created; keys and both ledgers' rows are lost."""
    for name in CHAINS:
        op.execute(sa.text("delete from heads where chain = :name").bindparams(name=name))
        op.drop_table(name)
    op.drop_table("keys")


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


def _key_columns():
    return [
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_on", sa.Date()),
        sa.Column("revoked_at", sa.DateTime()),
    ]


def _access_columns():
    return [
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(16)),
        sa.Column("report", sa.String(64), nullable=False),
    ]


def _review_columns():
    return [
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("use_case", sa.String(32), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("decision_id", sa.String(64), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("override_id", sa.String(64)),
    ]
