"""Transitions of customers and runs of playbooks, each a hash chain with its head, and where each customer stands."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHAINS = ("transitions", "playbook_events")


def upgrade():
    """Create the tables and one empty head per chain."""
    _chained("transitions", _transition_columns())
    op.create_index("transitions_by_customer", "transitions", ["customer_id", "sequence"])
    _chained("playbook_events", _playbook_columns())
    op.create_index("playbook_events_by_run", "playbook_events", ["run"])
    op.create_index("playbook_events_by_customer", "playbook_events", ["customer_id", "sequence"])
    _states()
    heads = sa.table("heads", sa.column("chain", sa.String), sa.column("count", sa.BigInteger), sa.column("hash", sa.String))
    op.bulk_insert(heads, [{"chain": name, "count": 0, "hash": "0" * 64} for name in CHAINS])


def downgrade():
    """Drop what upgrade created; the rows are lost."""
    for name in CHAINS:
        op.execute(sa.text("delete from heads where chain = :name").bindparams(name=name))
        op.drop_table(name)
    op.drop_table("life_cycle_states")


def _chained(name, columns):
    sealed = [sa.Column("payload_hash", sa.String(64), nullable=False), sa.Column("customer_id", sa.Text()), sa.Column("salt", sa.LargeBinary()),
              sa.Column("payload", sa.LargeBinary())]
    links = [sa.Column(link, sa.String(64), nullable=False) for link in ("previous_hash", "hash")]
    sequence = sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False)
    op.create_table(name, sequence, sa.Column("made_at", sa.DateTime(), nullable=False), *columns, *sealed, *links)


def _transition_columns():
    return [
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("moved_on", sa.Date(), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("deadline", sa.Date()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
    ]


def _playbook_columns():
    return [
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("playbook", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("step", sa.String(64)),
        sa.Column("drill", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
    ]


def _states():
    op.create_table(
        "life_cycle_states",
        sa.Column("source", sa.String(128), primary_key=True),
        sa.Column("customer_id", sa.Text(), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("deadline", sa.Date()),
        sa.Column("reference_pd", sa.Float()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.create_index("life_cycle_states_by_state", "life_cycle_states", ["source", "state"])
