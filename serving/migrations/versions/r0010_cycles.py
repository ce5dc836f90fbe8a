"""Runs of the scheduled job with their steps, and the notifications that wait to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    """Create the three tables."""
    op.create_table("cycle_runs", sa.Column("id", SEQUENCE, primary_key=True), _text("source", 128), _text("period", 8), _text("key", 16),
                    sa.Column("as_of", sa.Date(), nullable=False), _text("host", 255), sa.Column("pid", sa.BigInteger(), nullable=False), *_ending())
    op.create_index("cycle_runs_by_period", "cycle_runs", ["source", "period", "key"])
    op.create_table("cycle_steps", sa.Column("id", SEQUENCE, primary_key=True), sa.Column("run", sa.BigInteger(), nullable=False), _text("source", 128),
                    _text("use_case", 32, nullable=True), _text("name", 32), sa.Column("detail", sa.Text(), nullable=False), *_ending())
    op.create_index("cycle_steps_by_run", "cycle_steps", ["run"])
    op.create_index("cycle_steps_by_name", "cycle_steps", ["source", "use_case", "name"])
    op.create_table("notifications", _text("id", 64, primary_key=True), sa.Column("made_at", sa.DateTime(), nullable=False), _text("source", 128),
                    _text("kind", 32), sa.Column("body", sa.Text(), nullable=False), _moment("filed_at"), _moment("due_at"),
                    sa.Column("attempts", sa.Integer(), nullable=False), _moment("sent_at"), _moment("given_up_at"), sa.Column("fault", sa.Text()))
    op.create_index("notifications_by_due", "notifications", ["due_at"])


def downgrade():
    """Drop what upgrade created."""
    for name in ("notifications", "cycle_steps", "cycle_runs"):
        op.drop_table(name)


def _ending():
    return (sa.Column("started_at", sa.DateTime(), nullable=False), _moment("ended_at"), _text("outcome", 16, nullable=True),
            sa.Column("sentence", sa.Text(), nullable=False))


def _moment(name):
    return sa.Column(name, sa.DateTime())


def _text(name, length, *, nullable=False, primary_key=False):
    return sa.Column(name, sa.String(length), nullable=nullable, primary_key=primary_key)
