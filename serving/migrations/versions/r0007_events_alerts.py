"""Incoming records and alerts, each a hash chain with its head."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHAINS = ("incoming_records", "alerts")


def upgrade():
    """Create both tables and one empty head for each."""
    _chained("incoming_records", [_text("source", 128), _text("event_id", 200), _text("decision_id", 64)])
    op.create_index("incoming_records_by_event", "incoming_records", ["source", "event_id"])
    _chained("alerts", _alert_columns())
    op.create_index("alerts_by_decision", "alerts", ["decision_id"])
    for name in CHAINS:
        op.create_index(f"{name}_by_customer", name, ["customer_id", "sequence"])
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


def _text(name, length, *, nullable=False):
    return sa.Column(name, sa.String(length), nullable=nullable)


def _erasable():
    return [_text("payload_hash", 64), sa.Column("customer_id", sa.Text()), sa.Column("salt", sa.LargeBinary()), sa.Column("payload", sa.LargeBinary())]


def _alert_columns():
    marks = [_text("kind", 64), _text("level", 16, nullable=True), _text("owner", 16)]
    return [_text("source", 128), *marks, _text("event_id", 200), _text("decision_id", 64), _text("rules", 64)]
