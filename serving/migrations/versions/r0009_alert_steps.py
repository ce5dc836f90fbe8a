"""What happens to each alert, a hash chain with its head; which alerts are open, and what the last night knew, kept beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHAIN, STATES, FACTS = "alert_steps", "alert_states", "alert_facts"


def upgrade():
    """Create the three tables and the chain's empty head."""
    erasable = [_text("payload_hash", 64), sa.Column("customer_id", sa.Text()), sa.Column("salt", sa.LargeBinary()), sa.Column("payload", sa.LargeBinary())]
    op.create_table(CHAIN, sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False), sa.Column("made_at", sa.DateTime(), nullable=False),
                    *_step_columns(), *erasable, _text("previous_hash", 64), _text("hash", 64))
    for name, columns in (("customer", ["customer_id", "sequence"]), ("alert", ["alert_id", "sequence"])):
        op.create_index(f"{CHAIN}_by_{name}", CHAIN, columns)
    op.create_table(STATES, *_key("kind"), _text("alert_id", 16), _text("owner", 16), _day("deadline"), _text("outcome", 16, nullable=True),
                    sa.Column("sequence", sa.BigInteger(), nullable=False))
    op.create_index(f"{STATES}_by_alert", STATES, ["alert_id"])
    op.create_index(f"{STATES}_by_outcome", STATES, ["source", "outcome", "deadline"])
    op.create_table(FACTS, *_key(), _day("first_on"), _day("last_on"), sa.Column("sequence", sa.BigInteger(), nullable=False),
                    _words("facts"), _day("reference_on"), _words("reference"), _words("named"),
                    _words("riskiest"))
    heads = sa.table("heads", sa.column("chain"), sa.column("count"), sa.column("hash"))
    op.bulk_insert(heads, [{"chain": CHAIN, "count": 0, "hash": "0" * 64}])


def downgrade():
    """Drop what upgrade created; the ledger's rows are lost."""
    op.execute(sa.text("delete from heads where chain = :name").bindparams(name=CHAIN))
    for name in (FACTS, STATES, CHAIN):
        op.drop_table(name)


def _step_columns():
    marks = [_text("alert_id", 16), _text("step", 16), _text("kind", 64), _text("owner", 16), _day("on_day"), _text("severity", 16)]
    stands = [sa.Column("place", sa.Integer(), nullable=False), _day("deadline"), _day("until", nullable=True), _text("outcome", 16, nullable=True)]
    led = [_text("rules", 64, nullable=True), _text("event_id", 200, nullable=True), _text("decision_id", 64, nullable=True)]
    return [_text("source", 128), *marks, *stands, _words("actor"), *led]


def _key(*more):
    return [sa.Column("source", sa.String(128), primary_key=True), sa.Column("customer_id", sa.Text(), primary_key=True),
            *(sa.Column(name, sa.String(64), primary_key=True) for name in more)]


def _text(name, length, *, nullable=False):
    return sa.Column(name, sa.String(length), nullable=nullable)


def _words(name):
    return sa.Column(name, sa.Text(), nullable=False)


def _day(name, *, nullable=False):
    return sa.Column(name, sa.Date(), nullable=nullable)
