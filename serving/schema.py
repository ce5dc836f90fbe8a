"""The operational database's tables as SQLAlchemy sees them; serving/migrations creates and changes them."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

# The newest revision under serving/migrations: a database that says it already has it is opened without importing alembic.
REVISION = "0011"

metadata = MetaData()

# SQLite keeps rows in the order of an INTEGER primary key only, not of a BIGINT one.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def _chained(name, *columns):
    """A hash chain's table: sequence counts from 1 without gaps, times are naive UTC, hash covers every column that cannot be erased."""
    return Table(
        name,
        metadata,
        Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
        Column("made_at", DateTime(), nullable=False),
        *columns,
        Column("previous_hash", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
    )


def _sealed():
    """What a person's right to erasure may empty: the last three (serving.chain.ERASABLE); payload_hash covers them and stays."""
    return Column("payload_hash", String(64), nullable=False), Column("customer_id", Text()), Column("salt", LargeBinary()), Column("payload", LargeBinary())


decisions = _chained(
    "decisions",
    Column("id", String(64), nullable=False, unique=True),
    Column("use_case", String(32), nullable=False),
    Column("source", String(128), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("policy", String(64), nullable=False),
    Column("context", String(64), nullable=False),
    *_sealed(),
    Index("decisions_by_customer", "customer_id", "sequence"),
    Index("decisions_by_time", "use_case", "source", "made_at"),
)

promotions = _chained(
    "promotions",
    Column("use_case", String(32), nullable=False),
    Column("source", String(128), nullable=False),
    Column("action", String(16), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("previous_bundle", String(64)),
    Column("policy", String(64)),
    Column("actor", Text(), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("evidence", Text(), nullable=False),
)

# Moves of customers from state to state: moved_on is the day of the book, deadline that of the owner department; the payload holds a person's reason and
# what was shown for the move.
transitions = _chained(
    "transitions",
    Column("source", String(128), nullable=False),
    Column("moved_on", Date(), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("deadline", Date()),
    Column("actor", Text(), nullable=False),
    Column("rules", String(64), nullable=False),
    *_sealed(),
    Index("transitions_by_customer", "customer_id", "sequence"),
)

# Runs of playbooks: `run` is the sequence of the row that started it, drill 1 where it touched nobody; the payload of that row holds the steps as they were.
playbook_events = _chained(
    "playbook_events",
    Column("source", String(128), nullable=False),
    Column("run", BigInteger(), nullable=False),
    Column("playbook", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("step", String(64)),
    Column("drill", Integer(), nullable=False),
    Column("actor", Text(), nullable=False),
    Column("rules", String(64), nullable=False),
    *_sealed(),
    Index("playbook_events_by_run", "run"),
    Index("playbook_events_by_customer", "customer_id", "sequence"),
)

# Where each customer stands now, as its last transitions say: kept beside them so that a night reads a row a customer, not a history.
life_cycle_states = Table(
    "life_cycle_states",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("customer_id", Text(), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", Date(), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("deadline", Date()),
    Column("reference_pd", Float()),
    Column("sequence", BigInteger(), nullable=False),
    Index("life_cycle_states_by_state", "source", "state"),
)

# Which rows lost their payload, by whom and why; a payload that is gone without a row here was tampered with.
erasures = _chained(
    "erasures",
    Column("decisions", Text(), nullable=False),
    Column("actor", Text(), nullable=False),
    Column("reason", Text(), nullable=False),
)

# What persons decided otherwise than the policy: granted, renewed or revoked (kind), each a row of its own under one override_id. expires_on is the last day
# on which it holds. The customer, what was changed, what the policy said and the reason's text stand in the payload.
overrides = _chained(
    "overrides",
    Column("override_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("use_case", String(32), nullable=False),
    Column("source", String(128), nullable=False),
    Column("reason_code", String(32), nullable=False),
    Column("author", Text(), nullable=False),
    Column("approver", Text()),
    Column("expires_on", Date()),
    Column("payload_hash", String(64), nullable=False),
    Column("customer_id", Text()),
    Column("salt", LargeBinary()),
    Column("payload", LargeBinary()),
    Index("overrides_by_customer", "customer_id", "sequence"),
)

# The review calendar: kind `due` says by which day (on_day) a customer is to be reviewed, kind `done` that it was, by whom. A due date that passed with no
# done row before it is a missed review, and both rows prove it.
reviews = _chained(
    "reviews",
    Column("kind", String(16), nullable=False),
    Column("use_case", String(32), nullable=False),
    Column("source", String(128), nullable=False),
    Column("on_day", Date(), nullable=False),
    Column("grade", String(16), nullable=False),
    Column("review_days", Integer(), nullable=False),
    Column("reviewer", Text()),
    Column("approver", Text()),
    Column("decision_id", String(64)),
    Column("payload_hash", String(64), nullable=False),
    Column("customer_id", Text()),
    Column("salt", LargeBinary()),
    Column("payload", LargeBinary()),
    Index("reviews_by_customer", "customer_id", "sequence"),
)

# Who read a report on a customer: reader is the key's name or the person, report its kind and language; why stands in the payload.
report_access = _chained(
    "report_access",
    Column("reader", Text(), nullable=False),
    Column("key_id", String(16)),
    Column("report", String(64), nullable=False),
    *_sealed(),
    Index("report_access_by_customer", "customer_id", "sequence"),
)

# Requests that a person look at a decision: kind `opened` says by which day it is to be answered, `answered` who did, with which outcome. The statement and
# the answer stand in the payload.
human_reviews = _chained(
    "human_reviews",
    Column("case_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("use_case", String(32), nullable=False),
    Column("source", String(128), nullable=False),
    Column("decision_id", String(64), nullable=False),
    Column("due_on", Date(), nullable=False),
    Column("actor", Text(), nullable=False),
    Column("outcome", String(16)),
    Column("override_id", String(64)),
    *_sealed(),
    Index("human_reviews_by_customer", "customer_id", "sequence"),
    Index("human_reviews_by_case", "case_id"),
    Index("human_reviews_by_decision", "decision_id"),
)

# Who may call the service: digest is the SHA-256 of a key's secret, scopes a comma-separated list. A revoked key stays, so that its id keeps its meaning.
keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("name", Text(), nullable=False),
    Column("scopes", Text(), nullable=False),
    Column("created_at", DateTime(), nullable=False),
    Column("expires_on", Date()),
    Column("revoked_at", DateTime()),
)

# What came of customers between two books: event_id is the sender's name for it, decision_id the decision it led to; the rows stand in the payload.
incoming_records = _chained(
    "incoming_records",
    Column("source", String(128), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("decision_id", String(64), nullable=False),
    *_sealed(),
    Index("incoming_records_by_event", "source", "event_id"),
    Index("incoming_records_by_customer", "customer_id", "sequence"),
)

# Thresholds that an event crossed: kind and level as in models.alerts; what was before and after, in the payload.
alerts = _chained(
    "alerts",
    Column("source", String(128), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("level", String(16)),
    Column("owner", String(16), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("decision_id", String(64), nullable=False),
    Column("rules", String(64), nullable=False),
    *_sealed(),
    Index("alerts_by_customer", "customer_id", "sequence"),
    Index("alerts_by_decision", "decision_id"),
)

# What happened to each alert: step as in models.alert_life, `raised` first; severity, deadline and place (how many levels it was passed on) as they are from
# then on, until the day it wakes. event_id and decision_id only where an event was what was seen. The facts seen, and a person's words, stand in the payload.
alert_steps = _chained(
    "alert_steps",
    Column("source", String(128), nullable=False),
    Column("alert_id", String(16), nullable=False),
    Column("step", String(16), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("on_day", Date(), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("place", Integer(), nullable=False),
    Column("deadline", Date(), nullable=False),
    Column("until", Date()),
    Column("outcome", String(16)),
    Column("actor", Text(), nullable=False),
    Column("rules", String(64)),
    Column("event_id", String(200)),
    Column("decision_id", String(64)),
    *_sealed(),
    Index("alert_steps_by_customer", "customer_id", "sequence"),
    Index("alert_steps_by_alert", "alert_id", "sequence"),
)

# The latest alert of each kind on each customer, as its steps leave it: the key is why there are never two open ones.
alert_states = Table(
    "alert_states",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("customer_id", Text(), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("alert_id", String(16), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("deadline", Date(), nullable=False),
    Column("outcome", String(16)),
    Column("sequence", BigInteger(), nullable=False),
    Index("alert_states_by_alert", "alert_id"),
    Index("alert_states_by_outcome", "source", "outcome", "deadline"),
)

# What the nights knew: of each customer the nights it was first and last looked at, how many rows alert_steps had after the last, its facts (JSON {name:
# number}), the score that the next is held against and its night, and the nights (JSON lists) on which it was `named` by an alert, or would have been as one of
# as many `riskiest` by PD alone; each once within a horizon.
alert_facts = Table(
    "alert_facts",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("customer_id", Text(), primary_key=True),
    Column("first_on", Date(), nullable=False),
    Column("last_on", Date(), nullable=False),
    Column("sequence", BigInteger(), nullable=False),
    Column("facts", Text(), nullable=False),
    Column("reference_on", Date(), nullable=False),
    Column("reference", Text(), nullable=False),
    Column("named", Text(), nullable=False),
    Column("riskiest", Text(), nullable=False),
)

# What the committee decided: kind `decided` says which department's owner does it by when, `closed` how it ended (outcome). The text stands in the payload; a
# decision that names nobody has no customer_id and keeps its payload.
committee_decisions = _chained(
    "committee_decisions",
    Column("decision_id", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("source", String(128), nullable=False),
    Column("department", String(16), nullable=False),
    Column("owner", Text(), nullable=False),
    Column("due_on", Date(), nullable=False),
    Column("actor", Text(), nullable=False),
    Column("outcome", String(16)),
    *_sealed(),
    Index("committee_decisions_by_customer", "customer_id", "sequence"),
)

# What a bundle that is tried in shadow said of a decision, after the champion's was answered: both by the policy alone.
shadow_scores = Table(
    "shadow_scores",
    metadata,
    Column("decision_id", String(64), primary_key=True),
    Column("shadow", String(64), primary_key=True),
    Column("source", String(128), nullable=False),
    Column("use_case", String(32), nullable=False),
    Column("customer_id", Text(), nullable=False),
    Column("scored_at", DateTime(), nullable=False),
    Column("champion", String(64), nullable=False),
    Column("champion_probability", Float(), nullable=False),
    Column("champion_grade", String(16), nullable=False),
    Column("champion_action", String(16), nullable=False),
    Column("shadow_probability", Float(), nullable=False),
    Column("shadow_grade", String(16), nullable=False),
    Column("shadow_action", String(16), nullable=False),
    Index("shadow_scores_by_shadow", "source", "use_case", "shadow"),
    Index("shadow_scores_by_customer", "customer_id"),
)

# What it said of a published book, in figures about nobody: effect is the JSON of `models.gate_effect.effect_of`.
shadow_nights = Table(
    "shadow_nights",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("use_case", String(32), primary_key=True),
    Column("shadow", String(64), primary_key=True),
    Column("as_of", String(32), primary_key=True),
    Column("champion", String(64), nullable=False),
    Column("scored_at", DateTime(), nullable=False),
    Column("effect", Text(), nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("content", Text(), nullable=False),
    Column("first_seen_at", DateTime(), nullable=False),
)

# Which decisions a caller's request was first answered with (serving.repeats): decision_ids is a JSON list, in the order of the answers.
request_keys = Table(
    "request_keys",
    metadata,
    Column("caller", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("made_at", DateTime(), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("decision_ids", Text(), nullable=False),
    Index("request_keys_by_time", "made_at"),
)

# What a day's decisions have taken of what the policy allows for a day: in minor units of the unit, a currency, or as a number of `reviews`. The day is UTC.
daily_spend = Table(
    "daily_spend",
    metadata,
    Column("source", String(128), primary_key=True),
    Column("use_case", String(32), primary_key=True),
    Column("unit", String(16), primary_key=True),
    Column("day", Date(), primary_key=True),
    Column("spent", BigInteger(), nullable=False),
)

# Runs of the scheduled job: key names the period (2026-11, 2026-W48, 2026-11-26); without an outcome a run is under way, or was killed.
cycle_runs = Table(
    "cycle_runs",
    metadata,
    Column("id", SEQUENCE, primary_key=True),
    Column("source", String(128), nullable=False),
    Column("period", String(8), nullable=False),
    Column("key", String(16), nullable=False),
    Column("as_of", Date(), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", BigInteger(), nullable=False),
    Column("started_at", DateTime(), nullable=False),
    Column("ended_at", DateTime()),
    Column("outcome", String(16)),
    Column("sentence", Text(), nullable=False),
    Index("cycle_runs_by_period", "source", "period", "key"),
)

# A run's steps in the order they began; detail is JSON, what a later run needs to carry on with a step that was begun.
cycle_steps = Table(
    "cycle_steps",
    metadata,
    Column("id", SEQUENCE, primary_key=True),
    Column("run", BigInteger(), nullable=False),
    Column("source", String(128), nullable=False),
    Column("use_case", String(32)),
    Column("name", String(32), nullable=False),
    Column("detail", Text(), nullable=False),
    Column("started_at", DateTime(), nullable=False),
    Column("ended_at", DateTime()),
    Column("outcome", String(16)),
    Column("sentence", Text(), nullable=False),
    Index("cycle_steps_by_run", "run"),
    Index("cycle_steps_by_name", "source", "use_case", "name"),
)

# What is to be told: written as a file (filed_at), and sent by webhook when due_at has come (without one nothing is); fault is why the last attempt failed.
notifications = Table(
    "notifications",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("made_at", DateTime(), nullable=False),
    Column("source", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text(), nullable=False),
    Column("filed_at", DateTime()),
    Column("due_at", DateTime()),
    Column("attempts", Integer(), nullable=False),
    Column("sent_at", DateTime()),
    Column("given_up_at", DateTime()),
    Column("fault", Text()),
    Index("notifications_by_due", "due_at"),
)

# One row per chain: how many rows it has and the hash of the last one. Whoever appends locks it first.
heads = Table(
    "heads",
    metadata,
    Column("chain", String(32), primary_key=True),
    Column("count", BigInteger(), nullable=False),
    Column("hash", String(64), nullable=False),
)

CHAINS = {
    table.name: table
    for table in (decisions, promotions, erasures, transitions, playbook_events, overrides, reviews, report_access, human_reviews, incoming_records, alerts,
                  alert_steps, committee_decisions)
}
