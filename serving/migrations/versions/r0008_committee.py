"""What the committee decides, a hash chain with its head."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = "committee_decisions"


def upgrade():
    """Create the table and its empty head."""
    about = [_text("decision_id", 16), _text("kind", 16), _text("source", 128), _text("department", 16), sa.Column("owner", sa.Text(), nullable=False),
             sa.Column("due_on", sa.Date(), nullable=False), sa.Column("actor", sa.Text(), nullable=False), _text("outcome", 16, nullable=True)]
    erasable = [_text("payload_hash", 64), sa.Column("customer_id", sa.Text()), sa.Column("salt", sa.LargeBinary()), sa.Column("payload", sa.LargeBinary())]
    op.create_table(NAME, sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False), sa.Column("made_at", sa.DateTime(), nullable=False), *about,
                    *erasable, _text("previous_hash", 64), _text("hash", 64))
    op.create_index(f"{NAME}_by_customer", NAME, ["customer_id", "sequence"])
    heads = sa.table("heads", sa.column("chain"), sa.column("count"), sa.column("hash"))
    op.bulk_insert(heads, [{"chain": NAME, "count": 0, "hash": "0" * 64}])


def downgrade():
    """Drop what upgrade created; the ledger's rows are lost."""
    op.execute(sa.text("delete from heads where chain = :name").bindparams(name=NAME))
    op.drop_table(NAME)


def _text(name, length, *, nullable=False):
    return sa.Column(name, sa.String(length), nullable=nullable)
